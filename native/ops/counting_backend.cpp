#include "ops/counting_backend.h"

#include <algorithm>
#include <cstring>

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

Weight CountingBackend::load_matrix(TensorType type, const std::byte* data, int64_t rows, int64_t cols) {
  return {data, type, rows, cols, nullptr};
}

Vector CountingBackend::load_vector(TensorType, const std::byte* data, int64_t size) {
  return {reinterpret_cast<const float*>(data), size, nullptr};  // never read
}

void CountingBackend::note_product(const Weight& w, int64_t M) {
  needs_.packed = needs_.packed || w.type != TensorType::F32;
  needs_.widest_row = std::max({needs_.widest_row, w.rows, w.cols});
  needs_.product_input = std::max(needs_.product_input, M * std::max(w.rows, w.cols));
}

void CountingBackend::note_attention(const Packing& packing, const AttentionShape& shape) {
  needs_.longest = std::max(needs_.longest, packing.longest);
  needs_.head_size = std::max(needs_.head_size, shape.head_size);
}

void CountingBackend::attention_forward(float*, float*, const float*, const float*, const float*,
                                        const Packing& packing, const AttentionShape& shape) {
  note_attention(packing, shape);
}

void CountingBackend::attention_backward(float*, float*, float*, const float*, const float*, const float*, const float*,
                                         const float*, const float*, const Packing& packing,
                                         const AttentionShape& shape) {
  note_attention(packing, shape);
}

}  // namespace spark
