// rmsnorm (Zhang & Sennrich 2019):  y = x · rstd ⊙ w,  rstd = 1 / √(mean(x²) + ε)
//
// With g = dy ⊙ w:  dx += rstd · (g − x · rstd² · mean(g ⊙ x)).  A block takes a row, or a warp when rows are short
// (the heads of Qwen 3). The second pass over the row reads it from the first-level cache.
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kShortRow = 1024;  // values a warp takes alone

template <int V, int THREADS>
__global__ void forward(Bf16* y, float* rstd, const Bf16* x, const float* w, float epsilon, int64_t C) {
  __shared__ float shared[THREADS / kWarp];
  const int64_t row = blockIdx.x;
  x += row * C, y += row * C;
  float squares = 0;
  for (int64_t c = int64_t{threadIdx.x} * V; c < C; c += THREADS * V) {
    const auto values = Values<V>::load(x + c);
    SPARK_UNROLL
    for (int i = 0; i < V; ++i) squares += values.at[i] * values.at[i];
  }
  squares = block_sum<THREADS>(squares, shared);
  const float scale = rsqrtf(squares / static_cast<float>(C) + epsilon);
  for (int64_t c = int64_t{threadIdx.x} * V; c < C; c += THREADS * V) {
    auto values = Values<V>::load(x + c);
    SPARK_UNROLL
    for (int i = 0; i < V; ++i) values.at[i] *= scale * w[c + i];
    values.store(y + c);
  }
  if (threadIdx.x == 0) rstd[row] = scale;
}

template <int V, int THREADS>
__global__ void backward(Bf16* dx, const Bf16* dy, const Bf16* x, const float* rstd, const float* w, int64_t C) {
  __shared__ float shared[THREADS / kWarp];
  const int64_t row = blockIdx.x;
  dx += row * C, dy += row * C, x += row * C;
  float dot = 0;  // Σ g x
  for (int64_t c = int64_t{threadIdx.x} * V; c < C; c += THREADS * V) {
    const auto dys = Values<V>::load(dy + c), xs = Values<V>::load(x + c);
    SPARK_UNROLL
    for (int i = 0; i < V; ++i) dot += dys.at[i] * w[c + i] * xs.at[i];
  }
  dot = block_sum<THREADS>(dot, shared);
  const float scale = rstd[row], back = scale * scale * dot / static_cast<float>(C);
  for (int64_t c = int64_t{threadIdx.x} * V; c < C; c += THREADS * V) {
    const auto dys = Values<V>::load(dy + c), xs = Values<V>::load(x + c);
    auto sums = Values<V>::load(dx + c);
    SPARK_UNROLL
    for (int i = 0; i < V; ++i) sums.at[i] += scale * (dys.at[i] * w[c + i] - xs.at[i] * back);
    sums.store(dx + c);
  }
}

}  // namespace

void CudaBackend::rmsnorm_forward(Activation* y, float* rstd, const Activation* x, const Vector& w, float epsilon,
                                  int64_t M) {
  const int64_t C = w.size;
  with_vector(vectorizes(C, {y, x}), [&](auto v) {
    const auto run = [&](auto kernel, int threads) {
      launch(kernel, dim3(static_cast<unsigned>(M)), static_cast<unsigned>(threads), 0, stream_, bf16(y), rstd, bf16(x),
             w.data, epsilon, C);
    };
    C <= kShortRow ? run(forward<v(), kWarp>, kWarp) : run(forward<v(), kThreads>, kThreads);
  });
}

void CudaBackend::rmsnorm_backward(Activation* dx, const Activation* dy, const Activation* x, const float* rstd,
                                   const Vector& w, int64_t M) {
  const int64_t C = w.size;
  with_vector(vectorizes(C, {dx, dy, x}), [&](auto v) {
    const auto run = [&](auto kernel, int threads) {
      launch(kernel, dim3(static_cast<unsigned>(M)), static_cast<unsigned>(threads), 0, stream_, bf16(dx), bf16(dy),
             bf16(x), rstd, w.data, C);
    };
    C <= kShortRow ? run(backward<v(), kWarp>, kWarp) : run(backward<v(), kThreads>, kThreads);
  });
}

}  // namespace spark::cuda
