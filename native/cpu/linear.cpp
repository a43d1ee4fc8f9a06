// Frozen projection: y = x Wᵀ, dx = dy W. W stays as the file has it. What sgemm cannot read (a quantised or half type,
// or any type when products run in bf16) is unpacked a panel of rows at a time into scratch, and the panel is
// multiplied while it is in cache: a full-precision copy of the weights never exists. Unpacking a value costs about as
// much as multiplying it with 100 rows of x, so it pays off from a few hundred tokens on.
#include <omp.h>

#include <algorithm>

#include "core/half.h"
#include "cpu/bf16.h"
#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

namespace {

constexpr int64_t kPanel = 1 << 20;  // values of a panel: 4 MB in fp32, so that two cores' second caches hold it

const std::byte* row_data(const Weight& w, int64_t row) {
  return w.data + static_cast<size_t>(row) * tensor_bytes(w.type, w.cols);
}

int64_t panel_rows(int64_t rows, int64_t cols) {
  return std::min(rows, std::max<int64_t>(kPanel / cols / 16 * 16, 16));
}

// to (rows, cols) = W from row `first`
void unpack(float* to, const Weight& w, int64_t first, int64_t rows) {
#pragma omp parallel for schedule(static) if (rows * w.cols > kParallelWork)
  for (int64_t r = 0; r < rows; ++r) dequantize(w.type, row_data(w, first + r), to + r * w.cols, w.cols);
}

}  // namespace

int64_t panel_values(int64_t rows, int64_t cols) { return panel_rows(rows, cols) * cols; }

CpuBackend::LinearScratch CpuBackend::linear_scratch(int64_t rows_of_x, int64_t inner, const Weight& w) {
  LinearScratch scratch{};
  const int64_t values = panel_values(w.rows, w.cols), parts = bf16_parts(compute_);
  if (compute_ == Compute::F32) {
    scratch.panel = shared_scratch(kPanelSlot, values);
    return scratch;
  }
  for (int t = 0; t < threads_; ++t) this->scratch(t, w.cols);  // one row in fp32, before it is split
  scratch.panel16 = reinterpret_cast<Bf16*>(shared_scratch(kPanelSlot, (values * parts + 1) / 2));
  scratch.x16 = reinterpret_cast<Bf16*>(shared_scratch(kRowsSlot, (rows_of_x * inner * parts + 1) / 2));
  return scratch;
}

// to (M, parts · width): the parts of `width` columns of x side by side
void CpuBackend::split_rows(Bf16* to, const float* x, int64_t ldx, int64_t M, int64_t width) {
  const int64_t parts = bf16_parts(compute_);
#pragma omp parallel for schedule(static) if (M * width > kParallelWork)
  for (int64_t m = 0; m < M; ++m) {
    bf16_split(to + m * parts * width, width, x + m * ldx, width, parts, Bf16Side::Left);
  }
}

// The parts of W's rows: part i of row r begins at to + r · row_stride + i · part_stride.
void CpuBackend::split_weight(Bf16* to, int64_t row_stride, int64_t part_stride, const Weight& w, int64_t first,
                              int64_t rows) {
  const int64_t parts = bf16_parts(compute_);
#pragma omp parallel for schedule(static) if (rows * w.cols > kParallelWork)
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = reinterpret_cast<const float*>(row_data(w, first + r));
    if (w.type != TensorType::F32) {
      float* unpacked = scratch_[static_cast<size_t>(omp_get_thread_num())].data.get();
      dequantize(w.type, row_data(w, first + r), unpacked, w.cols);
      row = unpacked;
    }
    bf16_split(to + r * row_stride, part_stride, row, w.cols, parts, Bf16Side::Right);
  }
}

void CpuBackend::linear_forward(float* y, const float* x, const Weight& w, int64_t M) {
  if (compute_ == Compute::F32 && w.type == TensorType::F32) {
    const float* data = reinterpret_cast<const float*>(w.data);
    return cpu_gemm(false, true, M, w.rows, w.cols, 1.0f, x, w.cols, data, w.cols, 0.0f, y, w.rows);
  }
  const int64_t in = w.cols, panel = panel_rows(w.rows, w.cols), parts = bf16_parts(compute_);
  const LinearScratch s = linear_scratch(M, in, w);
  if (compute_ != Compute::F32) split_rows(s.x16, x, in, M, in);
  for (int64_t first = 0; first < w.rows; first += panel) {
    const int64_t rows = std::min(panel, w.rows - first);
    if (compute_ == Compute::F32) {
      unpack(s.panel, w, first, rows);
      cpu_gemm(false, true, M, rows, in, 1.0f, x, in, s.panel, in, 0.0f, y + first, w.rows);
      continue;
    }
    split_weight(s.panel16, parts * in, in, w, first, rows);
    bf16_->run(y + first, w.rows, s.x16, parts * in, s.panel16, parts * in, true, M, rows, parts * in, false);
  }
}

void CpuBackend::linear_backward(float* dx, const float* dy, const Weight& w, int64_t M, bool accumulate) {
  if (compute_ == Compute::F32 && w.type == TensorType::F32) {
    const float* data = reinterpret_cast<const float*>(w.data);
    return cpu_gemm(false, false, M, w.cols, w.rows, 1.0f, dy, w.rows, data, w.cols, accumulate ? 1.0f : 0.0f, dx,
                    w.cols);
  }
  const int64_t panel = panel_rows(w.rows, w.cols), parts = bf16_parts(compute_);
  const LinearScratch s = linear_scratch(M, panel, w);
  for (int64_t first = 0; first < w.rows; first += panel) {
    const int64_t rows = std::min(panel, w.rows - first);
    const bool add = accumulate || first > 0;
    if (compute_ == Compute::F32) {
      unpack(s.panel, w, first, rows);
      cpu_gemm(false, false, M, w.cols, rows, 1.0f, dy + first, w.rows, s.panel, w.cols, add ? 1.0f : 0.0f, dx, w.cols);
      continue;
    }
    split_rows(s.x16, dy + first, w.rows, M, rows);
    split_weight(s.panel16, w.cols, rows * w.cols, w, first, rows);
    bf16_->run(dx, w.cols, s.x16, parts * rows, s.panel16, w.cols, false, M, w.cols, parts * rows, add);
  }
}

void CpuBackend::add_bias(float* y, const Vector& bias, int64_t M) {
  const int64_t out = bias.size;
#pragma omp parallel for schedule(static) if (M * out > kParallelWork)
  for (int64_t m = 0; m < M; ++m) {
    float* row = y + m * out;  // (out)
#pragma omp simd
    for (int64_t j = 0; j < out; ++j) row[j] += bias.data[j];
  }
}

}  // namespace spark
