// Log-prob of one target per row, and its gradient written over the logits. In bf16 the gradient takes half of their
// bytes: value j is written where logit j / 2 was, and the loop has read that one already.
//   lse = max + log Σ exp(logit − max),  lp = logit[target] − lse,  dlogit_j = dlp (1[j = target] − exp(logit_j − lse))
// The output projection around it goes by chunks of rows (model/output_head.cpp): (N, V) never exists.
#include "cpu/activation.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

void CpuBackend::logprob_forward(float* lp, float* lse, const float* logits, const int32_t* targets, int64_t M,
                                 int64_t V) {
#pragma omp parallel for schedule(static) if (M * V > kParallelWork)
  for (int64_t m = 0; m < M; ++m) {
    lse[m] = kernels().log_sum_exp(logits + m * V, V);
    lp[m] = logits[m * V + targets[m]] - lse[m];
  }
}

void CpuBackend::logprob_backward(float* logits, const float* dlp, const float* lse, const int32_t* targets, int64_t M,
                                  int64_t V) {
  with_activation_type(compute_, [&]<class T>(T) {
#pragma omp parallel for schedule(static) if (M * V > kParallelWork)
    for (int64_t m = 0; m < M; ++m) {
      float* row = logits + m * V;  // (V)
      kernels().of<T>().logprob_backward(reinterpret_cast<T*>(row), row, dlp[m], lse[m], targets[m], V);
    }
  });
}

}  // namespace spark
