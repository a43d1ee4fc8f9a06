// LoRA (Hu et al. 2021):  u = x Aᵀ,  y += s u Bᵀ
//   du = s dy B,  dB += s dyᵀ u,  dA += duᵀ x,  dx += du A
//
// A, B, u and du are fp32 and rounded to bf16 on their way into a product; dA and dB are summed in fp32. Each product
// reads or writes its large factor once: the time is that of memory.
#include "cuda/cuda_backend.h"
#include "cuda/vectors.h"

namespace spark::cuda {

void CudaBackend::lora_down(float* u, const Activation* x, const float* a, int64_t M, int64_t in, int64_t S) {
  products_->run({.m = M,
                  .n = S,
                  .k = in,
                  .a = x,
                  .lda = in,
                  .b = rounded(kFactors, a, S, in, in, 1.0f),
                  .ldb = in,
                  .transpose_b = true,
                  .c = u,
                  .ldc = S,
                  .output = Number::F32});
}

void CudaBackend::lora_up(Activation* y, const float* u, int64_t stride, const float* b, float scale, int64_t M,
                          int64_t out, int64_t R) {
  products_->run({.m = M,
                  .n = out,
                  .k = R,
                  .a = rounded(kRows, u, M, R, stride, scale),
                  .lda = R,
                  .b = rounded(kFactors, b, out, R, R, 1.0f),
                  .ldb = R,
                  .transpose_b = true,
                  .c = y,
                  .ldc = out,
                  .accumulate = true});
}

void CudaBackend::lora_up_backward(float* du, float* db, const Activation* dy, const float* u, int64_t stride,
                                   const float* b, float scale, int64_t M, int64_t out, int64_t R) {
  products_->run({.m = M,
                  .n = R,
                  .k = out,
                  .a = dy,
                  .lda = out,
                  .b = rounded(kFactors, b, out, R, R, scale),
                  .ldb = R,
                  .c = du,
                  .ldc = stride,
                  .output = Number::F32});
  products_->run({.m = out,
                  .n = R,
                  .k = M,
                  .a = dy,
                  .lda = out,
                  .transpose_a = true,
                  .b = rounded(kRows, u, M, R, stride, scale),
                  .ldb = R,
                  .c = db,
                  .ldc = R,
                  .output = Number::F32,
                  .accumulate = true});
}

void CudaBackend::lora_down_backward(Activation* dx, float* da, const float* du, const Activation* x, const float* a,
                                     int64_t M, int64_t in, int64_t S) {
  const Bf16* du16 = rounded(kRows, du, M, S, S, 1.0f);  // (M, S)
  products_->run({.m = S,
                  .n = in,
                  .k = M,
                  .a = du16,
                  .lda = S,
                  .transpose_a = true,
                  .b = x,
                  .ldb = in,
                  .c = da,
                  .ldc = in,
                  .output = Number::F32,
                  .accumulate = true});
  if (!dx) return;
  products_->run({.m = M,
                  .n = in,
                  .k = S,
                  .a = du16,
                  .lda = S,
                  .b = rounded(kFactors, a, S, in, in, 1.0f),
                  .ldb = in,
                  .c = dx,
                  .ldc = in,
                  .accumulate = true});
}

}  // namespace spark::cuda
