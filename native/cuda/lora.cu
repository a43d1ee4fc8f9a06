// LoRA (Hu et al. 2021), what is not part of the frozen projection (linear.cu):
//   u = x Aᵀ,  du = s dy B,  dB += s dyᵀ u,  dA += duᵀ x
//
// A, B, u and du are fp32 and rounded to bf16 on their way into a product; dA and dB are summed in fp32. Each product
// reads or writes its large factor once: the time is that of memory.
#include "cuda/cuda_backend.h"
#include "cuda/vectors.h"

namespace spark::cuda {

void CudaBackend::lora_down(float* u, const Activation* x, const float* a, int64_t M, int64_t in, int64_t S) {
  const Factor a16{rounded(kFactors, a, S, in, in, 1.0f), in, true};
  products_->run({M, S, in, {x, in}, a16, u, S, nullptr, Number::Bf16, Number::F32});
}

void CudaBackend::lora_up_backward(float* du, float* db, const Activation* dy, const float* u, int64_t stride,
                                   const float* b, float scale, int64_t M, int64_t out, int64_t R) {
  const Factor u16{rounded(kRows, u, M, R, stride, scale), R}, b16{rounded(kFactors, b, out, R, R, scale), R};
  products_->run({M, R, out, {dy, out}, b16, du, stride, nullptr, Number::Bf16, Number::F32});
  products_->run({out, R, M, {dy, out, true}, u16, db, R, db, Number::Bf16, Number::F32});
}

void CudaBackend::lora_down_backward(float* da, const float* du, const Activation* x, int64_t M, int64_t in,
                                     int64_t S) {
  const Factor du16{rounded(kRows, du, M, S, S, 1.0f), S, true};
  products_->run({S, in, M, du16, {x, in}, da, in, da, Number::Bf16, Number::F32});
}

}  // namespace spark::cuda
