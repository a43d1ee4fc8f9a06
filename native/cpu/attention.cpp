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
#include <cmath>
#include <limits>
#include <string>

#include "cpu/activation.h"
#include "cpu/cpu_backend.h"

namespace spark {

namespace {

constexpr int64_t kQueries = 32;  // rows of a tile of scores
constexpr int64_t kKeys = 64;     // columns; 8 KiB of scores, with its q, k and v blocks inside the first cache
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// to (rows, width) = scale · from (rows, D) with `stride` between rows; columns D..width are zero
template <class T>
SPARK_INLINE void load_rows(float* to, int64_t width, const T* from, int64_t stride, int64_t rows, int64_t D,
                            float scale) {
  for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (int64_t d = 0; d < D; ++d) to[i * width + d] = scale * widen(from[i * stride + d]);
    for (int64_t d = D; d < width; ++d) to[i * width + d] = 0;
  }
}

// to (D, width) = fromᵀ; columns rows..width are zero. A vector's worth of rows at a time: their cache lines are then
// read once, not once for every d.
template <class T>
SPARK_INLINE void load_transposed(float* to, int64_t width, const T* from, int64_t stride, int64_t rows, int64_t D) {
  for (int64_t i0 = 0; i0 < width; i0 += kLanes) {
    const int64_t here = std::clamp<int64_t>(rows - i0, 0, kLanes);
    for (int64_t d = 0; d < D; ++d) {
      for (int64_t i = 0; i < here; ++i) to[d * width + i0 + i] = widen(from[(i0 + i) * stride + d]);
      for (int64_t i = here; i < kLanes; ++i) to[d * width + i0 + i] = 0;
    }
  }
}

SPARK_INLINE void zero(float* x, int64_t count) { std::memset(x, 0, static_cast<size_t>(count) * sizeof(float)); }

// One row of a tile of scores becomes exp(s − new maximum), columns past `visible` become 0. Returns the row's factor
// for what was summed before.
SPARK_INLINE float online_softmax_row(float* s, int64_t width, int64_t visible, float& largest, float& sum) {
  for (int64_t j = visible; j < width; ++j) s[j] = kMinusInfinity;
  float top = largest;
#pragma omp simd reduction(max : top)
  for (int64_t j = 0; j < width; ++j) top = s[j] > top ? s[j] : top;
  float added = 0;
#pragma omp simd reduction(+ : added)
  for (int64_t j = 0; j < width; ++j) {
    s[j] = exp_fast(s[j] - top);
    added += s[j];
  }
  const float factor = exp_fast(largest - top);
  largest = top;
  sum = sum * factor + added;
  return factor;
}

struct Strides {
  int64_t q, kv;  // values between tokens: H D and K D
};

int64_t forward_scratch(int64_t n, int64_t D) {
  const int64_t width = pad_lanes(D), length = pad_lanes(n);
  return D * length + n * width + 2 * kQueries * width + kQueries * kKeys;
}

// All pointers at the head's column of the sequence's first token; lse steps by H.
template <class T>
SPARK_CLONES void forward_head(T* o, float* lse, const T* q, const T* k, const T* v, int64_t n, int64_t H, int64_t D,
                               Strides stride, float* scratch) {
  const int64_t width = pad_lanes(D), length = pad_lanes(n);
  float* kt = scratch;                // (D, length)
  float* vs = kt + D * length;        // (n, width)
  float* qs = vs + n * width;         // (kQueries, width)
  float* os = qs + kQueries * width;  // (kQueries, width)
  float* s = os + kQueries * width;   // (kQueries, kKeys)
  load_transposed(kt, length, k, stride.kv, n, D);
  load_rows(vs, width, v, stride.kv, n, D, 1.0f);
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));

  for (int64_t i0 = 0; i0 < n; i0 += kQueries) {
    const int64_t rows = std::min(kQueries, n - i0);
    float largest[kQueries], sum[kQueries];
    std::fill_n(largest, kQueries, kMinusInfinity);
    std::fill_n(sum, kQueries, 0.0f);
    load_rows(qs, width, q + i0 * stride.q, stride.q, rows, D, scale);
    zero(os, kQueries * width);
    for (int64_t j0 = 0; j0 < i0 + rows; j0 += kKeys) {
      const int64_t keys = std::min({kKeys, n - j0, i0 + rows - j0}), columns = pad_lanes(keys);
      zero(s, kQueries * kKeys);
      tile_product(s, kKeys, qs, width, 1, kt + j0, length, rows, columns, D);
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t visible = std::clamp<int64_t>(i0 + i - j0 + 1, 0, keys);
        if (visible == 0) {
          zero(s + i * kKeys, columns);
          continue;
        }
        const float factor = online_softmax_row(s + i * kKeys, columns, visible, largest[i], sum[i]);
#pragma omp simd
        for (int64_t d = 0; d < width; ++d) os[i * width + d] *= factor;
      }
      tile_product(os, width, s, kKeys, 1, vs + j0 * width, width, rows, width, keys);
    }
    for (int64_t i = 0; i < rows; ++i) {
      const float inverse = 1.0f / sum[i];
      for (int64_t d = 0; d < D; ++d) o[(i0 + i) * stride.q + d] = narrow<T>(os[i * width + d] * inverse);
      lse[(i0 + i) * H] = largest[i] + std::log(sum[i]);
    }
  }
}

int64_t backward_scratch(int64_t n, int64_t D) {
  const int64_t width = pad_lanes(D), length = pad_lanes(n);
  return 2 * D * length + 3 * n * width + 3 * kQueries * width + 2 * kQueries * kKeys;
}

struct BackwardScratch {
  float *kt, *vt;        // (D, length)
  float *ks, *dk, *dv;   // (n, width)
  float *qs, *dos, *dq;  // (kQueries, width)
  float *p, *ds;         // (kQueries, kKeys)
  int64_t width, length;

  BackwardScratch(float* memory, int64_t n, int64_t D) : width(pad_lanes(D)), length(pad_lanes(n)) {
    kt = memory, vt = kt + D * length;
    ks = vt + D * length, dk = ks + n * width, dv = dk + n * width;
    qs = dv + n * width, dos = qs + kQueries * width, dq = dos + kQueries * width;
    p = dq + kQueries * width, ds = p + kQueries * kKeys;
  }
};

// One query head: writes dq, adds to w.dk and w.dv.
template <class T>
SPARK_CLONES void backward_head(T* dq, const BackwardScratch& w, const T* dout, const T* q, const T* o,
                                const float* lse, int64_t n, int64_t H, int64_t D, int64_t stride) {
  const int64_t width = w.width;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  for (int64_t i0 = 0; i0 < n; i0 += kQueries) {
    const int64_t rows = std::min(kQueries, n - i0);
    float delta[kQueries];  // do · o
    for (int64_t i = 0; i < rows; ++i) {
      const T *a = dout + (i0 + i) * stride, *b = o + (i0 + i) * stride;
      float dot = 0;
#pragma omp simd reduction(+ : dot)
      for (int64_t d = 0; d < D; ++d) dot += widen(a[d]) * widen(b[d]);
      delta[i] = dot;
    }
    load_rows(w.qs, width, q + i0 * stride, stride, rows, D, scale);
    load_rows(w.dos, width, dout + i0 * stride, stride, rows, D, 1.0f);
    zero(w.dq, kQueries * width);
    for (int64_t j0 = 0; j0 < i0 + rows; j0 += kKeys) {
      const int64_t keys = std::min({kKeys, n - j0, i0 + rows - j0}), columns = pad_lanes(keys);
      zero(w.p, kQueries * kKeys);
      zero(w.ds, kQueries * kKeys);
      tile_product(w.p, kKeys, w.qs, width, 1, w.kt + j0, w.length, rows, columns, D);
      tile_product(w.ds, kKeys, w.dos, width, 1, w.vt + j0, w.length, rows, columns, D);
      for (int64_t i = 0; i < rows; ++i) {
        float *p = w.p + i * kKeys, *ds = w.ds + i * kKeys;
        const int64_t visible = std::clamp<int64_t>(i0 + i - j0 + 1, 0, keys);
        for (int64_t j = visible; j < columns; ++j) p[j] = kMinusInfinity;
        const float row_lse = lse[(i0 + i) * H], row_delta = delta[i];
#pragma omp simd
        for (int64_t j = 0; j < columns; ++j) {
          p[j] = exp_fast(p[j] - row_lse);
          ds[j] = p[j] * (ds[j] - row_delta);
        }
      }
      tile_product(w.dv + j0 * width, width, w.p, 1, kKeys, w.dos, width, keys, width, rows);
      tile_product(w.dk + j0 * width, width, w.ds, 1, kKeys, w.qs, width, keys, width, rows);
      tile_product(w.dq, width, w.ds, kKeys, 1, w.ks + j0 * width, width, rows, width, keys);
    }
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t d = 0; d < D; ++d) dq[(i0 + i) * stride + d] = narrow<T>(scale * w.dq[i * width + d]);
  }
}

template <class T>
SPARK_CLONES void load_backward(const BackwardScratch& w, const T* k, const T* v, int64_t n, int64_t D,
                                int64_t stride) {
  load_transposed(w.kt, w.length, k, stride, n, D);
  load_transposed(w.vt, w.length, v, stride, n, D);
  load_rows(w.ks, w.width, k, stride, n, D, 1.0f);
  zero(w.dk, 2 * n * w.width);  // and dv, which follows it
}

template <class T>
SPARK_CLONES void store_rows(T* to, int64_t stride, const float* from, int64_t width, int64_t rows, int64_t D) {
  for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (int64_t d = 0; d < D; ++d) to[i * stride + d] = narrow<T>(from[i * width + d]);
  }
}

// Upper bound of the scores' products.
int64_t work(const Packing& packing, const AttentionShape& shape) {
  return packing.tokens * packing.longest * shape.heads * shape.head_size;
}

}  // namespace

int64_t attention_scratch(int64_t n, int64_t D) { return std::max(forward_scratch(n, D), backward_scratch(n, D)); }

void CpuBackend::attention_forward(Activation* o, float* lse, const Activation* q, const Activation* k,
                                   const Activation* v, const Packing& packing, const AttentionShape& shape) {
  const int64_t H = shape.heads, K = shape.kv_heads, D = shape.head_size, tasks = packing.sequences * H;
  const Strides stride{H * D, K * D};
  // Allocated before the team starts: an exception must not leave a parallel region.
  for (int t = 0; t < threads_; ++t) scratch(t, forward_scratch(packing.longest, D));
#pragma omp parallel for schedule(dynamic) num_threads(threads_) if (work(packing, shape) > kParallelWork)
  for (int64_t task = 0; task < tasks; ++task) {
    const int64_t sequence = task / H, h = task % H, g = h / (H / K);
    const int64_t first = packing.cu_seqlens[sequence], n = packing.cu_seqlens[sequence + 1] - first;
    const int64_t query = first * stride.q + h * D, key = first * stride.kv + g * D;
    float* own = scratch_[static_cast<size_t>(omp_get_thread_num())].data.get();
    with_activation_type(compute_, [&]<class T>(T) {
      forward_head(static_cast<T*>(o) + query, lse + first * H + h, static_cast<const T*>(q) + query,
                   static_cast<const T*>(k) + key, static_cast<const T*>(v) + key, n, H, D, stride, own);
    });
  }
}

void CpuBackend::attention_backward(Activation* dq, Activation* dk, Activation* dv, const Activation* dout,
                                    const Activation* q, const Activation* k, const Activation* v, const Activation* o,
                                    const float* lse, const Packing& packing, const AttentionShape& shape) {
  const int64_t H = shape.heads, K = shape.kv_heads, D = shape.head_size, group = H / K;
  const Strides stride{H * D, K * D};
  for (int t = 0; t < threads_; ++t) scratch(t, backward_scratch(packing.longest, D));
#pragma omp parallel for schedule(dynamic) num_threads(threads_) if (work(packing, shape) > kParallelWork)
  for (int64_t task = 0; task < packing.sequences * K; ++task) {
    const int64_t sequence = task / K, g = task % K;
    const int64_t first = packing.cu_seqlens[sequence], n = packing.cu_seqlens[sequence + 1] - first;
    const int64_t key = first * stride.kv + g * D;
    const BackwardScratch w(scratch_[static_cast<size_t>(omp_get_thread_num())].data.get(), n, D);
    with_activation_type(compute_, [&]<class T>(T) {
      load_backward(w, static_cast<const T*>(k) + key, static_cast<const T*>(v) + key, n, D, stride.kv);
      for (int64_t h = g * group; h < (g + 1) * group; ++h) {
        const int64_t query = first * stride.q + h * D;
        backward_head(static_cast<T*>(dq) + query, w, static_cast<const T*>(dout) + query,
                      static_cast<const T*>(q) + query, static_cast<const T*>(o) + query, lse + first * H + h, n, H, D,
                      stride.q);
      }
      store_rows(static_cast<T*>(dk) + key, stride.kv, w.dk, w.width, n, D);
      store_rows(static_cast<T*>(dv) + key, stride.kv, w.dv, w.width, n, D);
    });
  }
}

}  // namespace spark
