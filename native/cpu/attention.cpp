// Causal attention over packed sequences, tile by tile (FlashAttention: Dao 2023). Per query row i:
//   s_j = q_i · k_j / √D (j ≤ i),  lse = log Σ exp s_j,  o = Σ exp(s_j − lse) v_j
// Backward, from lse alone (no (N, N) matrix is kept):
//   p_j = exp(s_j − lse),  dv_j += p_j do,  ds_j = p_j (do · v_j − do · o),  dq = Σ ds_j k_j / √D,  dk_j += ds_j q / √D
//
// A task is one sequence and one query head (forward) or one sequence and one key/value head with its query heads
// (backward, so that dk and dv have one writer). It copies its head into rows padded with zeros to whole vectors: the
// tiles then have no remainders, and k and v can lie transposed. The copy is linear in the length, the work quadratic.
//
// The rows of a shared prefix are the first keys of every sequence, and a task of their own as queries. What each
// sequence adds to their dk and dv is summed in the order of the sequences, so that the bits are always the same.
#include <omp.h>

#include <algorithm>

#include "cpu/activation.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

static_assert(kPrefixUnit % kKeys == 0);

// Rows that a task has as queries: a sequence's own, which see those of the prefix before them, or the prefix's.
struct Rows {
  int64_t first, count, before;
  int64_t keys() const { return before + count; }
};

Rows own_rows(const Packing& packing, int64_t sequence) {
  const int64_t first = packing.cu_seqlens[sequence];
  return {first, packing.cu_seqlens[sequence + 1] - first, packing.prefix};
}

// What forward and backward have in common: one head's columns, and how keys are loaded.
struct Head {
  int64_t column, width;  // of the head's first value, and of all heads
  template <class T>
  T* of(T* x, int64_t row) const {
    return x + row * width + column;
  }
};

// Loads the keys that these rows see: load(first key, first row, how many).
template <class Load>
void load_keys(const Rows& rows, Load&& load) {
  if (rows.before > 0) load(0, 0, rows.before);
  load(rows.before, rows.first, rows.count);
}

// Upper bound of the scores' products.
int64_t work(const Packing& packing, const AttentionShape& shape) {
  return packing.tokens * packing.longest * shape.heads * shape.head_size;
}

void add_to(float* sums, const float* x, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) sums[i] += x[i];
}

}  // namespace

int64_t attention_scratch(int64_t n, int64_t D) {
  return std::max(ForwardScratch::floats(n, D), BackwardScratch::floats(n, D));
}

void CpuBackend::attention_forward(Activation* o, float* lse, const Activation* q, const Activation* k,
                                   const Activation* v, const Packing& packing, const AttentionShape& shape) {
  const int64_t H = shape.heads, K = shape.kv_heads, D = shape.head_size;
  const int64_t own = packing.prefix > 0 ? 1 : 0;  // the prefix as queries comes first: it is the longest
  // Allocated before the team starts: an exception must not leave a parallel region.
  for (int t = 0; t < threads_; ++t) scratch(t, ForwardScratch::floats(packing.longest, D));
#pragma omp parallel for schedule(dynamic) num_threads(threads_) if (work(packing, shape) > kParallelWork)
  for (int64_t task = 0; task < (own + packing.sequences) * H; ++task) {
    const int64_t sequence = task / H - own, h = task % H;
    const Rows rows = sequence < 0 ? Rows{0, packing.prefix, 0} : own_rows(packing, sequence);
    const Head query{h * D, H * D}, key{h / (H / K) * D, K * D};
    const ForwardScratch w(scratch_[static_cast<size_t>(omp_get_thread_num())].data.get(), rows.keys(), D);
    with_activation_type(compute_, [&]<class T>(T) {
      const ActivationKernels<T>& kernel = kernels().of<T>();
      load_keys(rows, [&](int64_t to, int64_t first, int64_t n) {
        kernel.attention_load_forward(w, key.of(static_cast<const T*>(k), first), key.of(static_cast<const T*>(v), first),
                                      to, n, D, key.width);
      });
      kernel.attention_forward(query.of(static_cast<T*>(o), rows.first), lse + rows.first * H + h,
                               query.of(static_cast<const T*>(q), rows.first), rows.before, rows.count, H, D,
                               query.width, w);
    });
  }
}

void CpuBackend::attention_backward(Activation* dq, Activation* dk, Activation* dv, const Activation* dout,
                                    const Activation* q, const Activation* k, const Activation* v, const Activation* o,
                                    const float* lse, const Packing& packing, const AttentionShape& shape) {
  const int64_t H = shape.heads, K = shape.kv_heads, D = shape.head_size, group = H / K, P = packing.prefix;
  for (int t = 0; t < threads_; ++t) scratch(t, BackwardScratch::floats(packing.longest, D));
  const bool parallel = work(packing, shape) > kParallelWork;
  const auto scratch_of = [&](const Rows& rows) {
    return BackwardScratch(scratch_[static_cast<size_t>(omp_get_thread_num())].data.get(), rows.keys(), D);
  };
  // dq of the rows, and in w dk and dv of the keys that they see, from them alone.
  const auto differentiate = [&]<class T>(T, const BackwardScratch& w, const Rows& rows, int64_t g) {
    const ActivationKernels<T>& kernel = kernels().of<T>();
    const Head key{g * D, K * D};
    load_keys(rows, [&](int64_t to, int64_t first, int64_t n) {
      kernel.attention_load_backward(w, key.of(static_cast<const T*>(k), first), key.of(static_cast<const T*>(v), first),
                                     to, n, D, key.width);
    });
    for (int64_t h = g * group; h < (g + 1) * group; ++h) {
      const Head query{h * D, H * D};
      kernel.attention_backward(query.of(static_cast<T*>(dq), rows.first), w,
                                query.of(static_cast<const T*>(dout), rows.first),
                                query.of(static_cast<const T*>(q), rows.first),
                                query.of(static_cast<const T*>(o), rows.first), lse + rows.first * H + h, rows.before,
                                rows.count, H, D, query.width);
    }
  };
  // dk and dv of the rows' own keys, from w.
  const auto store = [&]<class T>(T, const BackwardScratch& w, const Rows& rows, int64_t g) {
    const ActivationKernels<T>& kernel = kernels().of<T>();
    const Head key{g * D, K * D};
    const int64_t skipped = rows.before * w.width;
    kernel.attention_store(key.of(static_cast<T*>(dk), rows.first), key.width, w.dk + skipped, w.width, rows.count, D);
    kernel.attention_store(key.of(static_cast<T*>(dv), rows.first), key.width, w.dv + skipped, w.width, rows.count, D);
  };
  const int64_t half = P * padded(D);  // dk or dv of the prefix, of one key/value head
  float* sums = P > 0 ? shared_scratch(kPanelSlot, prefix_sums(P, K, D)) : nullptr;  // (K, 2, P, width)
  if (sums) std::fill_n(sums, prefix_sums(P, K, D), 0.0f);
#pragma omp parallel for ordered schedule(dynamic) num_threads(threads_) if (parallel)
  for (int64_t task = 0; task < packing.sequences * K; ++task) {
    const int64_t g = task % K;
    const Rows rows = own_rows(packing, task / K);
    const BackwardScratch w = scratch_of(rows);
    with_activation_type(compute_, [&](auto type) {
      differentiate(type, w, rows, g);
      store(type, w, rows, g);
    });
#pragma omp ordered
    if (sums) add_to(sums + 2 * g * half, w.dk, half), add_to(sums + (2 * g + 1) * half, w.dv, half);
  }
  if (!sums) return;
#pragma omp parallel for schedule(dynamic) num_threads(threads_) if (parallel)
  for (int64_t g = 0; g < K; ++g) {
    const Rows rows{0, P, 0};
    const BackwardScratch w = scratch_of(rows);
    with_activation_type(compute_, [&](auto type) {
      differentiate(type, w, rows, g);
      add_to(w.dk, sums + 2 * g * half, half), add_to(w.dv, sums + (2 * g + 1) * half, half);
      store(type, w, rows, g);
    });
  }
}

}  // namespace spark
