// Log-probs of a few tokens among themselves, and the gradient of a cross-entropy over them. A choice g is read at one
// row x_g and has alternatives j, each with its row w_j of the output projection:
//   logit_j = x_g · w_j,  lp_j = logit_j − log Σ_i exp logit_i,  i over the alternatives of g
//   L = −Σ_j target_j lp_j,  dx_g = Σ_j (exp(lp_j) Σ_i target_i − target_j) w_j
// No other logit of the vocabulary is computed.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/activation.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

constexpr int64_t kBlock = 256;  // columns whose sums stay in the first cache

// lp (K) from x (C) and w (K, C)
template <class T>
void forward(float* lp, const T* x, const T* w, int64_t K, int64_t C) {
  float largest = -std::numeric_limits<float>::infinity(), sum = 0;
  for (int64_t j = 0; j < K; ++j) {
    lp[j] = kernels().of<T>().dot(x, w + j * C, C);
    largest = std::max(largest, lp[j]);
  }
  for (int64_t j = 0; j < K; ++j) sum += std::exp(lp[j] - largest);
  for (int64_t j = 0; j < K; ++j) lp[j] = lp[j] - largest - std::log(sum);
}

// dx (C) from lp (K), target (K) and w (K, C)
template <class T>
void backward(T* dx, const float* lp, const float* target, const T* w, int64_t K, int64_t C) {
  float total = 0;
  for (int64_t j = 0; j < K; ++j) total += target[j];
  for (int64_t first = 0; first < C; first += kBlock) {
    const int64_t count = std::min(kBlock, C - first);
    float sums[kBlock] = {};
    for (int64_t j = 0; j < K; ++j) {
      kernels().of<T>().add_scaled(sums, w + j * C + first, std::exp(lp[j]) * total - target[j], count);
    }
    for (int64_t c = 0; c < count; ++c) dx[first + c] = narrow<T>(sums[c]);
  }
}

}  // namespace

void CpuBackend::choice_forward(float* lp, const Activation* x, const Activation* w, const int32_t* offsets, int64_t G,
                                int64_t C) {
  with_activation_type(compute_, [&]<class T>(T) {
#pragma omp parallel for schedule(static) if ((offsets[G] - offsets[0]) * C > kParallelWork)
    for (int64_t g = 0; g < G; ++g) {
      const int64_t first = offsets[g] - offsets[0], K = offsets[g + 1] - offsets[g];
      forward(lp + first, static_cast<const T*>(x) + g * C, static_cast<const T*>(w) + first * C, K, C);
    }
  });
}

void CpuBackend::choice_backward(Activation* dx, const float* lp, const float* target, const Activation* w,
                                 const int32_t* offsets, int64_t G, int64_t C) {
  with_activation_type(compute_, [&]<class T>(T) {
#pragma omp parallel for schedule(static) if ((offsets[G] - offsets[0]) * C > kParallelWork)
    for (int64_t g = 0; g < G; ++g) {
      const int64_t first = offsets[g] - offsets[0], K = offsets[g + 1] - offsets[g];
      const T* own = static_cast<const T*>(w) + first * C;  // (K, C)
      backward(static_cast<T*>(dx) + g * C, lp + first, target + first, own, K, C);
    }
  });
}

}  // namespace spark
