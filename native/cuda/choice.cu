// Log-probs of a few tokens among themselves, and the gradient of a cross-entropy over them. A choice g is read at one
// row x_g and has alternatives j, each with its row w_j of the output projection:
//   logit_j = x_g · w_j,  lp_j = logit_j − log Σ_i exp logit_i,  i over the alternatives of g
//   L = −Σ_j target_j lp_j,  dx_g = Σ_j (exp(lp_j) Σ_i target_i − target_j) w_j
// One block a choice. Its rows of w are all that takes time to read; forward a warp reads one of them at a time.
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

// lp (K) of one choice, which holds its logits, becomes their log-softmax: by one warp.
__device__ void log_softmax(float* lp, int64_t K) {
  float top = -INFINITY, sum = 0;
  for (int64_t j = threadIdx.x; j < K; j += kWarp) top = fmaxf(top, lp[j]);
  top = warp_max(top);
  for (int64_t j = threadIdx.x; j < K; j += kWarp) sum += expf(lp[j] - top);
  sum = warp_sum(sum);
  for (int64_t j = threadIdx.x; j < K; j += kWarp) lp[j] = lp[j] - top - logf(sum);
}

template <int V>
__global__ void choice_forward_kernel(float* lp, const Bf16* x, const Bf16* w, const int32_t* offsets, int64_t C) {
  const int64_t first = offsets[blockIdx.x] - offsets[0], K = offsets[blockIdx.x + 1] - offsets[blockIdx.x];
  const Bf16* row = x + blockIdx.x * C;
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  for (int64_t j = warp; j < K; j += kWarps) {
    const Bf16* own = w + (first + j) * C;
    float sum = 0;
    for (int64_t c = int64_t{lane} * V; c < C; c += kWarp * V) {
      const auto a = Values<V>::load(row + c), b = Values<V>::load(own + c);
      SPARK_UNROLL
      for (int i = 0; i < V; ++i) sum += a.at[i] * b.at[i];
    }
    sum = warp_sum(sum);
    if (lane == 0) lp[first + j] = sum;
  }
  __syncthreads();
  if (warp == 0) log_softmax(lp + first, K);
}

template <int V>
__global__ void choice_backward_kernel(Bf16* dx, const float* lp, const float* target, const Bf16* w,
                                       const int32_t* offsets, int64_t C) {
  const int64_t first = offsets[blockIdx.x] - offsets[0], last = offsets[blockIdx.x + 1] - offsets[0];
  float total = 0;
  for (int64_t j = first; j < last; ++j) total += target[j];
  for (int64_t c = int64_t{threadIdx.x} * V; c < C; c += kThreads * V) {
    Values<V> sums{};
    for (int64_t j = first; j < last; ++j) {
      const float slope = expf(lp[j]) * total - target[j];
      const auto own = Values<V>::load(w + j * C + c);
      SPARK_UNROLL
      for (int i = 0; i < V; ++i) sums.at[i] += slope * own.at[i];
    }
    sums.store(dx + blockIdx.x * C + c);
  }
}

}  // namespace

void CudaBackend::choice_forward(float* lp, const Activation* x, const Activation* w, const int32_t* offsets, int64_t G,
                                 int64_t C) {
  with_vector(vectorizes(C, {x, w}), [&](auto v) {
    launch(choice_forward_kernel<v()>, dim3(static_cast<unsigned>(G)), kThreads, 0, stream_, lp, bf16(x), bf16(w),
           offsets, C);
  });
}

void CudaBackend::choice_backward(Activation* dx, const float* lp, const float* target, const Activation* w,
                                  const int32_t* offsets, int64_t G, int64_t C) {
  with_vector(vectorizes(C, {dx, w}), [&](auto v) {
    launch(choice_backward_kernel<v()>, dim3(static_cast<unsigned>(G)), kThreads, 0, stream_, bf16(dx), lp, target,
           bf16(w), offsets, C);
  });
}

}  // namespace spark::cuda
