// What a model, its adapters and its critics share: one backend, one copy of the frozen weights, one scratch arena.
#pragma once

#include <memory>
#include <utility>

#include "model/llama.h"
#include "ops/buffer.h"

namespace spark {

struct EngineCore {
  std::unique_ptr<Backend> backend;  // first: everything below holds its memory
  Llama llama;
  Arena arena;
  Recompute recompute = Recompute::None;  // of the call in progress

  EngineCore(std::unique_ptr<Backend> own, std::shared_ptr<GgufFile> file, const std::atomic<bool>* cancel)
      : backend(entered(std::move(own))), llama(*backend, std::move(file), cancel), arena(*backend) {}

  // At the start of every call: this thread's settings, and the whole arena free.
  void begin_call() {
    backend->enter();
    arena.reset();
  }

 private:
  static std::unique_ptr<Backend> entered(std::unique_ptr<Backend> backend) {
    backend->enter();
    return backend;
  }
};

}  // namespace spark
