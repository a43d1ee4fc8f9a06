// LoRA on the embedding: u = s A[tokens],  dA[token] += Σ du of the rows where it stands. One thread sums a token's
// value of one rank over its rows, in their order.
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

__global__ void gather_scaled(Bf16* u, const Bf16* a, const int32_t* tokens, float scale, int64_t count, int64_t R) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  u[i] = narrow(scale * widen(a[tokens[i / R] * R + i % R]));
}

__global__ void add_by_token(float* da, const Bf16* du, const int32_t* tokens, const int32_t* offsets,
                             const int32_t* rows, int64_t count, int64_t R) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  const int64_t t = i / R, r = i % R;
  float sum = da[tokens[t] * R + r];
  for (int32_t at = offsets[t]; at < offsets[t + 1]; ++at) sum += widen(du[rows[at] * R + r]);
  da[tokens[t] * R + r] = sum;
}

}  // namespace

void CudaBackend::lora_rows_forward(Activation* u, const Activation* a, const int32_t* tokens, float scale, int64_t N,
                                    int64_t R) {
  launch(gather_scaled, dim3(blocks_for(N * R, kThreads)), kThreads, 0, stream_, bf16(u), bf16(a), tokens, scale, N * R,
         R);
}

void CudaBackend::lora_rows_backward(float* da, const Activation* du, const RowsByToken& rows, int64_t R) {
  launch(add_by_token, dim3(blocks_for(rows.count * R, kThreads)), kThreads, 0, stream_, da, bf16(du), rows.tokens,
         rows.offsets, rows.rows, rows.count * R, R);
}

}  // namespace spark::cuda
