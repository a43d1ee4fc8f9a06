// Log-prob of one target per row, and its gradient written over the logits.
//   lse = max + log Σ exp(logit − max),  lp = logit[target] − lse,  dlogit_j = dlp (1[j = target] − exp(logit_j − lse))
// The forward pass reads a row once: each thread keeps a running maximum and rescales its sum when the maximum grows.
// Both are a matter of memory: 16 bytes an access, or too few bytes would be on their way.
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"

namespace spark::cuda {

namespace {

constexpr int kRowThreads = 512;
constexpr int kRowWarps = kRowThreads / kWarp;

// W neighbouring logits: one access of 16 bytes, or a value.
template <int W>
struct Logits {
  float at[W];

  __device__ static Logits load(const float* from) {
    Logits own;
    if constexpr (W == 4) {
      const float4 all = *reinterpret_cast<const float4*>(from);
      own.at[0] = all.x, own.at[1] = all.y, own.at[2] = all.z, own.at[3] = all.w;
    } else {
      own.at[0] = *from;
    }
    return own;
  }
  __device__ float largest() const {
    float top = at[0];
    SPARK_UNROLL
    for (int i = 1; i < W; ++i) top = fmaxf(top, at[i]);
    return top;
  }
};

template <int W>
__global__ void logprob_forward_kernel(float* lp, float* lse, const float* logits, const int32_t* targets, int64_t V) {
  __shared__ float tops[kRowWarps], shared[kRowWarps];
  const float* row = logits + blockIdx.x * V;
  float top = -INFINITY, sum = 0;
  for (int64_t j = int64_t{threadIdx.x} * W; j < V; j += kRowThreads * W) {
    const auto own = Logits<W>::load(row + j);
    const float largest = own.largest();
    if (largest > top) {
      sum *= __expf(top - largest);
      top = largest;
    }
    SPARK_UNROLL
    for (int i = 0; i < W; ++i) sum += __expf(own.at[i] - top);
  }
  const float warp_top = warp_max(top);
  if (threadIdx.x % kWarp == 0) tops[threadIdx.x / kWarp] = warp_top;
  __syncthreads();
  float largest = tops[0];
  SPARK_UNROLL
  for (int i = 1; i < kRowWarps; ++i) largest = fmaxf(largest, tops[i]);
  // A thread that saw nothing has −∞ and a sum of 0. NaN slips past the comparisons above, but not through the sum.
  sum = block_sum<kRowThreads>(sum == 0 ? 0.0f : sum * __expf(top - largest), shared);
  if (threadIdx.x > 0) return;
  const float own = largest + logf(sum);
  lse[blockIdx.x] = own;
  lp[blockIdx.x] = row[targets[blockIdx.x]] - own;
}

// The gradient in bf16 takes the first half of its row's bytes: what a round of the block writes over was read in this
// round, before the barrier, or in earlier ones.
template <int W>
__global__ void logprob_backward_kernel(float* logits, const float* dlp, const float* lse, const int32_t* targets,
                                        int64_t V) {
  const float* row = logits + blockIdx.x * V;
  Bf16* gradient = reinterpret_cast<Bf16*>(logits + blockIdx.x * V);
  const float slope = dlp[blockIdx.x], own = lse[blockIdx.x];
  const int64_t target = targets[blockIdx.x];
  for (int64_t first = 0; first < V; first += kRowThreads * W) {
    const int64_t j = first + int64_t{threadIdx.x} * W;
    Values<W> values;
    if (j < V) {
      const auto read = Logits<W>::load(row + j);
      SPARK_UNROLL
      for (int i = 0; i < W; ++i) {
        values.at[i] = -slope * __expf(read.at[i] - own) + (j + i == target ? slope : 0.0f);
      }
    }
    __syncthreads();
    if (j < V) values.store(gradient + j);
  }
}

// f(std::integral_constant<int, W>) for rows of V logits
template <class F>
void with_logits(const float* logits, int64_t V, F&& f) {
  if (V % 4 == 0 && reinterpret_cast<uintptr_t>(logits) % 16 == 0) {
    f(std::integral_constant<int, 4>());
  } else {
    f(std::integral_constant<int, 1>());
  }
}

}  // namespace

void CudaBackend::logprob_forward(float* lp, float* lse, const float* logits, const int32_t* targets, int64_t M,
                                  int64_t V) {
  with_logits(logits, V, [&](auto w) {
    launch(logprob_forward_kernel<w()>, dim3(static_cast<unsigned>(M)), kRowThreads, 0, stream_, lp, lse, logits,
           targets, V);
  });
}

void CudaBackend::logprob_backward(float* logits, const float* dlp, const float* lse, const int32_t* targets, int64_t M,
                                   int64_t V) {
  with_logits(logits, V, [&](auto w) {
    launch(logprob_backward_kernel<w()>, dim3(static_cast<unsigned>(M)), kRowThreads, 0, stream_, logits, dlp, lse,
           targets, V);
  });
}

}  // namespace spark::cuda
