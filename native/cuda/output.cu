// The output projection: logits (M, V) = x Wᵀ in fp32, and dx = dlogits W of their gradient in bf16.
//
// A packed W of 128 k rows would be a gigabyte of bf16, more than all else that a small device holds beside the
// weights: it is unpacked and multiplied a panel of rows at a time. dx is then a sum over panels, kept in fp32 and
// rounded once.
#include <algorithm>

#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

template <int V>
__global__ void round_all(Bf16* to, const float* x, int64_t count) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * V;
  if (i >= count) return;
  Values<V> values;
  SPARK_UNROLL
  for (int j = 0; j < V; ++j) values.at[j] = x[i + j];
  values.store(to + i);
}

// f(first row, rows) for every panel of W; one that is not packed is used whole, where it lies.
template <class F>
void each_panel(const Weight& w, int64_t values, F&& f) {
  const int64_t most = w.type == TensorType::BF16 ? w.rows : std::max<int64_t>(values / w.cols, 1);
  for (int64_t first = 0; first < w.rows; first += most) f(first, std::min(most, w.rows - first));
}

}  // namespace

void CudaBackend::round(Activation* to, const float* x, int64_t count) {
  with_vector(vectorizes(count, {to, x}), [&](auto v) {
    launch(round_all<v()>, dim3(blocks_for(count, kThreads * v())), kThreads, 0, stream_, bf16(to), x, count);
  });
}

Factor CudaBackend::head_panel(const Weight& w, int64_t first, int64_t rows) {
  if (w.type == TensorType::BF16) return {w.data, stored_stride(w.rows, w.cols)};
  Bf16* to = bf16(scratch(kWeights, static_cast<size_t>(rows * w.cols) * sizeof(Bf16)));
  unpack_rows(to, w, first, rows, w.cols);
  return {to, w.cols};
}

void CudaBackend::output_forward(float* logits, const Activation* x, const Weight& w, const LowRank& lora, int64_t M) {
  const int64_t C = w.cols, V = w.rows;
  each_panel(w, head_panel_, [&](int64_t first, int64_t rows) {
    Factor panel = head_panel(w, first, rows);
    panel.transposed = true;
    products_->run({M, rows, C, {x, C}, panel, logits + first, V, nullptr, 1, Number::Bf16, Number::F32});
  });
  if (!lora.u) return;
  const Factor u{lora.u, lora.stride}, b{lora.factor, lora.R, true};
  products_->run({M, V, lora.R, u, b, logits, V, logits, 1, Number::Bf16, Number::F32});
}

void CudaBackend::output_backward(Activation* dx, const Activation* dlogits, const Weight& w, const LowRank& lora,
                                  int64_t M) {
  const int64_t C = w.cols, V = w.rows, stride = dlogit_stride(V);
  float* sums = nullptr;  // (M, C), where there are several panels
  each_panel(w, head_panel_, [&](int64_t first, int64_t rows) {
    const Factor dy{bf16(dlogits) + first, stride};  // (M, rows)
    if (rows == V) return products_->run({M, C, V, dy, head_panel(w, 0, V), dx, C});
    if (!sums) sums = static_cast<float*>(scratch(kSums, static_cast<size_t>(M * C) * sizeof(float)));
    const float* before = first > 0 ? sums : nullptr;
    products_->run({M, C, rows, dy, head_panel(w, first, rows), sums, C, before, 1, Number::Bf16, Number::F32});
  });
  if (sums) round(dx, sums, M * C);
  if (lora.u) products_->run({M, C, lora.R, {lora.u, lora.stride}, {lora.factor, C}, dx, C, dx});
}

}  // namespace spark::cuda
