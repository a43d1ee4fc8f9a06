// Frozen projection: y = x Wᵀ, dx = dy W, by cuBLASLt. A packed W becomes bf16 in scratch right before its product, one
// matrix at a time: the base in full never exists. Unpacking writes and reads each value once more, 4 bytes against the
// 2 M products it enters: a tenth of a product's time at M = 4096 on an H200 by these counts, not yet measured.
#include "cuda/cuda_backend.h"
#include "cuda/quantised.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

constexpr int kThreads = 256;

// to (count) = the values packed at from; a row is a whole number of blocks, so rows need no care
template <class PACKED>
__global__ void unpack(Bf16* to, const uint8_t* from, int64_t count) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * 8;
  if (i >= count) return;
  Values<8> values;
  PACKED::eight(from + i / PACKED::kBlock * PACKED::kBytes, static_cast<int>(i % PACKED::kBlock), values.at);
  values.store(to + i);
}

// to (rows, cols) = scale · x, with `stride` between the rows of x
__global__ void round_rows(Bf16* to, const float* x, int64_t rows, int64_t cols, int64_t stride, float scale) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= rows * cols) return;
  to[i] = narrow(scale * x[i / cols * stride + i % cols]);
}

__global__ void widen_all(float* to, const Bf16* x, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) to[i] = widen(x[i]);
}

template <int V>
__global__ void add_bias_rows(Bf16* y, const float* bias, int64_t count, int64_t out) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * V;
  if (i >= count) return;
  auto values = Values<V>::load(y + i);
  SPARK_UNROLL
  for (int j = 0; j < V; ++j) values.at[j] += bias[i % out + j];
  values.store(y + i);
}

}  // namespace

const Bf16* CudaBackend::unpacked(const Weight& w) {
  const int64_t count = w.rows * w.cols;
  Bf16* to = nullptr;
  const bool packed = with_packed(w.type, [&]<class PACKED>(PACKED) {
    to = static_cast<Bf16*>(scratch(kWeights, static_cast<size_t>(count) * sizeof(Bf16)));
    launch(unpack<PACKED>, dim3(blocks_for(count, kThreads * 8)), kThreads, 0, stream_, to,
           reinterpret_cast<const uint8_t*>(w.data), count);
  });
  return packed ? to : bf16(w.data);
}

const Bf16* CudaBackend::rounded(Slot slot, const float* x, int64_t rows, int64_t cols, int64_t stride, float scale) {
  auto* to = static_cast<Bf16*>(scratch(slot, static_cast<size_t>(rows * cols) * sizeof(Bf16)));
  launch(round_rows, dim3(blocks_for(rows * cols, kThreads)), kThreads, 0, stream_, to, x, rows, cols, stride, scale);
  return to;
}

const float* CudaBackend::widened(const Activation* x, int64_t count) {
  auto* to = static_cast<float*>(scratch(kRows, static_cast<size_t>(count) * sizeof(float)));
  launch(widen_all, dim3(blocks_for(count, kThreads)), kThreads, 0, stream_, to, bf16(x), count);
  return to;
}

void CudaBackend::linear_forward(Activation* y, const Activation* x, const Weight& w, int64_t M) {
  products_->run({M, w.rows, w.cols, {x, w.cols}, {unpacked(w), w.cols, true}, y, w.rows});
}

void CudaBackend::linear_backward(Activation* dx, const Activation* dy, const Weight& w, int64_t M, bool accumulate) {
  products_->run({M, w.cols, w.rows, {dy, w.rows}, {unpacked(w), w.cols}, dx, w.cols, accumulate});
}

void CudaBackend::output_forward(float* logits, const Activation* x, const Weight& w, int64_t M) {
  const Factor weight{unpacked(w), w.cols, true};
  products_->run({M, w.rows, w.cols, {x, w.cols}, weight, logits, w.rows, false, Number::Bf16, Number::F32});
}

void CudaBackend::output_backward(Activation* dx, const float* dlogits, const Weight& w, int64_t M) {
  linear_backward(dx, rounded(kRows, dlogits, M, w.rows, w.rows, 1.0f), w, M, false);
}

void CudaBackend::add_bias(Activation* y, const Vector& bias, int64_t M) {
  const int64_t out = bias.size, count = M * out;
  with_vector(vectorizes(out, {y}), [&](auto v) {
    launch(add_bias_rows<v()>, dim3(blocks_for(count, kThreads * v())), kThreads, 0, stream_, bf16(y), bias.data, count,
           out);
  });
}

}  // namespace spark::cuda
