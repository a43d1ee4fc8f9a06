// Causal attention over packed sequences, tile by tile (FlashAttention: Dao 2023). Per query row i:
//   s_j = q_i · k_j / √D (j ≤ i),  lse = log Σ exp s_j,  o = Σ exp(s_j − lse) v_j
// Backward, from lse alone (no (N, N) matrix is kept):
//   p_j = exp(s_j − lse),  dv_j += p_j do,  ds_j = p_j (do · v_j − do · o),  dq = Σ ds_j k_j / √D,  dk_j += ds_j q / √D
//
// A task is one sequence and one query head (forward) or one sequence and one key/value head with its query heads
// (backward, so that dk and dv have one writer). It copies its head into rows padded with zeros to whole vectors: the
// tiles then have no remainders, and k and v can lie transposed. The copy is linear in the length, the work quadratic.
#include <omp.h>

#include <algorithm>

#include "cpu/activation.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

// Upper bound of the scores' products.
int64_t work(const Packing& packing, const AttentionShape& shape) {
  return packing.tokens * packing.longest * shape.heads * shape.head_size;
}

}  // namespace

int64_t attention_scratch(int64_t n, int64_t D) {
  return std::max(ForwardScratch::floats(n, D), BackwardScratch::floats(n, D));
}

void CpuBackend::attention_forward(Activation* o, float* lse, const Activation* q, const Activation* k,
                                   const Activation* v, const Packing& packing, const AttentionShape& shape) {
  const int64_t H = shape.heads, K = shape.kv_heads, D = shape.head_size, tasks = packing.sequences * H;
  const AttentionStrides stride{H * D, K * D};
  // Allocated before the team starts: an exception must not leave a parallel region.
  for (int t = 0; t < threads_; ++t) scratch(t, ForwardScratch::floats(packing.longest, D));
#pragma omp parallel for schedule(dynamic) num_threads(threads_) if (work(packing, shape) > kParallelWork)
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t sequence = task / H, h = task % H, g = h / (H / K);
    const int64_t first = packing.cu_seqlens[sequence], n = packing.cu_seqlens[sequence + 1] - first;
    const int64_t query = first * stride.q + h * D, key = first * stride.kv + g * D;
    const ForwardScratch w(scratch_[static_cast<size_t>(omp_get_thread_num())].data.get(), n, D);
    with_activation_type(compute_, [&]<class T>(T) {
      kernels().of<T>().attention_forward(static_cast<T*>(o) + query, lse + first * H + h,
                                          static_cast<const T*>(q) + query, static_cast<const T*>(k) + key,
                                          static_cast<const T*>(v) + key, n, H, D, stride, w);
    });
  }
}

void CpuBackend::attention_backward(Activation* dq, Activation* dk, Activation* dv, const Activation* dout,
                                    const Activation* q, const Activation* k, const Activation* v, const Activation* o,
                                    const float* lse, const Packing& packing, const AttentionShape& shape) {
  const int64_t H = shape.heads, K = shape.kv_heads, D = shape.head_size, group = H / K;
  const AttentionStrides stride{H * D, K * D};
  for (int t = 0; t < threads_; ++t) scratch(t, BackwardScratch::floats(packing.longest, D));
#pragma omp parallel for schedule(dynamic) num_threads(threads_) if (work(packing, shape) > kParallelWork)
  for (int64_t task = 0; task < packing.sequences * K; ++task) {
    const int64_t sequence = task / K, g = task % K;
    const int64_t first = packing.cu_seqlens[sequence], n = packing.cu_seqlens[sequence + 1] - first;
    const int64_t key = first * stride.kv + g * D;
    const BackwardScratch w(scratch_[static_cast<size_t>(omp_get_thread_num())].data.get(), n, D);
    with_activation_type(compute_, [&]<class T>(T) {
      const ActivationKernels<T>& kernel = kernels().of<T>();
      kernel.attention_load_backward(w, static_cast<const T*>(k) + key, static_cast<const T*>(v) + key, n, D,
                                     stride.kv);
      for (int64_t h = g * group; h < (g + 1) * group; ++h) {
        const int64_t query = first * stride.q + h * D;
        kernel.attention_backward(static_cast<T*>(dq) + query, w, static_cast<const T*>(dout) + query,
                                  static_cast<const T*>(q) + query, static_cast<const T*>(o) + query,
                                  lse + first * H + h, n, H, D, stride.q);
      }
      kernel.attention_store(static_cast<T*>(dk) + key, stride.kv, w.dk, w.width, n, D);
      kernel.attention_store(static_cast<T*>(dv) + key, stride.kv, w.dv, w.width, n, D);
    });
  }
}

}  // namespace spark
