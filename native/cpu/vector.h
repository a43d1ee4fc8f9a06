// What the CPU kernels share: an exponential that vectorises, a register-tiled product for blocks in cache, and the
// mark that compiles a kernel for several instruction sets.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

// A build for this machine alone (-march=native) needs no clones. In a build for any machine each function with this
// mark is compiled three times, and the widest one that the processor has is chosen when the program is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__AVX2__)
#define SPARK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SPARK_CLONES
#endif
#define SPARK_INLINE inline __attribute__((always_inline))

namespace spark {

// Loops with less work than this run on one thread: starting a team costs some microseconds.
constexpr int64_t kParallelWork = 1 << 15;

// e^x to 1e-7 relative, 0 below -87.3 (−∞ included), e^88 above 88, NaN for NaN. Written without calls or branches so
// that a loop over it becomes vector code (libm's expf does not: it sets errno). Cody-Waite reduction x = n ln2 + r
// with ln2 in two parts, then the Cephes polynomial for e^r. The constant 1.5 · 2^23 rounds to the nearest integer.
SPARK_INLINE float exp_fast(float x) {
  const bool tiny = x < -87.3f;
  float y = tiny ? -87.3f : x;
  y = y > 88.0f ? 88.0f : y;
  const float n = (y * 1.44269504088896341f + 12582912.0f) - 12582912.0f;
  const float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * r) * r + r + 1.0f;
  const float scale = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return tiny ? 0.0f : p * scale;
}

constexpr int64_t kLanes = 16;  // floats of one AVX-512 register; narrower machines use two or four
typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));

constexpr int64_t pad_lanes(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

template <int ROWS, int VECTORS>
SPARK_INLINE void tile_kernel(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_inner, const float* b,
                              int64_t ldb, int64_t k) {
  Lanes sum[ROWS][VECTORS];
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < VECTORS; ++j) sum[i][j] = *reinterpret_cast<const Lanes*>(c + i * ldc + j * kLanes);
  for (int64_t p = 0; p < k; ++p) {
    Lanes row[VECTORS];
    for (int j = 0; j < VECTORS; ++j) row[j] = *reinterpret_cast<const Lanes*>(b + p * ldb + j * kLanes);
    for (int i = 0; i < ROWS; ++i) {
      const float factor = a[i * a_row + p * a_inner];
      for (int j = 0; j < VECTORS; ++j) sum[i][j] += factor * row[j];
    }
  }
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < VECTORS; ++j) *reinterpret_cast<Lanes*>(c + i * ldc + j * kLanes) = sum[i][j];
}

template <int VECTORS>
SPARK_INLINE void tile_columns(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_inner, const float* b,
                               int64_t ldb, int64_t m, int64_t k) {
  int64_t i = 0;
  for (; i + 8 <= m; i += 8) tile_kernel<8, VECTORS>(c + i * ldc, ldc, a + i * a_row, a_row, a_inner, b, ldb, k);
  for (; i < m; ++i) tile_kernel<1, VECTORS>(c + i * ldc, ldc, a + i * a_row, a_row, a_inner, b, ldb, k);
}

// c (m, n) += a (m, k) b (k, n) for blocks that lie in cache; n is a multiple of kLanes. `a` is read through two
// strides, so a transposed factor needs no copy. 8 × 32 sums stay in registers. Not oneDNN: its call overhead would be
// most of the time of such small products.
SPARK_INLINE void tile_product(float* c, int64_t ldc, const float* a, int64_t a_row, int64_t a_inner, const float* b,
                               int64_t ldb, int64_t m, int64_t n, int64_t k) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= n; j += 2 * kLanes) tile_columns<2>(c + j, ldc, a, a_row, a_inner, b + j, ldb, m, k);
  if (j < n) tile_columns<1>(c + j, ldc, a, a_row, a_inner, b + j, ldb, m, k);
}

}  // namespace spark
