// The actor's gradient by each token's log-prob; the equation is in ops/objective.h. In double: exp of a small
// difference.
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "ops/objective.h"

namespace spark::cuda {

namespace {

__global__ void slopes(float* dlp, const float* lp, const float* old_lp, const float* reference_lp,
                       const float* advantage, float clip, float kl, double inverse_normalizer, int64_t M) {
  const int64_t m = int64_t{blockIdx.x} * kFewThreads + threadIdx.x;
  if (m >= M) return;
  const double ratio = exp(static_cast<double>(lp[m]) - old_lp[m]);
  double slope = policy_clip_slope(ratio, advantage[m], clip);
  if (reference_lp) slope += policy_kl_slope(lp[m], reference_lp[m], kl);
  dlp[m] = static_cast<float>(slope * inverse_normalizer);
}

}  // namespace

void CudaBackend::policy_backward(float* dlp, const float* lp, const float* old_lp, const float* reference_lp,
                                  const float* advantage, const PolicyCoefficients& c, int64_t M) {
  launch(slopes, dim3(blocks_for(M, kFewThreads)), kFewThreads, 0, stream_, dlp, lp, old_lp, reference_lp, advantage,
         c.clip, c.kl, c.inverse_normalizer, M);
}

}  // namespace spark::cuda
