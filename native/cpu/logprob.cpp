// Log-prob of one target per row, and its gradient written over the logits. In bf16 the gradient takes half of their
// bytes: value j is written where logit j / 2 was, and the loop has read that one already.
//   lse = max + log Σ exp(logit − max),  lp = logit[target] − lse,  dlogit_j = dlp (1[j = target] − exp(logit_j − lse))
// The output projection around it goes by chunks of rows (model/output_head.cpp): (N, V) never exists.
#include <cmath>
#include <limits>

#include "cpu/activation.h"
#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

namespace {

SPARK_CLONES float log_sum_exp(const float* logits, int64_t V) {
  float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
  for (int64_t j = 0; j < V; ++j) largest = logits[j] > largest ? logits[j] : largest;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < V; ++j) sum += exp_fast(logits[j] - largest);
  return largest + std::log(sum);
}

// gradient (V) begins where logits (V) do.
template <class T>
SPARK_CLONES void backward_row(T* gradient, const float* logits, float dlp, float lse, int64_t target, int64_t V) {
  const float own = -dlp * exp_fast(logits[target] - lse) + dlp;
#pragma omp simd
  for (int64_t j = 0; j < V; ++j) gradient[j] = narrow<T>(-dlp * exp_fast(logits[j] - lse));
  gradient[target] = narrow<T>(own);
}

}  // namespace

void CpuBackend::logprob_forward(float* lp, float* lse, const float* logits, const int32_t* targets, int64_t M,
                                 int64_t V) {
#pragma omp parallel for schedule(static) if (M * V > kParallelWork)
  for (int64_t m = 0; m < M; ++m) {
    lse[m] = log_sum_exp(logits + m * V, V);
    lp[m] = logits[m * V + targets[m]] - lse[m];
  }
}

void CpuBackend::logprob_backward(float* logits, const float* dlp, const float* lse, const int32_t* targets, int64_t M,
                                  int64_t V) {
  with_activation_type(compute_, [&]<class T>(T) {
#pragma omp parallel for schedule(static) if (M * V > kParallelWork)
    for (int64_t m = 0; m < M; ++m) {
      float* row = logits + m * V;  // (V)
      backward_row(reinterpret_cast<T*>(row), row, dlp[m], lse[m], targets[m], V);
    }
  });
}

}  // namespace spark
