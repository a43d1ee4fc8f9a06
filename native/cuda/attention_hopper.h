// What the attention kernels for Hopper share. They need rows that can be read 16 bytes at a time.
#pragma once

#include <algorithm>

#include "cuda/attention.h"
#include "cuda/memory.h"
#include "cuda/ring.h"

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

// Tiles of all heads and sequences, those with most work first. As many blocks as there are multiprocessors go through
// them, alternately from the first block to the last and back: each gets about as much work as the others, and the
// next tile of a block is on its way while it ends the one before.
struct TileList {
  int heads, sequences, most;  // tiles of the longest sequence

  __device__ __host__ int count() const { return heads * sequences * most; }
  // f(head, sequence, nth) for each of this block; nth = 0 is the tile of a sequence that comes first.
  template <class F>
  __device__ void each_own(F&& f) const {
    const int blocks = static_cast<int>(gridDim.x), block = static_cast<int>(blockIdx.x), all = count();
    for (int turn = 0; turn * blocks < all; ++turn) {
      const int t = turn * blocks + (turn % 2 ? blocks - 1 - block : block), at = t / heads;
      if (t < all) f(t % heads, static_cast<unsigned>(at % sequences), at / sequences);
    }
  }
  // f(QueryBlock) or f(KeyBlock) for each of this block that is not behind its sequence's end
  template <class F>
  __device__ void each_query_block(const AttentionInputs& in, int rows, F&& f) const {
    each_own([&](int head, unsigned b, int nth) {
      const QueryBlock own = QueryBlock::of(in, rows, head, b, most - 1 - nth);
      if (own.rows > 0) f(own);
    });
  }
  template <class F>
  __device__ void each_key_block(const AttentionInputs& in, int rows, F&& f) const {
    each_own([&](int head, unsigned b, int nth) {
      const KeyBlock own = KeyBlock::of(in, rows, head, b, nth);
      if (own.rows > 0) f(own);
    });
  }
};

inline TileList tile_list(int heads, const Packing& packing, int rows) {
  return {heads, static_cast<int>(packing.sequences), static_cast<int>(blocks_for(packing.longest, rows))};
}

// At most so many blocks: few in the trial (attention_choice.cu), so that each goes through several tiles.
int& most_hopper_blocks();

// kernel(arguments…, tiles, maps) by a block for each multiprocessor
template <class Kernel, class Maps, class... Arguments>
void launch_hopper(Kernel kernel, const TileList& tiles, size_t shared, Stream stream, const Maps& maps,
                   Arguments... arguments) {
  const auto blocks = static_cast<unsigned>(std::min({tiles.count(), multiprocessors(), most_hopper_blocks()}));
  launch(kernel, dim3(blocks), kRingThreads, shared, stream, arguments..., tiles, maps);
}

// ptxas may move a wait for products before arithmetic that does not need them, which would then no longer run beside
// them. It moves none before a store: this one has to come after all that `value` is made of.
__device__ inline void stay_before(float* spare, float value) {
#ifdef SPARK_CUDA_EMULATED
  *spare = value;
#else
  asm volatile("st.volatile.shared.f32 [%0], %1;\n" ::"r"(shared_address(spare)), "f"(value) : "memory");
#endif
}

void hopper_attention_forward(Bf16* o, float* lse, const AttentionInputs& in, const Packing& packing, Stream stream);

struct HopperGradients {
  const Bf16 *dout, *o;  // (N, H, D)
  const float* lse;      // (N, H)
  float2* rows;          // (H, row_stride(N)) of scratch
  Bf16 *dq, *dk, *dv;    // (N, H, D), (N, K, D) twice
};
// Tiles of them are brought 16 bytes at a time, so one row too early and, at the end, a tile and a row too many.
inline int64_t row_stride(int64_t tokens) { return (tokens + kGroupRows + 3) / 2 * 2; }
void hopper_attention_backward(const AttentionInputs& in, const HopperGradients& gradients, const Packing& packing,
                               Stream stream);

}  // namespace spark::cuda
