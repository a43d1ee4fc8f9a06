// Block inputs on their way to pinned host memory and back, on a stream beside the one that computes: a copy and the
// ops of a block run at once. Each slot has host memory of its own and an event for its last copy. The host waits only
// where a slot has to grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/runtime.h"

namespace spark::cuda {

class Offloader {
 public:
  explicit Offloader(Stream main) : main_(main) {}
  ~Offloader();  // when everything has arrived
  Offloader(const Offloader&) = delete;
  Offloader& operator=(const Offloader&) = delete;
  // Makes the copy stream. The constructor does not: it could throw half way, and then no destructor would release what
  // it had made.
  void open();
  // Backend::offload, fetch and settle, in bytes.
  void offload(int64_t slot, const void* from, size_t bytes);
  void fetch(void* to, int64_t slot, size_t bytes);
  void settle(int64_t slot);
  // Makes later work on the main stream wait for every copy, also those that an abandoned pass left under way.
  void settle_all();

 private:
  struct Slot {
    void* host = nullptr;  // pinned
    size_t bytes = 0;
    Event copied{};  // the slot's last copy
  };
  Slot& grown(int64_t slot, size_t bytes);
  void after_main();

  Stream main_, copies_{};
  Event reached_{};  // how far the main stream has come
  bool open_ = false;
  std::vector<Slot> slots_;
};

}  // namespace spark::cuda
