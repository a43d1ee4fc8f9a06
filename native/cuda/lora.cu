// LoRA (Hu et al. 2021), what is not part of the frozen projection (linear.cu):
//   u = s x Aᵀ,  du = s dy B,  dB += dyᵀ u,  dA += duᵀ x
//
// Factors, u and du are bf16; dA and dB are summed in fp32. Each product reads its large factor once: the time is that
// of memory. du and dB share one: where they can, both come from one pass over dy (lora_pass.cu).
#include "cuda/cuda_backend.h"

namespace spark::cuda {

void CudaBackend::lora_down(Activation* u, const Activation* x, const Activation* a, float scale, int64_t M, int64_t in,
                            int64_t S) {
  products_->run({M, S, in, {x, in}, {a, in, true}, u, S, nullptr, scale});
}

void CudaBackend::lora_up(Activation* y, const LowRank& lora, int64_t M, int64_t out) {
  products_->run({M, out, lora.R, {lora.u, lora.stride}, {lora.factor, lora.R, true}, y, out, y});
}

void CudaBackend::lora_up_backward(Activation* du, float* db, const Activation* dy, int64_t dy_stride,
                                   const Activation* u, int64_t stride, const Activation* b, float scale, int64_t M,
                                   int64_t out, int64_t R) {
  if (lora_pass(du, db, dy, dy_stride, u, stride, b, scale, M, out, R)) return;
  products_->run({M, R, out, {dy, dy_stride}, {b, R}, du, stride, nullptr, scale});
  products_->run({out, R, M, {dy, dy_stride, true}, {u, stride}, db, R, db, 1, Number::Bf16, Number::F32});
}

void CudaBackend::lora_down_backward(float* da, const Activation* du, const Activation* x, int64_t M, int64_t in,
                                     int64_t S) {
  products_->run({S, in, M, {du, S, true}, {x, in}, da, in, da, 1, Number::Bf16, Number::F32});
}

}  // namespace spark::cuda
