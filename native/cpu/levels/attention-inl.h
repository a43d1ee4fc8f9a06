// Attention over one head of one sequence, tile by tile (attention.cpp has the equations).
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

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

// to (rows / kKeys, D, kKeys) = from (rows, D) with `stride` between rows, transposed block by block; columns past
// `rows` are zero as far as whole vectors of kPad read them. kPad rows at a time: their cache lines are then read once,
// not once for every d.
template <class T>
SPARK_INLINE void load_transposed(float* to, const T* from, int64_t stride, int64_t rows, int64_t D) {
  for (int64_t i0 = 0; i0 < rows; i0 += kPad) {
    const int64_t here = std::min(kPad, rows - i0);
    float* block = to + i0 / kKeys * kKeys * D + i0 % kKeys;  // (D, kPad), rows kKeys apart
    for (int64_t d = 0; d < D; ++d) {
      for (int64_t i = 0; i < here; ++i) block[d * kKeys + i] = widen(from[(i0 + i) * stride + d]);
      for (int64_t i = here; i < kPad; ++i) block[d * kKeys + i] = 0;
    }
  }
}

SPARK_INLINE void zero(float* x, int64_t count) { std::memset(x, 0, static_cast<size_t>(count) * sizeof(float)); }

// x (rows, kKeys): columns that a row does not see become −∞. Row 0 sees `visible` of them, each row one more.
SPARK_INLINE void hide(float* x, int64_t rows, int64_t columns, int64_t visible) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = std::max<int64_t>(visible + i, 0); j < columns; ++j) x[i * kKeys + j] = kMinusInfinity;
}

// What an online softmax knows of each row of a tile after the keys so far.
struct Softmax {
  float largest[kQueries], sum[kQueries];
  float factor[kQueries] = {};  // for what was summed before the last tile
};

// s (rows, kKeys), its first columns, becomes exp(s − new maximum of its row). Every row sees the first key, so that no
// maximum stays −∞.
SPARK_INLINE void online_softmax(float* s, int64_t rows, int64_t columns, Softmax& state) {
  for (int64_t i = 0; i < rows; ++i) {
    Lanes top = hn::Set(kFloats, state.largest[i]);
    for (int64_t j = 0; j < columns; j += kLanes) top = hn::Max(top, load_lanes(s + i * kKeys + j));
    state.factor[i] = state.largest[i];
    state.largest[i] = largest_lane(top);
  }
  for (int64_t i = 0; i < kQueries; i += kLanes) {
    const Lanes before = load_lanes(state.factor + i), after = load_lanes(state.largest + i);
    hn::StoreU(exp_lanes(hn::Sub(before, after)), kFloats, state.factor + i);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const Lanes top = hn::Set(kFloats, state.largest[i]);
    Lanes added = hn::Zero(kFloats);
    for (int64_t j = 0; j < columns; j += kLanes) {
      float* at = s + i * kKeys + j;
      const Lanes p = exp_lanes(hn::Sub(load_lanes(at), top));
      hn::StoreU(p, kFloats, at);
      added = hn::Add(added, p);
    }
    state.sum[i] = state.sum[i] * state.factor[i] + sum_lanes(added);
  }
}

template <class T>
void attention_load_forward(const ForwardScratch& w, const T* k, const T* v, int64_t first, int64_t n, int64_t D,
                            int64_t stride) {
  load_transposed(w.kt + first * D, k, stride, n, D);
  load_rows(w.vs + first * w.width, w.width, v, stride, n, D, 1.0f);
}

template <class T>
void attention_forward(T* o, float* lse, const T* q, int64_t before, int64_t n, int64_t H, int64_t D, int64_t stride,
                       const ForwardScratch& w) {
  const int64_t width = w.width;
  float *kt = w.kt, *vs = w.vs, *qs = w.qs, *os = w.os, *s = w.s;
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));

  Softmax state;
  for (int64_t i0 = 0; i0 < n; i0 += kQueries) {
    const int64_t rows = std::min(kQueries, n - i0);
    std::fill_n(state.largest, kQueries, kMinusInfinity);
    std::fill_n(state.sum, kQueries, 0.0f);
    load_rows(qs, width, q + i0 * stride, stride, rows, D, scale);
    zero(os, kQueries * width);
    for (int64_t j0 = 0; j0 < before + i0 + rows; j0 += kKeys) {
      const int64_t keys = std::min(kKeys, before + i0 + rows - j0), columns = padded(keys);
      tile_product<false>(s, kKeys, qs, width, 1, kt + j0 * D, kKeys, rows, columns, D);
      hide(s, rows, columns, before + i0 - j0 + 1);
      online_softmax(s, rows, columns, state);
      for (int64_t i = 0; i < rows && j0 > 0; ++i) {
        const Lanes factor = hn::Set(kFloats, state.factor[i]);
        for (int64_t d = i * width; d < (i + 1) * width; d += kLanes) {
          hn::StoreU(hn::Mul(load_lanes(os + d), factor), kFloats, os + d);
        }
      }
      tile_product<true>(os, width, s, kKeys, 1, vs + j0 * width, width, rows, width, keys);
    }
    for (int64_t i = 0; i < rows; ++i) {
      const float inverse = 1.0f / state.sum[i];
#pragma omp simd
      for (int64_t d = 0; d < D; ++d) o[(i0 + i) * stride + d] = narrow<T>(os[i * width + d] * inverse);
      lse[(i0 + i) * H] = state.largest[i] + std::log(state.sum[i]);
    }
  }
}

// One query head: writes dq, adds to w.dk and w.dv.
template <class T>
void attention_backward(T* dq, const BackwardScratch& w, const T* dout, const T* q, const T* o, const float* lse,
                        int64_t before, int64_t n, int64_t H, int64_t D, int64_t stride) {
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
    for (int64_t j0 = 0; j0 < before + i0 + rows; j0 += kKeys) {
      const int64_t keys = std::min(kKeys, before + i0 + rows - j0), columns = padded(keys);
      tile_product<false>(w.p, kKeys, w.qs, width, 1, w.kt + j0 * D, kKeys, rows, columns, D);
      tile_product<false>(w.ds, kKeys, w.dos, width, 1, w.vt + j0 * D, kKeys, rows, columns, D);
      hide(w.p, rows, columns, before + i0 - j0 + 1);
      for (int64_t i = 0; i < rows; ++i) {
        float *p = w.p + i * kKeys, *ds = w.ds + i * kKeys;
        const Lanes row_lse = hn::Set(kFloats, lse[(i0 + i) * H]), row_delta = hn::Set(kFloats, delta[i]);
        for (int64_t j = 0; j < columns; j += kLanes) {
          const Lanes probability = exp_lanes(hn::Sub(load_lanes(p + j), row_lse));
          hn::StoreU(probability, kFloats, p + j);
          hn::StoreU(hn::Mul(probability, hn::Sub(load_lanes(ds + j), row_delta)), kFloats, ds + j);
        }
      }
      tile_product<true>(w.dv + j0 * width, width, w.p, 1, kKeys, w.dos, width, keys, width, rows);
      tile_product<true>(w.dk + j0 * width, width, w.ds, 1, kKeys, w.qs, width, keys, width, rows);
      tile_product<true>(w.dq, width, w.ds, kKeys, 1, w.ks + j0 * width, width, rows, width, keys);
    }
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t d = 0; d < D; ++d) dq[(i0 + i) * stride + d] = narrow<T>(scale * w.dq[i * width + d]);
  }
}

template <class T>
void attention_load_backward(const BackwardScratch& w, const T* k, const T* v, int64_t first, int64_t n, int64_t D,
                             int64_t stride) {
  load_transposed(w.kt + first * D, k, stride, n, D);
  load_transposed(w.vt + first * D, v, stride, n, D);
  load_rows(w.ks + first * w.width, w.width, k, stride, n, D, 1.0f);
  zero(w.dk + first * w.width, n * w.width);
  zero(w.dv + first * w.width, n * w.width);
}

template <class T>
void attention_store(T* to, int64_t stride, const float* from, int64_t width, int64_t rows, int64_t D) {
  for (int64_t i = 0; i < rows; ++i) {
#pragma omp simd
    for (int64_t d = 0; d < D; ++d) to[i * stride + d] = narrow<T>(from[i * width + d]);
  }
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
