// Rows in e4m3 with a scale each, and LoRA's part as more columns of them.
//
// y = x Wᵀ + u Bᵀ as one product of e4m3 is [x | u] [W | B]ᵀ. Rounding u and B to four bits would cost what rounding x
// and W costs, 3 % of LoRA's part; so each of their values is the sum of two digits, h = e4m3(v) and l = e4m3(v − h),
// which leaves 2^-9 of it, half of what bf16 leaves. (h + l) (h' + l') are four columns for each rank: h l h l of u's
// beside h h l l of B's. They share the scales of their rows: u is divided by that of x and B by that of W, which is
// what it is because W was rounded long ago. Between the two stands a number c of ours, u c and B / c: the largest
// value of either that e4m3 has is 448, and below 2^-6 it has steps of 2^-9.
//   c = √(mean |B / scale|), or largest / 448 where that is more: B's digits always fit. u's are some tens without c,
//   as x's are, so that neither ends below 2^-6 before LoRA's part is a millionth of the projection's. A row of x has
//   the scale that u c needs where that is more than x needs: u's digits always fit, too.
// Columns cost 4 R / k of a product, 1.6 % at k = 4,096 and R = 16. A product of LoRA's own would write y first: 0.403
// instead of 0.366 ms for gate at 4,096 tokens on an H200 (run 5).
#include "cuda/fp8_rows.h"

#include <algorithm>

#include "core/fp8.h"
#include "cuda/row_part.h"
#include "cuda/vectors.h"

#ifndef SPARK_CUDA_EMULATED
#include <cuda_fp8.h>
#endif

namespace spark::cuda {

namespace {

constexpr float kLeastBalance = 0x1p-60f;  // c where B is all zeros
constexpr float kLeastFrozen = 0x1p-40f;   // as the largest of a frozen row: B / scale and sums of it are finite

#ifdef SPARK_CUDA_EMULATED

__device__ uint32_t narrow_one(float x) { return float_to_e4m3(x); }
__device__ float widen_one(uint32_t bits) { return e4m3_to_float(static_cast<uint8_t>(bits)); }
__device__ uint32_t narrow_two(float low, float high) { return float_to_e4m3(low) | float_to_e4m3(high) << 8; }

#else

__device__ uint32_t narrow_one(float x) { return __nv_cvt_float_to_fp8(x, __NV_SATFINITE, __NV_E4M3); }
__device__ float widen_one(uint32_t bits) {
  return __half2float(__half(__nv_cvt_fp8_to_halfraw(static_cast<__nv_fp8_storage_t>(bits), __NV_E4M3)));
}
__device__ uint32_t narrow_two(float low, float high) {
  return static_cast<uint32_t>(__nv_cvt_float2_to_fp8x2({low, high}, __NV_SATFINITE, __NV_E4M3));
}

#endif

// Four values in e4m3, the first in the lowest byte.
__device__ uint32_t narrow_four(const float* x) { return narrow_two(x[0], x[1]) | narrow_two(x[2], x[3]) << 16; }

// Both digits of a value.
struct Digits {
  uint8_t high, low;
  __device__ explicit Digits(float value) {
    const uint32_t bits = narrow_one(value);
    high = static_cast<uint8_t>(bits);
    low = static_cast<uint8_t>(narrow_one(value - widen_one(bits)));
  }
};

// What measure_factor left, one part a lane of a whole warp, and c from it. Two steps, because what is loaded first is
// there when it is needed.
struct Ratios {
  float largest, sum;
  __device__ static Ratios load(const Fp8Columns& lora) {
    const int lane = static_cast<int>(threadIdx.x) % kWarp;
    if (lane >= lora.parts) return {0, 0};
    return {lora.ratios[lane], lora.ratios[Fp8Columns::kRatios + lane]};
  }
  __device__ float balance(const Fp8Columns& lora) const {
    const float mean = warp_sum(sum) / static_cast<float>(lora.n * lora.R);
    return fmaxf(fmaxf(sqrtf(mean), warp_max(largest) / kLargestE4m3), kLeastBalance);
  }
};

// One block per part: ratios = largest and sum of |factor| / scale over the rows that fall to it, a thread a row
__global__ void measure_factor(Fp8Columns lora) {
  __shared__ float shared[kThreads / kWarp];
  float largest = 0, sum = 0;
  for (int64_t row = int64_t{blockIdx.x} * kThreads + threadIdx.x; row < lora.n; row += int64_t{gridDim.x} * kThreads) {
    float most = 0, all = 0;
    const Bf16* from = lora.factor + row * lora.row;
    constexpr int kAtOnce = 8;  // loads that wait together
    for (int64_t r = 0; r < lora.R; r += kAtOnce) {
      float values[kAtOnce];
      SPARK_UNROLL
      for (int i = 0; i < kAtOnce; ++i) values[i] = r + i < lora.R ? widen(from[(r + i) * lora.rank]) : 0.0f;
      SPARK_UNROLL
      for (int i = 0; i < kAtOnce; ++i) most = fmaxf(most, fabsf(values[i])), all += fabsf(values[i]);
    }
    const float inverse = 1 / lora.w.scales[row];
    largest = fmaxf(largest, most * inverse), sum += all * inverse;
  }
  sum = block_sum<kThreads>(sum, shared);
  largest = block_max<kThreads>(largest, shared);
  if (threadIdx.x > 0) return;
  lora.ratios[blockIdx.x] = largest;
  lora.ratios[Fp8Columns::kRatios + blockIdx.x] = sum;
}

// A thread a value of the factor: its four columns of w
__device__ void put_factor(const Fp8Columns& lora, int64_t at) {
  const auto ratios = Ratios::load(lora);
  const bool exists = at < lora.n * lora.R;
  const int64_t row = exists ? at / lora.R : 0, r = exists ? at % lora.R : 0;
  const float value = widen(lora.factor[row * lora.row + r * lora.rank]) / lora.w.scales[row];
  const Digits digits(value / ratios.balance(lora));
  if (!exists) return;
  uint8_t* to = lora.w.values + row * lora.w.stride + lora.first;
  to[r] = digits.high, to[lora.R + r] = digits.high;
  to[2 * lora.R + r] = digits.low, to[3 * lora.R + r] = digits.low;
  const int64_t own = Fp8Columns::kDigits * lora.R, padding = Fp8Columns::width(lora.R) - own;
  for (int64_t i = r; i < padding; i += lora.R) to[own + i] = 0;
}

// The first blocks put the factor; then one block per row.
template <int HELD>
__global__ void quantise(Fp8Rows to, const Bf16* x, unsigned putting, int64_t cols, int64_t stride, const float* least,
                         Fp8Columns lora) {
  __shared__ float shared[kThreads / kWarp];
  if (blockIdx.x < putting) return put_factor(lora, int64_t{blockIdx.x} * kThreads + threadIdx.x);
  const int64_t row = blockIdx.x - putting;
  x += row * stride;
  uint8_t* own = to.values + row * to.stride;
  RowPart<kVector, kThreads, HELD> part;
  part.ask(x, cols);
  const auto ratios = Ratios::load(lora);
  const int r = static_cast<int>(threadIdx.x);  // of LoRA's: there are more threads than ranks that fit
  const float u = r < lora.R ? widen(lora.u[row * lora.stride + r]) : 0.0f;
  float most = least ? fmaxf(*least, kLeastScaled) : kLeastScaled;
  each_part<kVector, kThreads, HELD>(cols, [&](int k, int64_t col) {
    const auto values = part.at(x, k, col);
    SPARK_UNROLL
    for (int i = 0; i < kVector; ++i) most = fmaxf(most, fabsf(values.at[i]));  // NaN is passed over
  });
  const float scaled = lora.R > 0 ? u * ratios.balance(lora) : 0;
  most = block_max<kThreads>(fmaxf(most, fabsf(scaled)), shared);
  const float inverse = kLargestE4m3 / most;
  each_part<kVector, kThreads, HELD>(cols, [&](int k, int64_t col) {
    auto values = part.at(x, k, col);
    SPARK_UNROLL
    for (int i = 0; i < kVector; ++i) values.at[i] *= inverse;
    *reinterpret_cast<uint2*>(own + col) = {narrow_four(values.at), narrow_four(values.at + 4)};
  });
  if (r == 0) to.scales[row] = most / kLargestE4m3;
  own += cols;
  if (r < lora.R) {
    const Digits digits(scaled * inverse);
    own[r] = digits.high, own[2 * lora.R + r] = digits.high;
    own[lora.R + r] = digits.low, own[3 * lora.R + r] = digits.low;
  }
  if (lora.R == 0) return;
  for (int64_t i = Fp8Columns::kDigits * lora.R + r; i < Fp8Columns::width(lora.R); i += kThreads) own[i] = 0;
}

__global__ void largest_scale(float* least, const float* scales, int64_t rows) {
  __shared__ float shared[kThreads / kWarp];
  float most = 0;
  for (int64_t i = threadIdx.x; i < rows; i += kThreads) most = fmaxf(most, scales[i]);
  most = block_max<kThreads>(most, shared);
  if (threadIdx.x == 0) *least = fmaxf(most * kLargestE4m3 * 0x1p-8f, kLeastFrozen);
}

}  // namespace

void quantise_rows(Fp8Rows to, const Bf16* x, int64_t rows, int64_t cols, int64_t stride, const float* least,
                   Fp8Columns lora, Stream stream) {
  const unsigned putting = blocks_for(lora.n * lora.R, kThreads);
  if (putting > 0) {
    lora.parts = static_cast<int>(std::min(blocks_for(lora.n, kThreads), static_cast<unsigned>(Fp8Columns::kRatios)));
    launch(measure_factor, dim3(static_cast<unsigned>(lora.parts)), kThreads, 0, stream, lora);
  }
  with_held<kVector, kThreads>(cols, [&](auto held) {
    launch(quantise<held()>, dim3(static_cast<unsigned>(rows) + putting), kThreads, 0, stream, to, x, putting, cols,
           stride, least, lora);
  });
}

void find_least(float* least, const float* scales, int64_t rows, Stream stream) {
  launch(largest_scale, dim3(1), kThreads, 0, stream, least, scales, rows);
}

}  // namespace spark::cuda
