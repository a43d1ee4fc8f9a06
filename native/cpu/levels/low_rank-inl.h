// Products of which one side is LoRA's rank S, a few dozen at most. They take as long as reading the large factor does,
// and sgemm reads it once for each product. Here rows are taken in blocks that fit a core's second-level cache, so that
// a second product over the same rows reads them from there.
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

// Sums of a tile: 3 rows by kRanks, or kRanks by 2 vectors.
constexpr int kRanks = kRegisters == 16 ? 4 : 8;

template <int ROWS, int RANKS, class T>
SPARK_INLINE void dots_tile(T* y, int64_t ldy, const T* x, int64_t ldx, const float* t, int64_t n) {
  Lanes sum[ROWS][RANKS];
  for (int i = 0; i < ROWS; ++i)
    for (int r = 0; r < RANKS; ++r) sum[i][r] = hn::Zero(kFloats);
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    Lanes row[ROWS];
    for (int i = 0; i < ROWS; ++i) row[i] = load_lanes(x + i * ldx + j);
    for (int r = 0; r < RANKS; ++r) {
      const Lanes factor = load_lanes(t + r * n + j);
      for (int i = 0; i < ROWS; ++i) sum[i][r] = hn::MulAdd(row[i], factor, sum[i][r]);
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
  for (; s + kRanks <= S; s += kRanks) dots_ranks<kRanks>(y + s, ldy, x, ldx, t + s * n, m, n);
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
      const Lanes factor = hn::Set(kFloats, widen(w[i * ldw + r]));
      for (int v = 0; v < VECTORS; ++v) sum[r][v] = hn::MulAdd(factor, row[v], sum[r][v]);
    }
  }
  for (int r = 0; r < RANKS; ++r)
    for (int v = 0; v < VECTORS; ++v) hn::StoreU(sum[r][v], kFloats, c + r * ldc + v * kLanes);
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
  for (; s + kRanks <= S; s += kRanks) outer_ranks<kRanks>(c + s * n, w + s, ldw, x, ldx, m, n);
  for (; s + 2 <= S; s += 2) outer_ranks<2>(c + s * n, w + s, ldw, x, ldx, m, n);
  for (; s < S; ++s) outer_ranks<1>(c + s * n, w + s, ldw, x, ldx, m, n);
}

// du (m, R) = dy btᵀ and c (R, out) += uᵀ dy; bt (R, out) is scale · Bᵀ
template <class T>
void lora_up_backward(T* du, float* c, const T* dy, int64_t dy_stride, const T* u, int64_t stride, const float* bt,
                      int64_t m, int64_t out, int64_t R) {
  for (int64_t i = 0; i < m; i += kLowRankRows) {
    const int64_t rows = std::min(kLowRankRows, m - i);
    low_rank_dots(du + i * stride, stride, dy + i * dy_stride, dy_stride, bt, rows, out, R);
    low_rank_outer(c, u + i * stride, stride, dy + i * dy_stride, dy_stride, rows, out, R);
  }
}

void lora_down_backward(float* c, const Bf16Bits* du, const Bf16Bits* x, int64_t m, int64_t in, int64_t S) {
  for (int64_t i = 0; i < m; i += kLowRankRows) {
    low_rank_outer(c, du + i * S, S, x + i * in, in, std::min(kLowRankRows, m - i), in, S);
  }
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
