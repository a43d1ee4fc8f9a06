// Rotary position (Su et al. 2021), in place; equations in native/cpu/rope.cpp. A thread turns one pair: neighbours of
// a Llama GGUF are one word of memory, Qwen's halves are two values.
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

constexpr int kThreads = 256;

// x (N, heads, D), table (positions, pairs, 2); sign −1 turns back
__global__ void turn(Bf16* x, const float2* table, const int32_t* positions, int64_t N, int64_t heads, int64_t D,
                     int64_t pairs, bool halves, float sign) {
  const int64_t at = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (at >= N * heads * pairs) return;
  const int64_t pair = at % pairs, head = at / pairs;  // head counts (N, heads)
  const float2 angle = table[positions[head / heads] * pairs + pair];
  const float cosine = angle.x, sine = sign * angle.y;
  Bf16* own = x + head * D;
  if (halves) {
    const float first = widen(own[pair]), second = widen(own[pair + pairs]);
    own[pair] = narrow(first * cosine - second * sine);
    own[pair + pairs] = narrow(first * sine + second * cosine);
  } else {
    auto* word = reinterpret_cast<uint32_t*>(own + 2 * pair);
    const float even = low_half(*word), odd = high_half(*word);
    *word = narrow_pair(even * cosine - odd * sine, even * sine + odd * cosine);
  }
}

void turn_all(Activation* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D, float sign,
              Stream stream) {
  const int64_t pairs = rope.rotary / 2;
  launch(turn, dim3(blocks_for(packing.tokens * heads * pairs, kThreads)), kThreads, 0, stream, bf16(x),
         reinterpret_cast<const float2*>(rope.table), packing.positions, packing.tokens, heads, D, pairs, rope.halves,
         sign);
}

}  // namespace

void CudaBackend::rope_forward(Activation* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) {
  turn_all(x, rope, packing, heads, D, 1.0f, stream_);
}

void CudaBackend::rope_backward(Activation* dx, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) {
  turn_all(dx, rope, packing, heads, D, -1.0f, stream_);
}

}  // namespace spark::cuda
