// swiglu (Shazeer 2020):  y = silu(g) ⊙ u,  silu(g) = g σ(g)
//   du = dy · g σ,   dg = dy · u · σ (1 + g (1 − σ))
#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

namespace {

constexpr int64_t kBlock = 4096;  // one task: gate, up and result together fit a core's first cache

SPARK_CLONES void forward_block(float* y, const float* gate, const float* up, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = gate[i] / (1.0f + exp_fast(-gate[i])) * up[i];
}

SPARK_CLONES void backward_block(float* dgate, float* dup, const float* dy, const float* gate, const float* up,
                                 int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = gate[i], u = up[i], d = dy[i];
    const float sigmoid = 1.0f / (1.0f + exp_fast(-g));
    dup[i] = d * g * sigmoid;
    dgate[i] = d * u * sigmoid * (1.0f + g * (1.0f - sigmoid));
  }
}

}  // namespace

void CpuBackend::swiglu_forward(float* y, const float* gate, const float* up, int64_t count) {
#pragma omp parallel for schedule(static) if (count > kParallelWork)
  for (int64_t i = 0; i < count; i += kBlock) {
    forward_block(y + i, gate + i, up + i, count - i < kBlock ? count - i : kBlock);
  }
}

void CpuBackend::swiglu_backward(float* dgate, float* dup, const float* dy, const float* gate, const float* up,
                                 int64_t count) {
#pragma omp parallel for schedule(static) if (count > kParallelWork)
  for (int64_t i = 0; i < count; i += kBlock) {
    backward_block(dgate + i, dup + i, dy + i, gate + i, up + i, count - i < kBlock ? count - i : kBlock);
  }
}

}  // namespace spark
