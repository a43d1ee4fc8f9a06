// rmsnorm (Zhang & Sennrich 2019):  y = x · rstd ⊙ w,  rstd = 1 / √(mean(x²) + ε)
//
// With g = dy ⊙ w:  dx += rstd · (g − x · rstd² · mean(g ⊙ x)).  A block takes a row, or a warp when rows are short
// (the heads of Qwen 3).
#include "cuda/cuda_backend.h"
#include "cuda/row_part.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

constexpr int64_t kShortRow = 1024;  // values a warp takes alone

template <int V, int THREADS, int HELD>
__global__ void rmsnorm_forward_kernel(Bf16* y, float* rstd, const Bf16* x, const float* w, float epsilon, int64_t C) {
  __shared__ float shared[THREADS / kWarp];
  const int64_t row = blockIdx.x;
  x += row * C, y += row * C;
  RowPart<V, THREADS, HELD> xs;
  xs.ask(x, C);
  float squares = 0;
  each_part<V, THREADS, HELD>(C, [&](int k, int64_t c) {
    const auto values = xs.at(x, k, c);
    SPARK_UNROLL
    for (int i = 0; i < V; ++i) squares += values.at[i] * values.at[i];
  });
  squares = block_sum<THREADS>(squares, shared);
  const float scale = rsqrtf(squares / static_cast<float>(C) + epsilon);
  each_part<V, THREADS, HELD>(C, [&](int k, int64_t c) {
    auto values = xs.at(x, k, c);
    SPARK_UNROLL
    for (int i = 0; i < V; ++i) values.at[i] *= scale * w[c + i];
    values.store(y + c);
  });
  if (threadIdx.x == 0) rstd[row] = scale;
}

template <int V, int THREADS, int HELD>
__global__ void rmsnorm_backward_kernel(Bf16* dx, const Bf16* dy, const Bf16* x, const float* rstd, const float* w,
                                        int64_t C) {
  __shared__ float shared[THREADS / kWarp];
  const int64_t row = blockIdx.x;
  dx += row * C, dy += row * C, x += row * C;
  const float scale = rstd[row];
  RowPart<V, THREADS, HELD> dys, xs, sums;
  dys.ask(dy, C), xs.ask(x, C), sums.ask(dx, C);
  float dot = 0;  // Σ g x
  each_part<V, THREADS, HELD>(C, [&](int k, int64_t c) {
    const auto g = dys.at(dy, k, c), own = xs.at(x, k, c);
    SPARK_UNROLL
    for (int i = 0; i < V; ++i) dot += g.at[i] * w[c + i] * own.at[i];
  });
  dot = block_sum<THREADS>(dot, shared);
  const float back = scale * scale * dot / static_cast<float>(C);
  each_part<V, THREADS, HELD>(C, [&](int k, int64_t c) {
    const auto g = dys.at(dy, k, c), own = xs.at(x, k, c);
    auto sum = sums.at(dx, k, c);
    SPARK_UNROLL
    for (int i = 0; i < V; ++i) sum.at[i] += scale * (g.at[i] * w[c + i] - own.at[i] * back);
    sum.store(dx + c);
  });
}

// f(kernel, threads) of the kernels for rows of C values
template <int V, class ROWS, class F>
void with_rows(int64_t C, const ROWS& rows, F&& f) {
  if (C <= kShortRow) return f(rows(std::integral_constant<int, kWarp>(), std::integral_constant<int, 0>()), kWarp);
  with_held<V, kThreads>(C, [&](auto held) { f(rows(std::integral_constant<int, kThreads>(), held), kThreads); });
}

}  // namespace

void CudaBackend::rmsnorm_forward(Activation* y, float* rstd, const Activation* x, const Vector& w, float epsilon,
                                  int64_t M) {
  const int64_t C = w.size;
  with_vector(vectorizes(C, {y, x}), [&](auto v) {
    const auto kernels = [&](auto threads, auto held) { return rmsnorm_forward_kernel<v(), threads(), held()>; };
    with_rows<v()>(C, kernels, [&](auto kernel, int threads) {
      launch(kernel, dim3(static_cast<unsigned>(M)), static_cast<unsigned>(threads), 0, stream_, bf16(y), rstd, bf16(x),
             w.data, epsilon, C);
    });
  });
}

void CudaBackend::rmsnorm_backward(Activation* dx, const Activation* dy, const Activation* x, const float* rstd,
                                   const Vector& w, int64_t M) {
  const int64_t C = w.size;
  with_vector(vectorizes(C, {dx, dy, x}), [&](auto v) {
    const auto kernels = [&](auto threads, auto held) { return rmsnorm_backward_kernel<v(), threads(), held()>; };
    with_rows<v()>(C, kernels, [&](auto kernel, int threads) {
      launch(kernel, dim3(static_cast<unsigned>(M)), static_cast<unsigned>(threads), 0, stream_, bf16(dx), bf16(dy),
             bf16(x), rstd, w.data, C);
    });
  });
}

}  // namespace spark::cuda
