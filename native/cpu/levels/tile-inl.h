// A register-tiled product of blocks that lie in cache. Not oneDNN: its call overhead would be most of the time of such
// small products.
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

template <bool ADD, int ROWS, int VECTORS>
SPARK_INLINE void tile_kernel(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_inner, const float* b,
                              int64_t ldb, int64_t k) {
  Lanes sum[ROWS][VECTORS];
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < VECTORS; ++j) sum[i][j] = ADD ? load_lanes(c + i * ldc + j * kLanes) : hn::Zero(kFloats);
  for (int64_t p = 0; p < k; ++p) {
    Lanes row[VECTORS];
    for (int j = 0; j < VECTORS; ++j) row[j] = load_lanes(b + p * ldb + j * kLanes);
    for (int i = 0; i < ROWS; ++i) {
      const Lanes factor = hn::Set(kFloats, a[i * a_row + p * a_inner]);
      for (int j = 0; j < VECTORS; ++j) sum[i][j] = hn::MulAdd(factor, row[j], sum[i][j]);
    }
  }
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < VECTORS; ++j) hn::StoreU(sum[i][j], kFloats, c + i * ldc + j * kLanes);
}

// Rows ROWS at a time, what is left with fewer.
template <bool ADD, int ROWS, int VECTORS>
SPARK_INLINE void tile_rows(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_inner, const float* b,
                            int64_t ldb, int64_t m, int64_t k) {
  int64_t i = 0;
  for (; i + ROWS <= m; i += ROWS) {
    tile_kernel<ADD, ROWS, VECTORS>(c + i * ldc, ldc, a + i * a_row, a_row, a_inner, b, ldb, k);
  }
  if constexpr (ROWS > 1) {
    constexpr int kFewer = ROWS > 4 ? 4 : ROWS / 2;
    tile_rows<ADD, kFewer, VECTORS>(c + i * ldc, ldc, a + i * a_row, a_row, a_inner, b, ldb, m - i, k);
  }
}

// c (m, n) = a (m, k) b (k, n), or +=; n is a multiple of kPad. `a` is read through two strides, so a transposed factor
// needs no copy. The sums of a tile, 6 x 2 or 8 x 2 vectors, stay in registers.
template <bool ADD>
SPARK_INLINE void tile_product(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_inner, const float* b,
                               int64_t ldb, int64_t m, int64_t n, int64_t k) {
  constexpr int kRows = kRegisters == 16 ? 6 : 8;
  int64_t j = 0;
  for (; j + 2 * kLanes <= n; j += 2 * kLanes)
    tile_rows<ADD, kRows, 2>(c + j, ldc, a, a_row, a_inner, b + j, ldb, m, k);
  if constexpr (kPad % (2 * kLanes) != 0) {
    if (j < n) tile_rows<ADD, kRows, 1>(c + j, ldc, a, a_row, a_inner, b + j, ldb, m, k);
  }
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
