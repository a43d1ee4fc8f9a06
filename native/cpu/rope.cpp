// Rotary position (Su et al. 2021), interleaved pairs as llama.cpp stores q and k:
//   (x₀, x₁) ← (x₀ cos − x₁ sin, x₀ sin + x₁ cos)
// A rotation's gradient is the rotation back: the same loop with −sin. In place: nothing else needs the unturned
// values.
#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

namespace {

void turn(float* x, const float* table, const Packing& packing, int64_t heads, int64_t D, int64_t rotary, float sign) {
  const int64_t pairs = rotary / 2;
#pragma omp parallel for schedule(static) if (packing.tokens * heads * rotary > kParallelWork)
  for (int64_t n = 0; n < packing.tokens; ++n) {
    const float* angle = table + packing.positions[n] * pairs * 2;  // (pairs, 2): cos, sin
    for (int64_t h = 0; h < heads; ++h) {
      float* head = x + (n * heads + h) * D;
#pragma omp simd
      for (int64_t i = 0; i < pairs; ++i) {
        const float cosine = angle[2 * i], sine = sign * angle[2 * i + 1];
        const float even = head[2 * i], odd = head[2 * i + 1];
        head[2 * i] = even * cosine - odd * sine;
        head[2 * i + 1] = even * sine + odd * cosine;
      }
    }
  }
}

}  // namespace

void CpuBackend::rope_forward(float* x, const float* table, const Packing& packing, int64_t heads, int64_t D,
                              int64_t rotary) {
  turn(x, table, packing, heads, D, rotary, 1.0f);
}

void CpuBackend::rope_backward(float* dx, const float* table, const Packing& packing, int64_t heads, int64_t D,
                               int64_t rotary) {
  turn(dx, table, packing, heads, D, rotary, -1.0f);
}

}  // namespace spark
