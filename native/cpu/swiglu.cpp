// swiglu (Shazeer 2020):  y = silu(g) ⊙ u,  silu(g) = g σ(g)
//   du = dy · g σ,   dg = dy · u · σ (1 + g (1 − σ))
#include <algorithm>

#include "cpu/activation.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

constexpr int64_t kBlock = 4096;  // one task: gate, up and result together fit a core's first cache

template <class T>
void forward(T* y, const T* gate, const T* up, int64_t count) {
#pragma omp parallel for schedule(static) if (count > kParallelWork)
  for (int64_t i = 0; i < count; i += kBlock)
    kernels().of<T>().swiglu_forward(y + i, gate + i, up + i, std::min(kBlock, count - i));
}

template <class T>
void backward(T* dgate, T* dup, const T* dy, const T* gate, const T* up, int64_t count) {
#pragma omp parallel for schedule(static) if (count > kParallelWork)
  for (int64_t i = 0; i < count; i += kBlock) {
    kernels().of<T>().swiglu_backward(dgate + i, dup + i, dy + i, gate + i, up + i, std::min(kBlock, count - i));
  }
}

}  // namespace

void CpuBackend::swiglu_forward(Activation* y, const Activation* gate, const Activation* up, int64_t count) {
  with_activation_type(compute_, [&]<class T>(T) {
    forward(static_cast<T*>(y), static_cast<const T*>(gate), static_cast<const T*>(up), count);
  });
}

void CpuBackend::swiglu_backward(Activation* dgate, Activation* dup, const Activation* dy, const Activation* gate,
                                 const Activation* up, int64_t count) {
  with_activation_type(compute_, [&]<class T>(T) {
    backward(static_cast<T*>(dgate), static_cast<T*>(dup), static_cast<const T*>(dy), static_cast<const T*>(gate),
             static_cast<const T*>(up), count);
  });
}

}  // namespace spark
