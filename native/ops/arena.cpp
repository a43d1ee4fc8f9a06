#include <algorithm>

#include "ops/buffer.h"

namespace spark {

namespace {
constexpr size_t kAlignment = 256;           // what cudaMalloc gives; a multiple of every CPU vector
constexpr size_t kSmallestChunk = 1u << 20;  // so that tiny calls do not make dozens of chunks
}  // namespace

void* Arena::take(size_t bytes) {
  const size_t size = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
  while (current_ < chunks_.size() && used_ + size > chunks_[current_].size) {
    before_ += chunks_[current_].size;
    ++current_;
    used_ = 0;
  }
  if (current_ == chunks_.size()) {
    const size_t chunk = std::max(size, kSmallestChunk);
    chunks_.push_back({Buffer(backend_, chunk), chunk});
  }
  char* memory = reinterpret_cast<char*>(chunks_[current_].memory.floats()) + used_;
  used_ += size;
  peak_ = std::max(peak_, before_ + used_);
  return memory;
}

void Arena::reserve(size_t bytes) {
  if (this->bytes() >= bytes) return;
  chunks_.clear();  // before the new one: the two must not be held together
  chunks_.push_back({Buffer(backend_, bytes), bytes});
}

void Arena::reset() {
  if (chunks_.size() > 1) {
    const size_t total = bytes();
    chunks_.clear();
    chunks_.push_back({Buffer(backend_, total), total});
  }
  current_ = used_ = before_ = peak_ = 0;
}

size_t Arena::bytes() const {
  size_t total = 0;
  for (const Chunk& chunk : chunks_) total += chunk.size;
  return total;
}

}  // namespace spark
