// Products of which one side is LoRA's rank S, a few dozen at most. They take as long as reading the large factor does,
// and sgemm reads it once for each product. Here rows are taken in blocks that fit a core's second-level cache, so that
// a second product over the same rows reads them from there.
#pragma once

#include <algorithm>

#include "cpu/activation.h"

namespace spark {

constexpr int64_t kLowRankRows = 32;  // rows of a block: 32 x 8192 floats are 1 MB

SPARK_INLINE float sum_lanes(const Lanes& x) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += x[i];
  return sum;
}

template <int ROWS, int RANKS, class T>
SPARK_INLINE void dots_tile(T* y, int64_t ldy, const T* x, int64_t ldx, const float* t, int64_t n) {
  Lanes sum[ROWS][RANKS] = {};
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    Lanes row[ROWS];
    for (int i = 0; i < ROWS; ++i) row[i] = load_lanes(x + i * ldx + j);
    for (int r = 0; r < RANKS; ++r) {
      const Lanes factor = load_lanes(t + r * n + j);
      for (int i = 0; i < ROWS; ++i) sum[i][r] += row[i] * factor;
    }
  }
  for (int i = 0; i < ROWS; ++i) {
    for (int r = 0; r < RANKS; ++r) {
      float total = sum_lanes(sum[i][r]);
      for (int64_t k = j; k < n; ++k) total += widen(x[i * ldx + k]) * t[r * n + k];
      y[i * ldy + r] = narrow<T>(total);
    }
  }
}

template <int RANKS, class T>
SPARK_INLINE void dots_ranks(T* y, int64_t ldy, const T* x, int64_t ldx, const float* t, int64_t m, int64_t n) {
  int64_t i = 0;
  for (; i + 3 <= m; i += 3) dots_tile<3, RANKS>(y + i * ldy, ldy, x + i * ldx, ldx, t, n);
  for (; i < m; ++i) dots_tile<1, RANKS>(y + i * ldy, ldy, x + i * ldx, ldx, t, n);
}

// y (m, S) = x (m, n) tᵀ, t (S, n)
template <class T>
SPARK_INLINE void low_rank_dots(T* y, int64_t ldy, const T* x, int64_t ldx, const float* t, int64_t m, int64_t n,
                                int64_t S) {
  int64_t s = 0;
  for (; s + 8 <= S; s += 8) dots_ranks<8>(y + s, ldy, x, ldx, t + s * n, m, n);
  for (; s + 2 <= S; s += 2) dots_ranks<2>(y + s, ldy, x, ldx, t + s * n, m, n);
  for (; s < S; ++s) dots_ranks<1>(y + s, ldy, x, ldx, t + s * n, m, n);
}

template <int RANKS, int VECTORS, class T>
SPARK_INLINE void outer_tile(float* c, int64_t ldc, const T* w, int64_t ldw, const T* x, int64_t ldx, int64_t m) {
  Lanes sum[RANKS][VECTORS];
  for (int r = 0; r < RANKS; ++r)
    for (int v = 0; v < VECTORS; ++v) sum[r][v] = load_lanes(c + r * ldc + v * kLanes);
  for (int64_t i = 0; i < m; ++i) {
    Lanes row[VECTORS];
    for (int v = 0; v < VECTORS; ++v) row[v] = load_lanes(x + i * ldx + v * kLanes);
    for (int r = 0; r < RANKS; ++r) {
      const float factor = widen(w[i * ldw + r]);
      for (int v = 0; v < VECTORS; ++v) sum[r][v] += factor * row[v];
    }
  }
  for (int r = 0; r < RANKS; ++r)
    for (int v = 0; v < VECTORS; ++v) *reinterpret_cast<Lanes*>(c + r * ldc + v * kLanes) = sum[r][v];
}

template <int RANKS, class T>
SPARK_INLINE void outer_ranks(float* c, const T* w, int64_t ldw, const T* x, int64_t ldx, int64_t m, int64_t n) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= n; j += 2 * kLanes) outer_tile<RANKS, 2>(c + j, n, w, ldw, x + j, ldx, m);
  for (; j + kLanes <= n; j += kLanes) outer_tile<RANKS, 1>(c + j, n, w, ldw, x + j, ldx, m);
  for (int r = 0; r < RANKS; ++r)
    for (int64_t k = j; k < n; ++k)
      for (int64_t i = 0; i < m; ++i) c[r * n + k] += widen(w[i * ldw + r]) * widen(x[i * ldx + k]);
}

// c (S, n) += wᵀ x, w (m, S), x (m, n)
template <class T>
SPARK_INLINE void low_rank_outer(float* c, const T* w, int64_t ldw, const T* x, int64_t ldx, int64_t m, int64_t n,
                                 int64_t S) {
  int64_t s = 0;
  for (; s + 8 <= S; s += 8) outer_ranks<8>(c + s * n, w + s, ldw, x, ldx, m, n);
  for (; s + 2 <= S; s += 2) outer_ranks<2>(c + s * n, w + s, ldw, x, ldx, m, n);
  for (; s < S; ++s) outer_ranks<1>(c + s * n, w + s, ldw, x, ldx, m, n);
}

}  // namespace spark
