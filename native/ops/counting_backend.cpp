#include "ops/counting_backend.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace spark {

namespace {

bool is_quantised(TensorType type) {
  return type != TensorType::F32 && type != TensorType::F16 && type != TensorType::BF16;
}

}  // namespace

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

void CountingBackend::note_product(const Weight& w, int64_t M) {
  needs_.not_f32 = needs_.not_f32 || w.type != TensorType::F32;
  needs_.not_bf16 = needs_.not_bf16 || w.type != TensorType::BF16;
  needs_.widest_row = std::max({needs_.widest_row, w.rows, w.cols});
  needs_.input_gradient = std::max(needs_.input_gradient, M * w.cols);
}

void CountingBackend::note_logits(const Weight& w, int64_t M) {
  note_product(w, M);
  if (!is_quantised(w.type)) return;
  needs_.packed_head = std::max(needs_.packed_head, w.rows * w.cols);
  needs_.head_gradient = std::max(needs_.head_gradient, M * w.cols);
}

void CountingBackend::note_projection(const Weight& w, const LowRank& lora, int64_t M) {
  note_product(w, M);
  if (is_quantised(w.type)) needs_.unpacked = std::max(needs_.unpacked, w.rows * w.cols);
  if (!lora.u) return;
  note_low_rank(std::max(w.rows, w.cols), M, lora.R);
  needs_.joined_rows = std::max(needs_.joined_rows, M * (std::min(w.rows, w.cols) + lora.R));
}

void CountingBackend::note_low_rank(int64_t width, int64_t M, int64_t R) {
  needs_.low_rank = std::max(needs_.low_rank, width * R);
  needs_.low_rank_rows = std::max(needs_.low_rank_rows, M * R);
}

void CountingBackend::note_attention(const Packing& packing, const AttentionShape& shape) {
  needs_.longest = std::max(needs_.longest, packing.longest);
  needs_.head_size = std::max(needs_.head_size, shape.head_size);
  needs_.attention_rows = std::max(needs_.attention_rows, packing.tokens * shape.heads);
}

void CountingBackend::attention_forward(Activation*, float*, const Activation*, const Activation*, const Activation*,
                                        const Packing& packing, const AttentionShape& shape) {
  note_attention(packing, shape);
}

void CountingBackend::attention_backward(Activation*, Activation*, Activation*, const Activation*, const Activation*,
                                         const Activation*, const Activation*, const Activation*, const float*,
                                         const Packing& packing, const AttentionShape& shape) {
  note_attention(packing, shape);
}

}  // namespace spark
