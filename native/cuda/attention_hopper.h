// What the attention kernels for Hopper share. They need rows that can be read 16 bytes at a time.
#pragma once

#include "cuda/attention.h"
#include "cuda/warpgroup.h"

// Kernels have a body only where their instructions exist.
#if defined(SPARK_CUDA_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define SPARK_HOPPER_CODE
#endif

namespace spark::cuda {

constexpr int kGroupRows = 64;  // of a warpgroup

// The warpgroup that this thread is in. It is the same for a whole warp, but the compiler knows that only when one lane
// sends it to the others; descriptors made from it then need no registers of every thread.
__device__ inline int own_group() {
  return static_cast<int>(__shfl_sync(kAllLanes, threadIdx.x / static_cast<unsigned>(kWarpgroup), 0));
}
__device__ inline int own_warp() { return static_cast<int>(threadIdx.x) % kWarpgroup / kWarp; }  // in its warpgroup

// f(value, row, col) for each value that a lane has of c (64, 8 TILES); `row` among the sixteen of its warp.
template <int TILES, class F>
__device__ inline void each_value(Accumulator (&c)[TILES], F&& f) {
  const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4 * 2;
  SPARK_UNROLL
  for (int tile = 0; tile < TILES; ++tile) {
    SPARK_UNROLL
    for (int i = 0; i < 4; ++i) f(c[tile].at[i], g + i / 2 * 8, tile * 8 + t + i % 2);
  }
}

// f(value, other, row, col) likewise, with what stands at the same place of another
template <int TILES, class F>
__device__ inline void each_value(Accumulator (&c)[TILES], const Accumulator (&others)[TILES], F&& f) {
  const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4 * 2;
  SPARK_UNROLL
  for (int tile = 0; tile < TILES; ++tile) {
    SPARK_UNROLL
    for (int i = 0; i < 4; ++i) f(c[tile].at[i], others[tile].at[i], g + i / 2 * 8, tile * 8 + t + i % 2);
  }
}

// c (64, 16 STEPS) in bf16, to be the left factor of products
template <int STEPS>
__device__ inline void keep(Fragment (&factor)[STEPS], const Accumulator (&c)[2 * STEPS]) {
  SPARK_UNROLL
  for (int step = 0; step < STEPS; ++step) factor[step] = as_fragment(c[2 * step], c[2 * step + 1]);
}

// Waits until all but the last PENDING groups of every thread's copies have arrived and products can read them. It is a
// barrier: no thread goes on before all threads are here.
template <int PENDING>
__device__ inline void arrived() {
  wait_for_copies<PENDING>();
  share_with_products();
  __syncthreads();
}

void hopper_attention_forward(Bf16* o, float* lse, const AttentionInputs& in, const Packing& packing, Stream stream);
void hopper_attention_backward(const AttentionInputs& in, const AttentionGradients& gradients, const Packing& packing,
                               Stream stream);

}  // namespace spark::cuda
