// rmsnorm (Zhang & Sennrich 2019):  y = x · rstd ⊙ w,  rstd = 1 / √(mean(x²) + ε)
//
// With g = dy ⊙ w:  dx += rstd · (g − x · rstd² · mean(g ⊙ x)).  The second pass over a row finds it in cache. w is
// frozen, so it gets no gradient.
#include "cpu/activation.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

template <class T>
void forward(T* y, float* rstd, const T* x, const Vector& w, float epsilon, int64_t M) {
  const int64_t C = w.size;
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m) rstd[m] = kernels().of<T>().rmsnorm_forward(y + m * C, x + m * C, w.data, epsilon, C);
}

template <class T>
void backward(T* dx, const T* dy, const T* x, const float* rstd, const Vector& w, int64_t M) {
  const int64_t C = w.size;
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m)
    kernels().of<T>().rmsnorm_backward(dx + m * C, dy + m * C, x + m * C, w.data, rstd[m], C);
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
