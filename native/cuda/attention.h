// What the attention kernels share: where a block's head and sequence lie.
#pragma once

#include <cmath>
#include <string>

#include "core/error.h"
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "cuda/tiles.h"
#include "cuda/vectors.h"

namespace spark::cuda {

struct AttentionInputs {
  const Bf16 *q, *k, *v;      // (N, H, D), (N, K, D) twice
  const int32_t* cu_seqlens;  // (B + 1)
  int heads, kv_heads, D;     // H, K
  float scale;                // 1 / √D

  __device__ int64_t q_stride() const { return int64_t{heads} * D; }  // values between tokens
  __device__ int64_t kv_stride() const { return int64_t{kv_heads} * D; }
};

struct AttentionGradients {
  const Bf16* dout;          // (N, H, D)
  const float *lse, *delta;  // (N, H); delta: dout · o
  Bf16 *dq, *dk, *dv;        // (N, H, D), (N, K, D) twice
};

struct Sequence {
  int64_t first, length;
};

__device__ inline Sequence sequence_of(const int32_t* cu_seqlens, unsigned b) {
  return {cu_seqlens[b], cu_seqlens[b + 1] - cu_seqlens[b]};
}

constexpr float kLog2E = 1.4426950408889634f;

// Maximum and sum so far of a lane's two rows, g and g + 8 of its warp's sixteen. Scores come times log2 e, so that
// their exponentials are powers of two: that is one instruction.
struct RunningSoftmax {
  float top[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0};

  // Scores s (16, 8 TILES) become exp2(scale s − new top); returns what earlier sums are to be multiplied with.
  template <int TILES>
  __device__ float2 advance(Accumulator (&s)[TILES], float scale) {
    float factor[2];
    SPARK_UNROLL
    for (int row = 0; row < 2; ++row) {
      float largest = -INFINITY;
      SPARK_UNROLL
      for (int tile = 0; tile < TILES; ++tile) {
        largest = fmaxf(largest, fmaxf(s[tile].at[2 * row], s[tile].at[2 * row + 1]));
      }
      largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, 2));
      largest = fmaxf(top[row], largest * scale);
      float added = 0;
      SPARK_UNROLL
      for (int tile = 0; tile < TILES; ++tile) {
        SPARK_UNROLL
        for (int i = 2 * row; i < 2 * row + 2; ++i) {
          s[tile].at[i] = power_of_two(s[tile].at[i] * scale - largest);
          added += s[tile].at[i];
        }
      }
      factor[row] = power_of_two(top[row] - largest);
      sum[row] = sum[row] * factor[row] + added;  // of this lane's columns; lanes are added at the end
      top[row] = largest;
    }
    return {factor[0], factor[1]};
  }
  __device__ void finish() {
    SPARK_UNROLL
    for (int row = 0; row < 2; ++row) {
      sum[row] += __shfl_xor_sync(kAllLanes, sum[row], 1);
      sum[row] += __shfl_xor_sync(kAllLanes, sum[row], 2);
    }
  }
  __device__ float lse(int row) const { return (top[row] + log2f(sum[row])) / kLog2E; }
};

// c (16, 8 TILES) of a warp, times `factor`, to rows of D values; rows from `rows` on and columns from D on do not
// exist. VECTOR: two columns lie in one word.
template <bool VECTOR, int TILES>
__device__ inline void store_accumulators(Bf16* to, int64_t stride, const Accumulator (&c)[TILES], int64_t rows, int D,
                                          float factor0, float factor1) {
  const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4 * 2;
  SPARK_UNROLL
  for (int tile = 0; tile < TILES; ++tile) {
    SPARK_UNROLL
    for (int half = 0; half < 2; ++half) {
      const int row = g + half * 8, col = tile * 8 + t;
      const float factor = half ? factor1 : factor0;
      const float left = c[tile].at[2 * half] * factor, right = c[tile].at[2 * half + 1] * factor;
      if (row >= rows || col >= D) continue;
      Bf16* own = to + row * stride + col;
      if constexpr (VECTOR) {
        *reinterpret_cast<uint32_t*>(own) = narrow_pair(left, right);
      } else {
        own[0] = narrow(left);
        if (col + 1 < D) own[1] = narrow(right);
      }
    }
  }
}

// The queries that a block of attention_grid works on (KeyBlock: the keys): a tile of its sequence that begins at token
// `first`. `rows` counts the tokens from there to the sequence's end: a short tile has fewer than a full one, and a
// block with rows <= 0 begins behind the end and has nothing to do.
struct QueryBlock {
  Sequence sequence;
  int64_t first, rows;
  int head;
  int64_t at;         // of the first one in q, o and their gradients
  const Bf16 *k, *v;  // of the sequence's first token

  // The tile with most keys first.
  __device__ static QueryBlock own(const AttentionInputs& in, int tile_rows) {
    return of(in, tile_rows, static_cast<int>(blockIdx.x), blockIdx.y, static_cast<int>(gridDim.z - 1 - blockIdx.z));
  }
  __device__ static QueryBlock of(const AttentionInputs& in, int tile_rows, int head, unsigned b, int tile) {
    const Sequence sequence = sequence_of(in.cu_seqlens, b);
    const int64_t first = int64_t{tile} * tile_rows;
    const int kv_head = head / (in.heads / in.kv_heads);
    const int64_t kv = sequence.first * in.kv_stride() + kv_head * in.D;
    const int64_t at = (sequence.first + first) * in.q_stride() + head * in.D;
    return {sequence, first, sequence.length - first, head, at, in.k + kv, in.v + kv};
  }
};

struct KeyBlock {
  Sequence sequence;
  int64_t first, rows;
  int kv_head, group;  // query heads that read it
  int64_t at;          // of the first one in k, v and their gradients

  // The tile that most queries see first.
  __device__ static KeyBlock own(const AttentionInputs& in, int tile_rows) {
    return of(in, tile_rows, static_cast<int>(blockIdx.x), blockIdx.y, static_cast<int>(blockIdx.z));
  }
  __device__ static KeyBlock of(const AttentionInputs& in, int tile_rows, int kv_head, unsigned b, int tile) {
    const Sequence sequence = sequence_of(in.cu_seqlens, b);
    const int64_t first = int64_t{tile} * tile_rows;
    const int64_t at = (sequence.first + first) * in.kv_stride() + kv_head * in.D;
    return {sequence, first, sequence.length - first, kv_head, in.heads / in.kv_heads, at};
  }
};

// Blocks (heads, sequences, tiles of `rows`), which a device starts in this order: of all heads the tile with most work
// first, so that it ends with short ones. With one head after the other, the multiprocessors would
// spend a third of the time waiting for the last blocks.
inline dim3 attention_grid(int64_t heads, const Packing& packing, int64_t rows) {
  return dim3(static_cast<unsigned>(heads), static_cast<unsigned>(packing.sequences),
              blocks_for(packing.longest, rows));
}

inline AttentionInputs attention_inputs(const Activation* q, const Activation* k, const Activation* v,
                                        const Packing& packing, const AttentionShape& shape, float scale) {
  return {bf16(q),
          bf16(k),
          bf16(v),
          packing.cu_seqlens,
          static_cast<int>(shape.heads),
          static_cast<int>(shape.kv_heads),
          static_cast<int>(shape.head_size),
          scale};
}

// f(std::integral_constant<int, HD>, std::bool_constant<VECTOR>) for heads padded to 64 or 128 values.
template <class F>
void with_head_size(const AttentionShape& shape, std::initializer_list<const void*> pointers, F&& f) {
  constexpr int64_t kLargest = 128;
  if (shape.head_size > kLargest) {
    throw Error("unsupported_file", "head size: expected at most 128 on backend cuda, got " +
                                        std::to_string(shape.head_size) + "; use backend cpu");
  }
  const auto by_size = [&](auto vector) {
    if (shape.head_size <= 64) {
      f(std::integral_constant<int, 64>(), vector);
    } else {
      f(std::integral_constant<int, 128>(), vector);
    }
  };
  if (vectorizes(shape.head_size, pointers)) {
    by_size(std::true_type());
  } else {
    by_size(std::false_type());
  }
}

}  // namespace spark::cuda
