// swiglu (Shazeer 2020):  y = silu(g) ⊙ u,  silu(g) = g σ(g)
//   du = dy · g σ,   dg = dy · u · σ (1 + g (1 − σ))
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

template <int V>
__global__ void swiglu_forward_kernel(Bf16* y, const Bf16* gate, const Bf16* up, int64_t count) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * V;
  if (i >= count) return;
  const auto g = Values<V>::load(gate + i), u = Values<V>::load(up + i);
  Values<V> out;
  SPARK_UNROLL
  for (int j = 0; j < V; ++j) out.at[j] = g.at[j] * sigmoid(g.at[j]) * u.at[j];
  out.store(y + i);
}

// dgate and dup may be gate and up: each thread reads its values before it writes them.
template <int V>
__global__ void swiglu_backward_kernel(Bf16* dgate, Bf16* dup, const Bf16* dy, const Bf16* gate, const Bf16* up,
                                       int64_t count) {
  const int64_t i = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * V;
  if (i >= count) return;
  const auto g = Values<V>::load(gate + i), u = Values<V>::load(up + i), d = Values<V>::load(dy + i);
  Values<V> dg, du;
  SPARK_UNROLL
  for (int j = 0; j < V; ++j) {
    const float s = sigmoid(g.at[j]);
    du.at[j] = d.at[j] * g.at[j] * s;
    dg.at[j] = d.at[j] * u.at[j] * s * (1.0f + g.at[j] * (1.0f - s));
  }
  dg.store(dgate + i);
  du.store(dup + i);
}

}  // namespace

void CudaBackend::swiglu_forward(Activation* y, const Activation* gate, const Activation* up, int64_t count) {
  with_vector(vectorizes(count, {y, gate, up}), [&](auto v) {
    launch(swiglu_forward_kernel<v()>, dim3(blocks_for(count, kThreads * v())), kThreads, 0, stream_, bf16(y),
           bf16(gate), bf16(up), count);
  });
}

void CudaBackend::swiglu_backward(Activation* dgate, Activation* dup, const Activation* dy, const Activation* gate,
                                  const Activation* up, int64_t count) {
  with_vector(vectorizes(count, {dgate, dup, dy, gate, up}), [&](auto v) {
    launch(swiglu_backward_kernel<v()>, dim3(blocks_for(count, kThreads * v())), kThreads, 0, stream_, bf16(dgate),
           bf16(dup), bf16(dy), bf16(gate), bf16(up), count);
  });
}

}  // namespace spark::cuda
