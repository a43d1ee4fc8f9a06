// What kernels are written in: bf16, vectors of 16 bytes, sums over a warp or a block, and launching.
//
// The kernels see nothing of CUDA but what this file and runtime.h give. So the same sources also compile for the host,
// where test/native/emulated runs every thread of a block and checks their indexing on a machine without a GPU
// (SPARK_CUDA_EMULATED).
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/half.h"
#include "core/portable.h"

#ifdef SPARK_CUDA_EMULATED
#include SPARK_CUDA_EMULATED
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#define SPARK_DYNAMIC_SHARED(type, name) extern __shared__ __align__(1024) type name[]
#endif

namespace spark::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;
// Threads of a block, for kernels that need no number of their own.
constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kFewThreads = 128;

// bf16 as it is stored.
struct Bf16 {
  uint16_t bits;
};

__device__ inline float widen(float x) { return x; }
__device__ inline float widen(Bf16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }

// To nearest, ties to even; NaN stays NaN.
__device__ inline Bf16 narrow(float x) {
#ifdef SPARK_CUDA_EMULATED
  return {float_to_bf16(x)};
#else
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#endif
}

// Two bf16 in a word, the first in the low half: a pair of neighbours in memory, or of a tensor core's fragment.
__device__ inline uint32_t narrow_pair(float low, float high) {
#ifdef SPARK_CUDA_EMULATED
  return float_to_bf16(low) | static_cast<uint32_t>(float_to_bf16(high)) << 16;
#else
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
#endif
}
__device__ inline float low_half(uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ inline float high_half(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

// V neighbouring bf16 values, widened: one access of 2 V bytes. V is 8 where rows can be read 16 bytes at a time, else
// 1; it is 4 in kernels that read four floats, 16 bytes, for each four of these.
template <int V>
struct Values {
  float at[V];

  __device__ static Values load(const Bf16* from) {
    Values v;
    if constexpr (V == 8) {
      const uint4 words = *reinterpret_cast<const uint4*>(from);
      const uint32_t pairs[4] = {words.x, words.y, words.z, words.w};
      SPARK_UNROLL
      for (int i = 0; i < 4; ++i) v.at[2 * i] = low_half(pairs[i]), v.at[2 * i + 1] = high_half(pairs[i]);
    } else {
      SPARK_UNROLL
      for (int i = 0; i < V; ++i) v.at[i] = widen(from[i]);
    }
    return v;
  }
  __device__ void store(Bf16* to) const {
    if constexpr (V == 8) {
      *reinterpret_cast<uint4*>(to) = {narrow_pair(at[0], at[1]), narrow_pair(at[2], at[3]), narrow_pair(at[4], at[5]),
                                       narrow_pair(at[6], at[7])};
    } else if constexpr (V == 4) {
      *reinterpret_cast<uint2*>(to) = {narrow_pair(at[0], at[1]), narrow_pair(at[2], at[3])};
    } else {
      SPARK_UNROLL
      for (int i = 0; i < V; ++i) to[i] = narrow(at[i]);
    }
  }
};

// 2^x to 2 ulp, 0 below 2^-126: one instruction.
__device__ inline float power_of_two(float x) {
#ifdef SPARK_CUDA_EMULATED
  return std::exp2(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

__device__ inline float warp_sum(float x) {
  SPARK_UNROLL
  for (int step = kWarp / 2; step > 0; step /= 2) x += __shfl_xor_sync(kAllLanes, x, step);
  return x;
}

__device__ inline float warp_max(float x) {
  SPARK_UNROLL
  for (int step = kWarp / 2; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, step));
  return x;
}

// The sum over a block of THREADS, for all of its threads. Always added in the same order. `shared` holds a float for
// each warp and may be used again after the next barrier.
template <int THREADS>
__device__ float block_sum(float x, float* shared) {
  x = warp_sum(x);
  if constexpr (THREADS == kWarp) return x;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  if (lane == 0) shared[warp] = x;
  __syncthreads();
  float sum = 0;
  SPARK_UNROLL
  for (int i = 0; i < THREADS / kWarp; ++i) sum += shared[i];
  __syncthreads();
  return sum;
}

// Likewise the largest over a block; NaN is passed over.
template <int THREADS>
__device__ float block_max(float x, float* shared) {
  x = warp_max(x);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  if (lane == 0) shared[warp] = x;
  __syncthreads();
  SPARK_UNROLL
  for (int i = 0; i < THREADS / kWarp; ++i) x = fmaxf(x, shared[i]);
  __syncthreads();
  return x;
}

// Log-sum-exps and the policy's ratio use the accurate log and exp. The exponentials of softmax and silu are the fast
// ones: their error of 2 ulp disappears in bf16.
__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + __expf(-x)); }

}  // namespace spark::cuda
