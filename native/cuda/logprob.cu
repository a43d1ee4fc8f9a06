// Log-prob of one target per row, and its gradient written over the logits.
//   lse = max + log Σ exp(logit − max),  lp = logit[target] − lse,  dlogit_j = dlp (1[j = target] − exp(logit_j − lse))
// The forward pass reads a row once: each thread keeps a running maximum and rescales its sum when the maximum grows.
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"

namespace spark::cuda {

namespace {

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / kWarp;

__global__ void forward(float* lp, float* lse, const float* logits, const int32_t* targets, int64_t V) {
  __shared__ float tops[kWarps], shared[kWarps];
  const float* row = logits + blockIdx.x * V;
  float top = -INFINITY, sum = 0;
  for (int64_t j = threadIdx.x; j < V; j += kThreads) {
    const float x = row[j];
    if (x > top) {
      sum *= __expf(top - x);
      top = x;
    }
    sum += __expf(x - top);
  }
  const float warp_top = warp_max(top);
  if (threadIdx.x % kWarp == 0) tops[threadIdx.x / kWarp] = warp_top;
  __syncthreads();
  float largest = tops[0];
  SPARK_UNROLL
  for (int i = 1; i < kWarps; ++i) largest = fmaxf(largest, tops[i]);
  // A thread that saw nothing has −∞ and a sum of 0. NaN slips past the comparisons above, but not through the sum.
  sum = block_sum<kThreads>(sum == 0 ? 0.0f : sum * __expf(top - largest), shared);
  if (threadIdx.x > 0) return;
  const float own = largest + logf(sum);
  lse[blockIdx.x] = own;
  lp[blockIdx.x] = row[targets[blockIdx.x]] - own;
}

__global__ void backward(float* logits, const float* dlp, const float* lse, const int32_t* targets, int64_t V) {
  float* row = logits + blockIdx.x * V;
  const float slope = dlp[blockIdx.x], own = lse[blockIdx.x];
  const int64_t target = targets[blockIdx.x];
  for (int64_t j = threadIdx.x; j < V; j += kThreads) {
    const float gradient = -slope * __expf(row[j] - own);
    row[j] = j == target ? gradient + slope : gradient;
  }
}

}  // namespace

void CudaBackend::logprob_forward(float* lp, float* lse, const float* logits, const int32_t* targets, int64_t M,
                                  int64_t V) {
  launch(forward, dim3(static_cast<unsigned>(M)), kThreads, 0, stream_, lp, lse, logits, targets, V);
}

void CudaBackend::logprob_backward(float* logits, const float* dlp, const float* lse, const int32_t* targets, int64_t M,
                                   int64_t V) {
  launch(backward, dim3(static_cast<unsigned>(M)), kThreads, 0, stream_, logits, dlp, lse, targets, V);
}

}  // namespace spark::cuda
