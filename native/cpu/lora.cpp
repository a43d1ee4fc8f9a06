// LoRA (Hu et al. 2021):  u = x Aᵀ,  y += s u Bᵀ
//   du = s dy B,  dA += duᵀ x,  dB += s dyᵀ u,  dx += du A
//
// All six are products with one side of R, and R is 8. oneDNN's sgemm runs them at a tenth of its usual rate, and they
// took more than half of a small model's training step; three kernels over register tiles do better: `narrow` (to R
// columns), `widen` (from R columns) and `reduce` (over the rows, to R rows). From R = 33 on sgemm is the better one.
#include <algorithm>

#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

namespace {

constexpr int64_t kLargestRank = 32;
constexpr int64_t kRows = 8;  // rows of a register tile

// to (cols, width) = scale · fromᵀ of from (rows, cols); columns rows..width are zero
void transpose(float* to, int64_t width, const float* from, int64_t rows, int64_t cols, float scale) {
  for (int64_t c = 0; c < cols; ++c) {
    for (int64_t r = 0; r < rows; ++r) to[c * width + r] = scale * from[r * cols + c];
    for (int64_t r = rows; r < width; ++r) to[c * width + r] = 0;
  }
}

// to (rows, width) = scale · from (rows, cols), padded with zeros
void pad(float* to, int64_t width, const float* from, int64_t rows, int64_t cols, float scale) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) to[r * width + c] = scale * from[r * cols + c];
    for (int64_t c = cols; c < width; ++c) to[r * width + c] = 0;
  }
}

// u (rows ≤ kRows, R) = x (rows, k) w (k, width)
SPARK_CLONES void narrow_rows(float* u, const float* x, const float* w, int64_t rows, int64_t k, int64_t R,
                              int64_t width) {
  float tile[kRows * kLargestRank] = {};  // (rows, width)
  for (int64_t j = 0; j < width; j += kLanes) {
    if (rows == kRows) {
      tile_kernel<kRows, 1>(tile + j, width, x, k, 1, w + j, width, k);
    } else {
      for (int64_t i = 0; i < rows; ++i)
        tile_kernel<1, 1>(tile + i * width + j, width, x + i * k, k, 1, w + j, width, k);
    }
  }
  for (int64_t i = 0; i < rows; ++i) std::copy_n(tile + i * width, R, u + i * R);
}

// u (M, R) = x (M, k) w (k, width)
void narrow(float* u, const float* x, const float* w, int64_t M, int64_t k, int64_t R, int64_t width) {
#pragma omp parallel for schedule(static) if (M * k * width > kParallelWork)
  for (int64_t m = 0; m < M; m += kRows) narrow_rows(u + m * R, x + m * k, w, std::min(kRows, M - m), k, R, width);
}

// y (rows, n) += u (rows, R) w (R, n)
SPARK_CLONES void widen_rows(float* y, const float* u, const float* w, int64_t rows, int64_t R, int64_t n) {
  const int64_t whole = n / kLanes * kLanes;
  tile_product(y, n, u, R, 1, w, n, rows, whole, R);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = whole; j < n; ++j)
      for (int64_t r = 0; r < R; ++r) y[i * n + j] += u[i * R + r] * w[r * n + j];
}

// y (M, n) += u (M, R) w (R, n)
void widen(float* y, const float* u, const float* w, int64_t M, int64_t R, int64_t n) {
#pragma omp parallel for schedule(static) if (M * n * R > kParallelWork)
  for (int64_t m = 0; m < M; m += kRows) widen_rows(y + m * n, u + m * R, w, std::min(kRows, M - m), R, n);
}

// Columns first … first + count of g (R, n) += uᵀ x, over all rows in order.
SPARK_CLONES void reduce_columns(float* g, const float* u, const float* x, int64_t first, int64_t count, int64_t M,
                                 int64_t R, int64_t n) {
  const int64_t whole = count / kLanes * kLanes;
  int64_t r = 0, j = 0;
  for (; r + kRows <= R; r += kRows) {
    for (j = 0; j + 2 * kLanes <= whole; j += 2 * kLanes)
      tile_kernel<kRows, 2>(g + r * n + first + j, n, u + r, 1, R, x + first + j, n, M);
    if (j < whole) tile_kernel<kRows, 1>(g + r * n + first + j, n, u + r, 1, R, x + first + j, n, M);
  }
  tile_product(g + r * n + first, n, u + r, 1, R, x + first, n, R - r, whole, M);
  for (int64_t row = 0; row < R; ++row)
    for (j = first + whole; j < first + count; ++j)
      for (int64_t m = 0; m < M; ++m) g[row * n + j] += u[m * R + row] * x[m * n + j];
}

// g (R, n) += uᵀ (R, M) x (M, n). Threads share the columns, so each sum has one order.
void reduce(float* g, const float* u, const float* x, int64_t M, int64_t R, int64_t n) {
  constexpr int64_t kColumns = 2 * kLanes;
#pragma omp parallel for schedule(static) if (M * n * R > kParallelWork)
  for (int64_t j = 0; j < n; j += kColumns) reduce_columns(g, u, x, j, std::min(kColumns, n - j), M, R, n);
}

}  // namespace

void CpuBackend::lora_forward(float* y, float* u, const float* x, const float* a, const float* b, float scale,
                              int64_t M, int64_t in, int64_t out, int64_t R) {
  if (R > kLargestRank) {
    cpu_gemm(false, true, M, R, in, 1.0f, x, in, a, in, 0.0f, u, R);
    cpu_gemm(false, true, M, out, R, scale, u, R, b, R, 1.0f, y, out);
    return;
  }
  const int64_t width = pad_lanes(R);
  float* at = scratch(0, in * width + R * out);  // (in, width)
  float* bt = at + in * width;                   // (R, out)
  transpose(at, width, a, R, in, 1.0f);
  transpose(bt, out, b, out, R, scale);
  narrow(u, x, at, M, in, R, width);
  widen(y, u, bt, M, R, out);
}

void CpuBackend::lora_backward(float* dx, float* da, float* db, float* du, const float* dy, const float* x,
                               const float* u, const float* a, const float* b, float scale, int64_t M, int64_t in,
                               int64_t out, int64_t R) {
  if (R > kLargestRank) {
    cpu_gemm(false, false, M, R, out, scale, dy, out, b, R, 0.0f, du, R);
    cpu_gemm(true, false, R, in, M, 1.0f, du, R, x, in, 1.0f, da, in);
    cpu_gemm(true, false, out, R, M, scale, dy, out, u, R, 1.0f, db, R);
    if (dx) cpu_gemm(false, false, M, in, R, 1.0f, du, R, a, in, 1.0f, dx, in);
    return;
  }
  const int64_t width = pad_lanes(R);
  float* bs = scratch(0, out * width + R * out);  // (out, width)
  float* dbt = bs + out * width;                  // (R, out)
  pad(bs, width, b, out, R, scale);
  narrow(du, dy, bs, M, out, R, width);
  reduce(da, du, x, M, R, in);
  std::fill_n(dbt, R * out, 0.0f);
  reduce(dbt, u, dy, M, R, out);
  for (int64_t o = 0; o < out; ++o)
    for (int64_t r = 0; r < R; ++r) db[o * R + r] += scale * dbt[r * out + o];
  if (dx) widen(dx, du, a, M, R, in);
}

}  // namespace spark
