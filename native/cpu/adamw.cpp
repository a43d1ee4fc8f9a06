// AdamW (Loshchilov & Hutter 2019) and the global norm. With g the clipped gradient and t the step:
//   w ← w − lr λ w;  m ← β₁ m + (1−β₁) g;  v ← β₂ v + (1−β₂) g²
//   w ← w − lr · (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε)            the order torch.optim.AdamW uses
#include "ops/adamw.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

// One thread, in order and in double: adapters are small, and the result decides the clip of every parameter.
double CpuBackend::sum_of_squares(const float* x, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

void CpuBackend::adamw(float* w, float* m, float* v, const float* gradient, const AdamwCoefficients& c, int64_t count) {
  const AdamwUpdate own = adamw_update(c);
  constexpr int64_t kBlock = 1 << 14;
#pragma omp parallel for schedule(static) if (count > kParallelWork)
  for (int64_t i = 0; i < count; i += kBlock) {
    kernels().adamw(w + i, m + i, v + i, gradient + i, own, count - i < kBlock ? count - i : kBlock);
  }
}

}  // namespace spark
