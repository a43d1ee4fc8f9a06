// Rotary position (Su et al. 2021): each pair of values turns by the angle of its position,
//   (x₀, x₁) ← (x₀ cos − x₁ sin, x₀ sin + x₁ cos)
// A rotation's gradient is the rotation back: the same loop with −sin. In place: nothing else needs the unturned
// values. Pairs are neighbours in a Llama GGUF (llama.cpp permutes q and k for it) and lie half a head apart in Qwen's.
#include "cpu/activation.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

template <class T>
void turn(T* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D, float sign) {
  const ActivationKernels<T>& kernel = kernels().of<T>();
  const int64_t pairs = rope.rotary / 2;
#pragma omp parallel for schedule(static) if (packing.tokens * heads * rope.rotary > kParallelWork)
  for (int64_t n = 0; n < packing.tokens; ++n) {
    const float* angle = rope.table + packing.positions[n] * pairs * 2;  // (pairs, 2)
    for (int64_t h = 0; h < heads; ++h) {
      T* head = x + (n * heads + h) * D;  // (D)
      if (rope.halves) {
        kernel.turn_halves(head, angle, pairs, sign);
      } else {
        kernel.turn_neighbours(head, angle, pairs, sign);
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
