// Frozen projection with LoRA: y = x Wᵀ + u Bᵀ, dx = dy W + u A, by cuBLASLt.
//
// LoRA's part is one more stretch of the sum over k, so it can be part of W's own product instead of another pass over
// its output: with x and u side by side, and B behind the rows of W,
//   y = [x | u] [W | B]ᵀ        dx = [dy | u] [W ; A]
// The margin of W has room for the factor; x or dy is copied to stand beside u. That copy moves 2 M k values and saves
// 2 M n, so it is done where n > k: forward for gate and up, backward for down. Elsewhere a second product adds.
//
// A packed W becomes bf16 in scratch right before its product, one matrix at a time: the base in full never exists.
// Unpacking writes and reads each value once more, 4 bytes against the 2 M products it enters: a tenth of a product's
// time at M = 4096 on an H200 by these counts, not yet measured.
#include "core/packed.h"
#include "cuda/cuda_backend.h"
#include "cuda/memory.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

// to (., cols), `stride` from row to row, = the count values packed at from; a row is a whole number of blocks
template <class PACKED>
__global__ void unpack(Bf16* to, const uint8_t* from, int64_t count, int64_t cols, int64_t stride) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * 8;
  if (i >= count) return;
  Values<8> values;
  PACKED::template values<8>(from + i / PACKED::kBlock * PACKED::kBytes, static_cast<int>(i % PACKED::kBlock),
                             values.at);
  values.store(to + i / cols * stride + i % cols);
}

// to (rows, width), `stride` from row to row, = factor (rows, R), zeros from R on
__global__ void put_columns(Bf16* to, int64_t stride, const Bf16* factor, int64_t rows, int64_t R, int64_t width) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= rows * width) return;
  const int64_t row = i / width, r = i % width;
  to[row * stride + r] = r < R ? factor[row * R + r] : Bf16{0};
}

// One block per row: to (M, cols + width) = x (M, cols) | u (M, R), zeros from R on
template <int V>
__global__ void join(Bf16* to, const Bf16* x, int64_t cols, const Bf16* u, int64_t stride, int64_t R, int64_t width) {
  Bf16* row = to + blockIdx.x * (cols + width);
  const Bf16* from = x + blockIdx.x * cols;
  for (int64_t c = int64_t{threadIdx.x} * V; c < cols; c += kThreads * V) Values<V>::load(from + c).store(row + c);
  for (int64_t r = threadIdx.x; r < width; r += kThreads) {
    row[cols + r] = r < R ? u[blockIdx.x * stride + r] : Bf16{0};
  }
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

// R as products take it: rows stay whole vectors.
int64_t padded(int64_t R) { return (R + kVector - 1) / kVector * kVector; }

// Whether LoRA's part joins the product whose sum runs over k and whose rows have n values.
bool joins(const LowRank& lora, int64_t k, int64_t n) { return lora.u && n > k && lora.R <= kMargin; }

}  // namespace

void CudaBackend::unpack_rows(Bf16* to, const Weight& w, int64_t first, int64_t rows, int64_t stride) {
  const auto* from =
      reinterpret_cast<const uint8_t*>(w.data) + static_cast<size_t>(first) * tensor_bytes(w.type, w.cols);
  with_packed(w.type, [&]<class PACKED>(PACKED) {
    launch(unpack<PACKED>, dim3(blocks_for(rows * w.cols, kThreads * 8)), kThreads, 0, stream_, to, from, rows * w.cols,
           w.cols, stride);
  });
}

Bf16* CudaBackend::unpacked(const Weight& w) {
  if (w.type == TensorType::BF16) return bf16(w.owned.get());
  Bf16* to = bf16(scratch(kWeights, static_cast<size_t>(stored_values(w.rows, w.cols)) * sizeof(Bf16)));
  unpack_rows(to, w, 0, w.rows, stored_stride(w.rows, w.cols));
  return to;
}

const Bf16* CudaBackend::joined(const Activation* x, int64_t cols, const LowRank& lora, int64_t M) {
  const int64_t width = padded(lora.R);
  Bf16* to = bf16(scratch(kRows, static_cast<size_t>(M * (cols + width)) * sizeof(Bf16)));
  with_vector(vectorizes(cols, {to, x}), [&](auto v) {
    launch(join<v()>, dim3(static_cast<unsigned>(M)), kThreads, 0, stream_, to, bf16(x), cols, bf16(lora.u),
           lora.stride, lora.R, width);
  });
  return to;
}

const float* CudaBackend::widened(const Activation* x, int64_t count) {
  auto* to = static_cast<float*>(scratch(kRows, static_cast<size_t>(count) * sizeof(float)));
  launch(widen_all, dim3(blocks_for(count, kThreads)), kThreads, 0, stream_, to, bf16(x), count);
  return to;
}

void CudaBackend::linear_forward(Activation* y, const Activation* x, const Weight& w, const LowRank& lora,
                                 const Activation* residual, int64_t M) {
  if (w.fp8) return fp8_forward(y, x, w, lora, residual, M);
  const int64_t in = w.cols, out = w.rows, stride = stored_stride(out, in);
  Bf16* own = unpacked(w);
  if (joins(lora, in, out)) {
    const int64_t width = padded(lora.R), k = in + width;
    launch(put_columns, dim3(blocks_for(out * width, kThreads)), kThreads, 0, stream_, own + in, stride,
           bf16(lora.factor), out, lora.R, width);
    return products_->run({M, out, k, {joined(x, in, lora, M), k}, {own, stride, true}, y, out, residual});
  }
  products_->run({M, out, in, {x, in}, {own, stride, true}, y, out, residual});
  if (!lora.u) return;
  products_->run({M, out, lora.R, {lora.u, lora.stride}, {lora.factor, lora.R, true}, y, out, y});
}

void CudaBackend::linear_backward(Activation* dx, const Activation* dy, const Weight& w, const LowRank& lora, int64_t M,
                                  bool accumulate) {
  if (w.fp8) return fp8_backward(dx, dy, w, lora, M, accumulate);
  const int64_t in = w.cols, out = w.rows, stride = stored_stride(out, in);
  const void* held = accumulate ? dx : nullptr;
  Bf16* own = unpacked(w);
  if (joins(lora, out, in)) {
    const int64_t width = padded(lora.R), k = out + width;
    Bf16* margin = own + out * in;  // (width, in)
    copy_on_device(margin, lora.factor, static_cast<size_t>(lora.R * in) * sizeof(Bf16), stream_);
    device_zero(margin + lora.R * in, static_cast<size_t>((width - lora.R) * in) * sizeof(Bf16), stream_);
    return products_->run({M, in, k, {joined(dy, out, lora, M), k}, {own, stride}, dx, in, held});
  }
  products_->run({M, in, out, {dy, out}, {own, stride}, dx, in, held});
  if (!lora.u) return;
  products_->run({M, in, lora.R, {lora.u, lora.stride}, {lora.factor, in}, dx, in, dx});
}

void CudaBackend::add_bias(Activation* y, const Vector& bias, int64_t M) {
  const int64_t out = bias.size, count = M * out;
  with_vector(vectorizes(out, {y}), [&](auto v) {
    launch(add_bias_rows<v()>, dim3(blocks_for(count, kThreads * v())), kThreads, 0, stream_, bf16(y), bias.data, count,
           out);
  });
}

}  // namespace spark::cuda
