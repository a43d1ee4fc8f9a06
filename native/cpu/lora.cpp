// LoRA (Hu et al. 2021):  u = x Aᵀ,  y += s u Bᵀ
//   du = s dy B,  dA += duᵀ x,  dB += s dyᵀ u,  dx += du A
//
// Six products with one side of R. Hand-written register tiles for R = 8 were tried and lost to oneDNN at every shape
// (N 4096, 192 to 512, one core: forward 1.8 ms against 0.7, backward 2.6 against 1.8), so sgemm it is.
#include "cpu/cpu_backend.h"

namespace spark {

void CpuBackend::lora_forward(float* y, float* u, const float* x, const float* a, const float* b, float scale,
                              int64_t M, int64_t in, int64_t out, int64_t R) {
  cpu_gemm(false, true, M, R, in, 1.0f, x, in, a, in, 0.0f, u, R);
  cpu_gemm(false, true, M, out, R, scale, u, R, b, R, 1.0f, y, out);
}

void CpuBackend::lora_backward(float* dx, float* da, float* db, float* du, const float* dy, const float* x,
                               const float* u, const float* a, const float* b, float scale, int64_t M, int64_t in,
                               int64_t out, int64_t R) {
  cpu_gemm(false, false, M, R, out, scale, dy, out, b, R, 0.0f, du, R);
  cpu_gemm(true, false, R, in, M, 1.0f, du, R, x, in, 1.0f, da, in);
  cpu_gemm(true, false, out, R, M, scale, dy, out, u, R, 1.0f, db, R);
  if (dx) cpu_gemm(false, false, M, in, R, 1.0f, du, R, a, in, 1.0f, dx, in);
}

}  // namespace spark
