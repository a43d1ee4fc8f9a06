// rmsnorm (Zhang & Sennrich 2019):  y = x · rstd ⊙ w,  rstd = 1 / √(mean(x²) + ε)
//
// With g = dy ⊙ w:  dx += rstd · (g − x · rstd² · mean(g ⊙ x)).  Two passes over a row that is in cache; w is frozen.
#include <cmath>

#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

namespace {

SPARK_CLONES float forward_row(float* y, const float* x, const float* w, float epsilon, int64_t C) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t c = 0; c < C; ++c) squares += x[c] * x[c];
  const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(C) + epsilon);
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) y[c] = x[c] * rstd * w[c];
  return rstd;
}

SPARK_CLONES void backward_row(float* dx, const float* dy, const float* x, const float* w, float rstd, int64_t C) {
  float dot = 0;  // Σ g x
#pragma omp simd reduction(+ : dot)
  for (int64_t c = 0; c < C; ++c) dot += dy[c] * w[c] * x[c];
  const float back = rstd * rstd * dot / static_cast<float>(C);
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) dx[c] += rstd * (dy[c] * w[c] - x[c] * back);
}

}  // namespace

void CpuBackend::rmsnorm_forward(float* y, float* rstd, const float* x, const Vector& w, float epsilon, int64_t M) {
  const int64_t C = w.size;
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m) rstd[m] = forward_row(y + m * C, x + m * C, w.data, epsilon, C);
}

void CpuBackend::rmsnorm_backward(float* dx, const float* dy, const float* x, const float* rstd, const Vector& w,
                                  int64_t M) {
  const int64_t C = w.size;
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m) backward_row(dx + m * C, dy + m * C, x + m * C, w.data, rstd[m], C);
}

}  // namespace spark
