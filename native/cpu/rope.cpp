// Rotary position (Su et al. 2021): each pair of values turns by the angle of its position,
//   (x₀, x₁) ← (x₀ cos − x₁ sin, x₀ sin + x₁ cos)
// A rotation's gradient is the rotation back: the same loop with −sin. In place: nothing else needs the unturned
// values. Pairs are neighbours in a Llama GGUF (llama.cpp permutes q and k for it) and lie half a head apart in Qwen's.
#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

namespace {

// head (D), angle (pairs, 2): cos, sin
SPARK_CLONES void turn_neighbours(float* head, const float* angle, int64_t pairs, float sign) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const float cosine = angle[2 * i], sine = sign * angle[2 * i + 1];
    const float even = head[2 * i], odd = head[2 * i + 1];
    head[2 * i] = even * cosine - odd * sine;
    head[2 * i + 1] = even * sine + odd * cosine;
  }
}

SPARK_CLONES void turn_halves(float* head, const float* angle, int64_t pairs, float sign) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const float cosine = angle[2 * i], sine = sign * angle[2 * i + 1];
    const float first = head[i], second = head[i + pairs];
    head[i] = first * cosine - second * sine;
    head[i + pairs] = first * sine + second * cosine;
  }
}

void turn(float* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D, float sign) {
  const int64_t pairs = rope.rotary / 2;
#pragma omp parallel for schedule(static) if (packing.tokens * heads * rope.rotary > kParallelWork)
  for (int64_t n = 0; n < packing.tokens; ++n) {
    const float* angle = rope.table + packing.positions[n] * pairs * 2;  // (pairs, 2)
    for (int64_t h = 0; h < heads; ++h) {
      float* head = x + (n * heads + h) * D;  // (D)
      if (rope.halves) {
        turn_halves(head, angle, pairs, sign);
      } else {
        turn_neighbours(head, angle, pairs, sign);
      }
    }
  }
}

}  // namespace

void CpuBackend::rope_forward(float* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) {
  turn(x, rope, packing, heads, D, 1.0f);
}

void CpuBackend::rope_backward(float* dx, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) {
  turn(dx, rope, packing, heads, D, -1.0f);
}

}  // namespace spark
