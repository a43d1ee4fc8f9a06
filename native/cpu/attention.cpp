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
#include <type_traits>

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

// The columns of one head in rows of all of them.
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

// Sums of dk or dv of one head of the prefix over the sequences: (P, D) with `stride` between rows, in fp32.
struct PrefixSums {
  float* at;
  int64_t stride, P, D;
  // sums += x (P, width), and x += sums
  void take(const float* x, int64_t width) const {
    each(x, width, [](float& sum, const float& value) { sum += value; });
  }
  void give(float* x, int64_t width) const {
    each(x, width, [](float& sum, float& value) { value += sum; });
  }

 private:
  template <class T, class F>
  void each(T* x, int64_t width, F&& f) const {
    for (int64_t i = 0; i < P; ++i) {
#pragma omp simd
      for (int64_t d = 0; d < D; ++d) f(at[i * stride + d], x[i * width + d]);
    }
  }
};

// The backward pass of one key/value head, with its query heads, over the rows of one task.
template <class T>
struct HeadBackward {
  T *dq, *dk, *dv;
  const T *dout, *q, *k, *v, *o;
  const float* lse;
  int64_t H, K, D;
  const ActivationKernels<T>& kernel;

  // dq of the rows; in w, dk and dv of the keys that they see, from these rows alone.
  void run(const BackwardScratch& w, const Rows& rows, int64_t g) const {
    const Head key{g * D, K * D};
    load_keys(rows, [&](int64_t to, int64_t first, int64_t n) {
      kernel.attention_load_backward(w, key.of(k, first), key.of(v, first), to, n, D, key.width);
    });
    for (int64_t h = g * (H / K); h < (g + 1) * (H / K); ++h) {
      const Head query{h * D, H * D};
      kernel.attention_backward(query.of(dq, rows.first), w, query.of(dout, rows.first), query.of(q, rows.first),
                                query.of(o, rows.first), lse + rows.first * H + h, rows.before, rows.count, H, D,
                                query.width);
    }
  }
  // dk and dv of the rows' own keys, from w.
  void store(const BackwardScratch& w, const Rows& rows, int64_t g) const {
    const Head key{g * D, K * D};
    const int64_t skipped = rows.before * w.width;
    kernel.attention_store(key.of(dk, rows.first), key.width, w.dk + skipped, w.width, rows.count, D);
    kernel.attention_store(key.of(dv, rows.first), key.width, w.dv + skipped, w.width, rows.count, D);
  }
};

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
        kernel.attention_load_forward(w, key.of(static_cast<const T*>(k), first),
                                      key.of(static_cast<const T*>(v), first), to, n, D, key.width);
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
  const int64_t H = shape.heads, K = shape.kv_heads, D = shape.head_size, P = packing.prefix;
  for (int t = 0; t < threads_; ++t) scratch(t, BackwardScratch::floats(packing.longest, D));
  const auto scratch_of = [&](const Rows& rows) {
    return BackwardScratch(scratch_[static_cast<size_t>(omp_get_thread_num())].data.get(), rows.keys(), D);
  };
  with_activation_type(compute_, [&]<class T>(T) {
    const auto in = [](const Activation* x) { return static_cast<const T*>(x); };
    const auto out = [](Activation* x) { return static_cast<T*>(x); };
    const HeadBackward<T> head{out(dq), out(dk), out(dv), in(dout),         in(q), in(k), in(v), in(o), lse,
                               H,       K,       D,       kernels().of<T>()};
    // The prefix's rows of dk and dv take the sums themselves where they are fp32.
    float *dk_sums, *dv_sums;  // (P, K, D)
    if constexpr (std::is_same_v<T, float>) {
      dk_sums = head.dk, dv_sums = head.dv;
    } else {
      dk_sums = shared_scratch(kPanelSlot, 2 * P * K * D), dv_sums = dk_sums + P * K * D;
    }
    std::fill_n(dk_sums, P * K * D, 0.0f), std::fill_n(dv_sums, P * K * D, 0.0f);
    const auto sums_of = [&](float* all, int64_t g) { return PrefixSums{all + g * D, K * D, P, D}; };
    const bool parallel = work(packing, shape) > kParallelWork;
#pragma omp parallel for ordered schedule(dynamic) num_threads(threads_) if (parallel)
    for (int64_t task = 0; task < packing.sequences * K; ++task) {
      const int64_t g = task % K;
      const Rows rows = own_rows(packing, task / K);
      const BackwardScratch w = scratch_of(rows);
      head.run(w, rows, g);
      head.store(w, rows, g);
#pragma omp ordered
      sums_of(dk_sums, g).take(w.dk, w.width), sums_of(dv_sums, g).take(w.dv, w.width);
    }
    if (P == 0) return;
#pragma omp parallel for schedule(dynamic) num_threads(threads_) if (parallel)
    for (int64_t g = 0; g < K; ++g) {
      const Rows rows{0, P, 0};
      const BackwardScratch w = scratch_of(rows);
      head.run(w, rows, g);
      sums_of(dk_sums, g).give(w.dk, w.width), sums_of(dv_sums, g).give(w.dv, w.width);
      head.store(w, rows, g);
    }
  });
}

}  // namespace spark
