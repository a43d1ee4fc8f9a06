// From a file's map to the device. The map is not pinned, so the bus cannot read it: two pinned buffers take turns, one
// filled by a few threads (which is when a cold file is read) while the other travels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "cuda/runtime.h"

namespace spark::cuda {

class Uploader {
 public:
  explicit Uploader(Stream stream);
  ~Uploader();  // when everything has arrived
  // to (rows, row_bytes), `pitch` bytes from row to row, = host memory without gaps. Returns when `host` may change,
  // which can be before the device has the bytes; the stream's later work finds them.
  void copy(void* to, size_t pitch, const void* host, size_t row_bytes, int64_t rows);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spark::cuda
