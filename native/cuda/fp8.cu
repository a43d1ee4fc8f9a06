// Frozen projections with compute fp8: y = x Wᵀ and dx = dy W by the tensor cores' products of e4m3, which take half
// the time of bf16's.
//
// Every row of x, of dy and of the frozen matrix has a scale of its own, max |row| / 448, and what is multiplied is the
// row divided by it. The sum over k is then multiplied by both its rows' scales, so a scale cannot differ along k: for
// dx = dy W, where k runs over W's rows, a copy of Wᵀ has scales for its own. Two copies of a byte take bf16's memory,
// and cuBLASLt multiplies e4m3 only where both factors have k along their rows, which asks for two copies anyway.
//
// LoRA's part stays bf16 and so has a product of its own. It comes first, with the residual or what dx holds as its
// addend, and writes y; the product of e4m3 then adds y as it writes it: y is written twice and read once. The other
// way round the second product would have to be LoRA's, which has nothing to do while it waits for y: 194 ms instead of
// 190 for a step of the 8B shape at 4,096 tokens on an H200.
//
// Rounding to e4m3 is off by 2^-5 of a value at most on average over its binade and 2^-4 at worst, below max / 28672 by
// as much as half a step: max / 458752. A row of zeros has the scale of kLeast and stays zeros; NaN stays NaN, and ∞
// makes NaN of its row: its scale is ∞.
#include "core/fp8.h"
#include "cuda/cuda_backend.h"
#include "cuda/memory.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

#ifndef SPARK_CUDA_EMULATED
#include <cuda_fp8.h>
#endif

namespace spark::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kTile = 32;
constexpr float kLeast = 0x1p-100f;  // as the largest of a row: 448 / kLeast is finite

// Four values in e4m3, the first in the lowest byte.
__device__ uint32_t narrow_four(const float* x) {
#ifdef SPARK_CUDA_EMULATED
  uint32_t word = 0;
  for (int i = 3; i >= 0; --i) word = word << 8 | float_to_e4m3(x[i]);
  return word;
#else
  const auto pair = [&](int i) {
    return static_cast<uint32_t>(__nv_cvt_float2_to_fp8x2({x[i], x[i + 1]}, __NV_SATFINITE, __NV_E4M3));
  };
  return pair(0) | pair(2) << 16;
#endif
}

// One block per row: to (rows, cols) = x / scale, scales (rows) = max |x| / 448; x has `stride` values from row to row.
// The row is kept in shared memory between finding its largest value and dividing: each thread reads back what it put
// there itself.
__global__ void quantise_rows(uint8_t* to, float* scales, const Bf16* x, int64_t cols, int64_t stride) {
  SPARK_DYNAMIC_SHARED(Bf16, kept);  // (cols)
  __shared__ float shared[kThreads / kWarp];
  const int64_t row = blockIdx.x;
  x += row * stride, to += row * cols;
  float most = kLeast;
  for (int64_t c = int64_t{threadIdx.x} * kVector; c < cols; c += kThreads * kVector) {
    const auto values = Values<kVector>::load(x + c);
    values.store(kept + c);
    SPARK_UNROLL
    for (int i = 0; i < kVector; ++i) most = fmaxf(most, fabsf(values.at[i]));  // NaN is passed over
  }
  most = warp_max(most);
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = most;
  __syncthreads();
  SPARK_UNROLL
  for (int i = 0; i < kThreads / kWarp; ++i) most = fmaxf(most, shared[i]);
  const float inverse = kLargestE4m3 / most;
  for (int64_t c = int64_t{threadIdx.x} * kVector; c < cols; c += kThreads * kVector) {
    auto values = Values<kVector>::load(kept + c);
    SPARK_UNROLL
    for (int i = 0; i < kVector; ++i) values.at[i] *= inverse;
    *reinterpret_cast<uint2*>(to + c) = {narrow_four(values.at), narrow_four(values.at + 4)};
  }
  if (threadIdx.x == 0) scales[row] = most / kLargestE4m3;
}

// to (cols, rows) = from (rows, cols), which has `stride` values from row to row
__global__ void transpose(Bf16* to, const Bf16* from, int64_t rows, int64_t cols, int64_t stride) {
  __shared__ Bf16 tile[kTile][kTile + 2];
  const int64_t row = int64_t{blockIdx.y} * kTile, col = int64_t{blockIdx.x} * kTile;
  const int lane = static_cast<int>(threadIdx.x) % kTile, first = static_cast<int>(threadIdx.x) / kTile;
  for (int i = first; i < kTile; i += kThreads / kTile) {
    if (row + i < rows && col + lane < cols) tile[i][lane] = from[(row + i) * stride + col + lane];
  }
  __syncthreads();
  for (int i = first; i < kTile; i += kThreads / kTile) {
    if (col + i < cols && row + lane < rows) to[(col + i) * rows + row + lane] = tile[lane][i];
  }
}

// Where the parts of a projection in e4m3 lie: both copies, then the scales of their rows.
struct Copies {
  uint8_t *w, *transposed;            // (rows, cols), (cols, rows)
  float *scales, *transposed_scales;  // (rows), (cols)

  Copies(void* memory, int64_t rows, int64_t cols)
      : w(static_cast<uint8_t*>(memory)),
        transposed(w + rows * cols),
        scales(reinterpret_cast<float*>(transposed + rows * cols)),
        transposed_scales(scales + rows) {}
  static size_t bytes(int64_t rows, int64_t cols) {
    return static_cast<size_t>(2 * rows * cols) + static_cast<size_t>(rows + cols) * sizeof(float);
  }
};

Copies copies_of(const Weight& w) { return {w.owned.get(), w.rows, w.cols}; }

}  // namespace

void CudaBackend::quantise_to(uint8_t* to, float* scales, const Bf16* x, int64_t rows, int64_t cols, int64_t stride) {
  launch(quantise_rows, dim3(static_cast<unsigned>(rows)), kThreads, static_cast<size_t>(cols) * sizeof(Bf16), stream_,
         to, scales, x, cols, stride);
}

CudaBackend::Quantised CudaBackend::quantised(const Activation* x, int64_t M, int64_t cols) {
  const auto values = static_cast<size_t>(M * cols);
  auto* to = static_cast<uint8_t*>(scratch(kRows, values + static_cast<size_t>(M) * sizeof(float)));
  auto* scales = reinterpret_cast<float*>(to + values);
  quantise_to(to, scales, bf16(x), M, cols, cols);
  return {to, scales};
}

// In bf16 first, however it is packed, in scratch that goes with the first call; then both copies of it.
Weight CudaBackend::load_projection(TensorType type, const std::byte* data, int64_t rows, int64_t cols) {
  if (!takes_fp8(rows, cols)) return load_matrix(type, data, rows, cols);
  const size_t held = weight_bytes_, bytes = Copies::bytes(rows, cols);
  const Weight plain = load_matrix(type, data, rows, cols);
  const Bf16* from = unpacked(plain);  // (rows, cols)
  const int64_t stride = stored_stride(rows, cols);
  Weight weight{nullptr, TensorType::BF16, rows, cols, {device_allocate(bytes), device_release}, true};
  const Copies to = copies_of(weight);
  quantise_to(to.w, to.scales, from, rows, cols, stride);
  auto* turned = bf16(scratch(kRows, static_cast<size_t>(rows * cols) * sizeof(Bf16)));  // (cols, rows)
  launch(transpose, dim3(blocks_for(cols, kTile), blocks_for(rows, kTile)), kThreads, 0, stream_, turned, from, rows,
         cols, stride);
  quantise_to(to.transposed, to.transposed_scales, turned, cols, rows, rows);
  weight_bytes_ = held + bytes;
  return weight;
}

void CudaBackend::fp8_forward(Activation* y, const Activation* x, const Weight& w, const LowRank& lora,
                              const Activation* residual, int64_t M) {
  const int64_t in = w.cols, out = w.rows;
  const Copies copies = copies_of(w);
  if (lora.u) products_->run({M, out, lora.R, {lora.u, lora.stride}, {lora.factor, lora.R, true}, y, out, residual});
  const Quantised rows = quantised(x, M, in);
  products_->run({M,
                  out,
                  in,
                  {rows.values, in},
                  {copies.w, in, true},
                  y,
                  out,
                  lora.u ? y : residual,
                  1,
                  Number::E4m3,
                  Number::Bf16,
                  rows.scales,
                  copies.scales});
}

void CudaBackend::fp8_backward(Activation* dx, const Activation* dy, const Weight& w, const LowRank& lora, int64_t M,
                               bool accumulate) {
  const int64_t in = w.cols, out = w.rows;
  const Copies copies = copies_of(w);
  const Activation* held = accumulate ? dx : nullptr;
  if (lora.u) products_->run({M, in, lora.R, {lora.u, lora.stride}, {lora.factor, in}, dx, in, held});
  const Quantised rows = quantised(dy, M, out);
  products_->run({M,
                  in,
                  out,
                  {rows.values, out},
                  {copies.transposed, out, true},
                  dx,
                  in,
                  lora.u ? dx : held,
                  1,
                  Number::E4m3,
                  Number::Bf16,
                  rows.scales,
                  copies.transposed_scales});
}

}  // namespace spark::cuda
