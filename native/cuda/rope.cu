// Rotary position (Su et al. 2021), in place; equations in native/cpu/rope.cpp. A block turns one token, whose angles
// all heads share. A thread turns PAIRS neighbouring pairs of a head: of a Llama GGUF they are one run of memory, of
// Qwen's halves two.
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

__device__ inline float2 turned(float first, float second, float2 angle, float sign) {
  const float cosine = angle.x, sine = sign * angle.y;
  return {first * cosine - second * sine, first * sine + second * cosine};
}

// x (N, heads, D), table (positions, pairs, 2); sign −1 turns back
template <int PAIRS, bool HALVES>
__global__ void turn(Bf16* x, const float2* table, const int32_t* positions, int heads, int D, int pairs, float sign) {
  const int64_t token = blockIdx.x;
  const float2* angles = table + int64_t{positions[token]} * pairs;
  x += token * heads * D;
  const int runs = pairs / PAIRS;  // of a head
  for (int i = static_cast<int>(threadIdx.x); i < heads * runs; i += kFewThreads) {
    const int pair = i % runs * PAIRS;
    Bf16* own = x + int64_t{i / runs} * D + (HALVES ? pair : 2 * pair);
    if constexpr (HALVES) {
      auto first = Values<PAIRS>::load(own), second = Values<PAIRS>::load(own + pairs);
      SPARK_UNROLL
      for (int j = 0; j < PAIRS; ++j) {
        const float2 both = turned(first.at[j], second.at[j], angles[pair + j], sign);
        first.at[j] = both.x, second.at[j] = both.y;
      }
      first.store(own), second.store(own + pairs);
    } else {
      auto run = Values<2 * PAIRS>::load(own);
      SPARK_UNROLL
      for (int j = 0; j < PAIRS; ++j) {
        const float2 both = turned(run.at[2 * j], run.at[2 * j + 1], angles[pair + j], sign);
        run.at[2 * j] = both.x, run.at[2 * j + 1] = both.y;
      }
      run.store(own);
    }
  }
}

template <bool HALVES>
void turn_all(Activation* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D, float sign,
              Stream stream) {
  const int64_t pairs = rope.rotary / 2;
  constexpr int kPairs = HALVES ? kVector : kVector / 2;  // that are 16 bytes
  const bool whole = pairs % kPairs == 0 && vectorizes(D, {x});
  launch(whole ? turn<kPairs, HALVES> : turn<1, HALVES>, dim3(static_cast<unsigned>(packing.tokens)), kFewThreads, 0,
         stream, bf16(x), reinterpret_cast<const float2*>(rope.table), packing.positions, static_cast<int>(heads),
         static_cast<int>(D), static_cast<int>(pairs), sign);
}

void turn_all(Activation* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D, float sign,
              Stream stream) {
  rope.halves ? turn_all<true>(x, rope, packing, heads, D, sign, stream)
              : turn_all<false>(x, rope, packing, heads, D, sign, stream);
}

}  // namespace

void CudaBackend::rope_forward(Activation* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) {
  turn_all(x, rope, packing, heads, D, 1.0f, stream_);
}

void CudaBackend::rope_backward(Activation* dx, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) {
  turn_all(dx, rope, packing, heads, D, -1.0f, stream_);
}

}  // namespace spark::cuda
