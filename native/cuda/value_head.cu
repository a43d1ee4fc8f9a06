// Value head of the critic:  z = W1 x + b1,  h = silu(z),  v = w2 · h + b2
//   db2 += Σ dv,  dw2 += Σ dv h,  dz = dv w2 ⊙ silu'(z),  db1 += Σ dz,  dW1 += dzᵀ x,  dx = dz W1
// A handful of rows: W1 is read once for each product, which is what takes the time; products are fp32.
#include "cuda/cuda_backend.h"
#include "cuda/memory.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

// One block per row: z (M, E) gets its bias, v (M) =
__global__ void forward_rows(float* v, float* z, const float* b1, const float* w2, const float* b2, int64_t E) {
  __shared__ float shared[kThreads / kWarp];
  float* row = z + blockIdx.x * E;
  float sum = 0;
  for (int64_t e = threadIdx.x; e < E; e += kThreads) {
    const float own = row[e] + b1[e];
    row[e] = own;
    sum += w2[e] * own * sigmoid(own);
  }
  sum = block_sum<kThreads>(sum, shared);
  if (threadIdx.x == 0) v[blockIdx.x] = sum + b2[0];
}

// One thread per hidden unit goes through the rows in order: z becomes dz, db1 and dw2 are added to.
__global__ void backward_units(float* z, float* db1, float* dw2, float* db2, const float* dv, const float* w2,
                               int64_t M, int64_t E) {
  const int64_t e = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (e >= E) return;
  float bias = 0, weight = 0, constant = 0;
  for (int64_t m = 0; m < M; ++m) {
    const float own = z[m * E + e], s = sigmoid(own);
    weight += dv[m] * own * s;
    const float dz = dv[m] * w2[e] * s * (1.0f + own * (1.0f - s));
    bias += dz;
    constant += dv[m];
    z[m * E + e] = dz;
  }
  db1[e] += bias;
  dw2[e] += weight;
  if (e == 0) db2[0] += constant;
}

__global__ void subtract(float* dv, const float* v, const float* target, float slope, int64_t M) {
  const int64_t m = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (m < M) dv[m] = slope * (v[m] - target[m]);
}

}  // namespace

void CudaBackend::value_backward(float* dv, const float* v, const float* target, float slope, int64_t M) {
  launch(subtract, dim3(blocks_for(M, kThreads)), kThreads, 0, stream_, dv, v, target, slope, M);
}

void CudaBackend::value_head_forward(float* v, float* z, const Activation* x, const ValueHeadParameters& p, int64_t M,
                                     int64_t C, int64_t E) {
  products_->run({M, E, C, {widened(x, M * C), C}, {p.w1, C, true}, z, E, nullptr, 1, Number::F32, Number::F32});
  launch(forward_rows, dim3(static_cast<unsigned>(M)), kThreads, 0, stream_, v, z, p.b1, p.w2, p.b2, E);
}

void CudaBackend::value_head_backward(Activation* dx, const ValueHeadParameters& gradients, float* z, const float* dv,
                                      const Activation* x, const ValueHeadParameters& p, int64_t M, int64_t C,
                                      int64_t E) {
  launch(backward_units, dim3(blocks_for(E, kThreads)), kThreads, 0, stream_, z, gradients.b1, gradients.w2,
         gradients.b2, dv, p.w2, M, E);
  products_->run(
      {E, C, M, {z, E, true}, {widened(x, M * C), C}, gradients.w1, C, gradients.w1, 1, Number::F32, Number::F32});
  auto* wide = static_cast<float*>(scratch(kSums, static_cast<size_t>(M * C) * sizeof(float)));  // (M, C)
  products_->run({M, C, E, {z, E}, {p.w1, C}, wide, C, nullptr, 1, Number::F32, Number::F32});
  round(dx, wide, M * C);
}

}  // namespace spark::cuda
