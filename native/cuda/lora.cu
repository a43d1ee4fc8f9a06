// LoRA (Hu et al. 2021):  u = x Aᵀ,  y += s u Bᵀ
//   du = s dy B,  dB += s dyᵀ u,  dA += duᵀ x,  dx += du A
//
// A, B, u and du are fp32 and rounded to bf16 on their way into a product; dA and dB are summed in fp32. Each product
// reads or writes its large factor once: the time is that of memory.
#include "cuda/cuda_backend.h"
#include "cuda/vectors.h"

namespace spark::cuda {

void CudaBackend::lora_down(float* u, const Activation* x, const float* a, int64_t M, int64_t in, int64_t S) {
  const Factor a16{rounded(kFactors, a, S, in, in, 1.0f), in, true};
  products_->run({M, S, in, {x, in}, a16, u, S, false, Number::Bf16, Number::F32});
}

void CudaBackend::lora_up(Activation* y, const float* u, int64_t stride, const float* b, float scale, int64_t M,
                          int64_t out, int64_t R) {
  const Factor u16{rounded(kRows, u, M, R, stride, scale), R}, b16{rounded(kFactors, b, out, R, R, 1.0f), R, true};
  products_->run({M, out, R, u16, b16, y, out, true});
}

void CudaBackend::lora_up_backward(float* du, float* db, const Activation* dy, const float* u, int64_t stride,
                                   const float* b, float scale, int64_t M, int64_t out, int64_t R) {
  const Factor u16{rounded(kRows, u, M, R, stride, scale), R}, b16{rounded(kFactors, b, out, R, R, scale), R};
  products_->run({M, R, out, {dy, out}, b16, du, stride, false, Number::Bf16, Number::F32});
  products_->run({out, R, M, {dy, out, true}, u16, db, R, true, Number::Bf16, Number::F32});
}

void CudaBackend::lora_down_backward(Activation* dx, float* da, const float* du, const Activation* x, const float* a,
                                     int64_t M, int64_t in, int64_t S) {
  const Bf16* du16 = rounded(kRows, du, M, S, S, 1.0f);  // (M, S)
  products_->run({S, in, M, {du16, S, true}, {x, in}, da, in, true, Number::Bf16, Number::F32});
  if (dx) products_->run({M, in, S, {du16, S}, {rounded(kFactors, a, S, in, in, 1.0f), in}, dx, in, true});
}

}  // namespace spark::cuda
