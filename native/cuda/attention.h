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

struct Sequence {
  int64_t first, length;
};

__device__ inline Sequence sequence_of(const int32_t* cu_seqlens, unsigned b) {
  return {cu_seqlens[b], cu_seqlens[b + 1] - cu_seqlens[b]};
}

// c (16, 8 TILES) of a warp, times `factor`, to rows of D values; rows from `rows` on and columns from D on do not
// exist.
template <int TILES>
__device__ inline void store_accumulators(Bf16* to, int64_t stride, const Accumulator (&c)[TILES], int64_t rows, int D,
                                          float factor0, float factor1) {
  const int g = threadIdx.x % kWarp / 4, t = threadIdx.x % 4 * 2;
  SPARK_UNROLL
  for (int tile = 0; tile < TILES; ++tile) {
    SPARK_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int row = g + i / 2 * 8, col = tile * 8 + t + i % 2;
      if (row < rows && col < D) to[row * stride + col] = narrow(c[tile].at[i] * (i < 2 ? factor0 : factor1));
    }
  }
}

constexpr float kLog2E = 1.4426950408889634f;

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
