// Memory of a backend with an owner, and the scratch arena of a call.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "ops/backend.h"

namespace spark {

// One allocation; freed with its owner. The backend must outlive it.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Backend& backend, size_t bytes)
      : backend_(&backend), bytes_(bytes), data_(bytes ? backend.allocate(bytes) : nullptr) {}
  Buffer(Buffer&& other) noexcept
      : backend_(std::exchange(other.backend_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        data_(std::exchange(other.data_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(backend_, other.backend_);
    std::swap(bytes_, other.bytes_);
    std::swap(data_, other.data_);
    return *this;
  }
  ~Buffer() {
    if (data_) backend_->release(data_, bytes_);
  }
  float* floats() const { return static_cast<float*>(data_); }
  int32_t* ints() const { return static_cast<int32_t*>(data_); }
  Activation* activations() const { return data_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  Backend* backend_ = nullptr;
  size_t bytes_ = 0;
  void* data_ = nullptr;
};

// Bump allocation: a call takes what it needs and the next call reuses it, so steady training allocates nothing. When a
// call outgrows the arena it gets further chunks, which the next reset merges into one.
class Arena {
 public:
  explicit Arena(Backend& backend) : backend_(backend) {}
  float* floats(int64_t count) { return static_cast<float*>(take(static_cast<size_t>(count) * sizeof(float))); }
  Activation* activations(int64_t count) { return take(static_cast<size_t>(count) * backend_.value_bytes()); }
  int32_t* ints(int64_t count) { return static_cast<int32_t*>(take(static_cast<size_t>(count) * sizeof(int32_t))); }
  // Everything taken so far becomes free. Nothing may hold a pointer across it.
  void reset();
  // After a reset: one chunk of at least this size, so that a planned call allocates once and exactly.
  void reserve(size_t bytes);
  size_t bytes() const;                  // held
  size_t peak() const { return peak_; }  // most that was taken at once since the last reset

  // Frees, at the end of a scope, what was taken inside it.
  class Scope {
   public:
    explicit Scope(Arena& arena) : arena_(arena), chunk_(arena.current_), used_(arena.used_), before_(arena.before_) {}
    ~Scope() {
      arena_.current_ = chunk_;
      arena_.used_ = used_;
      arena_.before_ = before_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    size_t chunk_, used_, before_;
  };

 private:
  struct Chunk {
    Buffer memory;
    size_t size = 0;
  };
  void* take(size_t bytes);

  Backend& backend_;
  std::vector<Chunk> chunks_;
  size_t current_ = 0, used_ = 0;  // chunk in use, bytes taken of it
  size_t before_ = 0, peak_ = 0;   // bytes of the chunks before it, and the most ever taken
};

}  // namespace spark
