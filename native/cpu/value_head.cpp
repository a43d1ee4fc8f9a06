// Value head of the critic:  z = W1 x + b1,  h = silu(z),  v = w2 · h + b2
//   db2 += Σ dv,  dw2 += Σ dv h,  dz = dv w2 ⊙ silu'(z),  db1 += Σ dz,  dW1 += dzᵀ x,  dx = dz W1
// Only the T rows where a state ends come here, a handful per trajectory: the sums over rows stay on one thread, in
// order.
#include "cpu/bf16.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

// x (M, C) in fp32: itself, or widened into scratch
const float* CpuBackend::widened(const Activation* x, int64_t count) {
  if (!bf16_) return static_cast<const float*>(x);
  float* to = shared_scratch(kSumsSlot, count);
  for (int64_t i = 0; i < count; ++i) to[i] = widen(static_cast<const Bf16Bits*>(x)[i]);
  return to;
}

void CpuBackend::value_backward(float* dv, const float* v, const float* target, float slope, int64_t M) {
  for (int64_t m = 0; m < M; ++m) dv[m] = slope * (v[m] - target[m]);
}

void CpuBackend::value_head_forward(float* v, float* z, const Activation* x, const ValueHeadParameters& p, int64_t M,
                                    int64_t C, int64_t E) {
  cpu_gemm(false, true, M, E, C, 1.0f, widened(x, M * C), C, p.w1, C, 0.0f, z, E);
  for (int64_t m = 0; m < M; ++m) v[m] = kernels().value_forward(z + m * E, p.b1, p.w2, E) + p.b2[0];
}

void CpuBackend::value_head_backward(Activation* dx, const ValueHeadParameters& gradients, float* z, const float* dv,
                                     const Activation* x, const ValueHeadParameters& p, int64_t M, int64_t C,
                                     int64_t E) {
  for (int64_t m = 0; m < M; ++m) {
    gradients.b2[0] += dv[m];
    kernels().value_backward(z + m * E, gradients.b1, gradients.w2, dv[m], p.w2, E);
  }
  cpu_gemm(true, false, E, C, M, 1.0f, z, E, widened(x, M * C), C, 1.0f, gradients.w1, C);
  float* wide = bf16_ ? shared_scratch(kSumsSlot, M * C) : static_cast<float*>(dx);  // (M, C)
  cpu_gemm(false, false, M, C, E, 1.0f, z, E, p.w1, C, 0.0f, wide, C);
  if (bf16_) round_to_bf16(static_cast<Bf16Bits*>(dx), wide, M * C);
}

}  // namespace spark
