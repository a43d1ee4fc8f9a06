#include "ops/counting_backend.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace spark {

void* CountingBackend::allocate(size_t bytes) {
  constexpr uintptr_t kAlignment = 256;
  const uintptr_t at = next_;
  next_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return reinterpret_cast<void*>(at);
}

void CountingBackend::download(void* host, const void*, size_t bytes) {
  if (bytes) std::memset(host, 0, bytes);
}

void CountingBackend::offload(int64_t slot, const Activation*, int64_t count) {
  slots_.resize(std::max(slots_.size(), static_cast<size_t>(slot) + 1));
  int64_t& own = slots_[static_cast<size_t>(slot)];
  own = std::max(own, count * static_cast<int64_t>(value_bytes()));
}

int64_t CountingBackend::host_bytes() const { return std::accumulate(slots_.begin(), slots_.end(), int64_t{0}); }

Weight CountingBackend::load_matrix(TensorType type, const std::byte* data, int64_t rows, int64_t cols) {
  return {data, type, rows, cols, nullptr};
}

Vector CountingBackend::load_vector(TensorType, const std::byte* data, int64_t size) {
  return {reinterpret_cast<const float*>(data), size, nullptr};  // never read
}

}  // namespace spark
