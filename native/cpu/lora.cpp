// LoRA (Hu et al. 2021):  u = x Aᵀ,  y += s u Bᵀ
//   du = s dy B,  dB += s dyᵀ u,  dA += duᵀ x,  dx += du A
//
// Products with one side of 8 to 24: bound by reading x, y and dy, which is why projections that share an x share one
// A. Hand-written register tiles for R = 8 were tried and lost to oneDNN at every shape (N 4096, 192 to 512, one core:
// forward 1.8 ms against 0.7, backward 2.6 against 1.8), so sgemm it is.
#include "cpu/cpu_backend.h"

namespace spark {

void CpuBackend::lora_down(float* u, const float* x, const float* a, int64_t M, int64_t in, int64_t S) {
  cpu_gemm(false, true, M, S, in, 1.0f, x, in, a, in, 0.0f, u, S);
}

void CpuBackend::lora_up(float* y, const float* u, int64_t stride, const float* b, float scale, int64_t M, int64_t out,
                         int64_t R) {
  cpu_gemm(false, true, M, out, R, scale, u, stride, b, R, 1.0f, y, out);
}

void CpuBackend::lora_up_backward(float* du, float* db, const float* dy, const float* u, int64_t stride, const float* b,
                                  float scale, int64_t M, int64_t out, int64_t R) {
  cpu_gemm(false, false, M, R, out, scale, dy, out, b, R, 0.0f, du, stride);
  cpu_gemm(true, false, out, R, M, scale, dy, out, u, stride, 1.0f, db, R);
}

void CpuBackend::lora_down_backward(float* dx, float* da, const float* du, const float* x, const float* a, int64_t M,
                                    int64_t in, int64_t S) {
  cpu_gemm(true, false, S, in, M, 1.0f, du, S, x, in, 1.0f, da, in);
  if (dx) cpu_gemm(false, false, M, in, S, 1.0f, du, S, a, in, 1.0f, dx, in);
}

}  // namespace spark
