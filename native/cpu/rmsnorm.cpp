// rmsnorm (Zhang & Sennrich 2019):  y = x · rstd ⊙ w,  rstd = 1 / √(mean(x²) + ε)
//
// With g = dy ⊙ w:  dx += rstd · (g − x · rstd² · mean(g ⊙ x)).  The second pass over a row finds it in cache. w is
// frozen, so it gets no gradient.
#include <cmath>

#include "cpu/activation.h"
#include "cpu/cpu_backend.h"

namespace spark {

namespace {

template <class T>
SPARK_CLONES float forward_row(T* y, const T* x, const float* w, float epsilon, int64_t C) {
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t c = 0; c < C; ++c) squares += widen(x[c]) * widen(x[c]);
  const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(C) + epsilon);
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) y[c] = narrow<T>(widen(x[c]) * rstd * w[c]);
  return rstd;
}

template <class T>
SPARK_CLONES void backward_row(T* dx, const T* dy, const T* x, const float* w, float rstd, int64_t C) {
  float dot = 0;  // Σ g x
#pragma omp simd reduction(+ : dot)
  for (int64_t c = 0; c < C; ++c) dot += widen(dy[c]) * w[c] * widen(x[c]);
  const float back = rstd * rstd * dot / static_cast<float>(C);
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    dx[c] = narrow<T>(widen(dx[c]) + rstd * (widen(dy[c]) * w[c] - widen(x[c]) * back));
  }
}

template <class T>
void forward(T* y, float* rstd, const T* x, const Vector& w, float epsilon, int64_t M) {
  const int64_t C = w.size;
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m) rstd[m] = forward_row(y + m * C, x + m * C, w.data, epsilon, C);
}

template <class T>
void backward(T* dx, const T* dy, const T* x, const float* rstd, const Vector& w, int64_t M) {
  const int64_t C = w.size;
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m) backward_row(dx + m * C, dy + m * C, x + m * C, w.data, rstd[m], C);
}

}  // namespace

void CpuBackend::rmsnorm_forward(Activation* y, float* rstd, const Activation* x, const Vector& w, float epsilon,
                                 int64_t M) {
  with_activation_type(compute_,
                       [&]<class T>(T) { forward(static_cast<T*>(y), rstd, static_cast<const T*>(x), w, epsilon, M); });
}

void CpuBackend::rmsnorm_backward(Activation* dx, const Activation* dy, const Activation* x, const float* rstd,
                                  const Vector& w, int64_t M) {
  with_activation_type(compute_, [&]<class T>(T) {
    backward(static_cast<T*>(dx), static_cast<const T*>(dy), static_cast<const T*>(x), rstd, w, M);
  });
}

}  // namespace spark
