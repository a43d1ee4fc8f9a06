// Rotary position (Su et al. 2021): each pair of values turns by the angle of its position,
//   (x₀, x₁) ← (x₀ cos − x₁ sin, x₀ sin + x₁ cos)
// A rotation's gradient is the rotation back: the same loop with −sin. In place: nothing else needs the unturned
// values. Pairs are neighbours in a Llama GGUF (llama.cpp permutes q and k for it) and lie half a head apart in Qwen's.
#include "cpu/activation.h"
#include "cpu/cpu_backend.h"

namespace spark {

namespace {

// head (D), angle (pairs, 2): cos, sin
template <class T>
SPARK_CLONES void turn_neighbours(T* head, const float* angle, int64_t pairs, float sign) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const float cosine = angle[2 * i], sine = sign * angle[2 * i + 1];
    const float even = widen(head[2 * i]), odd = widen(head[2 * i + 1]);
    head[2 * i] = narrow<T>(even * cosine - odd * sine);
    head[2 * i + 1] = narrow<T>(even * sine + odd * cosine);
  }
}

template <class T>
SPARK_CLONES void turn_halves(T* head, const float* angle, int64_t pairs, float sign) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const float cosine = angle[2 * i], sine = sign * angle[2 * i + 1];
    const float first = widen(head[i]), second = widen(head[i + pairs]);
    head[i] = narrow<T>(first * cosine - second * sine);
    head[i + pairs] = narrow<T>(first * sine + second * cosine);
  }
}

template <class T>
void turn(T* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D, float sign) {
  const int64_t pairs = rope.rotary / 2;
#pragma omp parallel for schedule(static) if (packing.tokens * heads * rope.rotary > kParallelWork)
  for (int64_t n = 0; n < packing.tokens; ++n) {
    const float* angle = rope.table + packing.positions[n] * pairs * 2;  // (pairs, 2)
    for (int64_t h = 0; h < heads; ++h) {
      T* head = x + (n * heads + h) * D;  // (D)
      if (rope.halves) {
        turn_halves(head, angle, pairs, sign);
      } else {
        turn_neighbours(head, angle, pairs, sign);
      }
    }
  }
}

}  // namespace

void CpuBackend::rope_forward(Activation* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) {
  with_activation_type(compute_, [&]<class T>(T) { turn(static_cast<T*>(x), rope, packing, heads, D, 1.0f); });
}

void CpuBackend::rope_backward(Activation* dx, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) {
  with_activation_type(compute_, [&]<class T>(T) { turn(static_cast<T*>(dx), rope, packing, heads, D, -1.0f); });
}

}  // namespace spark
