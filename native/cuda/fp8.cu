// Frozen projections with compute fp8: y = x Wᵀ and dx = dy W by the tensor cores' products of e4m3, which take half
// the time of bf16's.
//
// Every row of x, of dy and of the frozen matrix has a scale of its own, max |row| / 448, and what is multiplied is the
// row divided by it. The sum over k is then multiplied by both its rows' scales, so a scale cannot differ along k: for
// dx = dy W, where k runs over W's rows, a copy of Wᵀ has scales for its own. Two copies of a byte take bf16's memory,
// and cuBLASLt multiplies e4m3 only where both factors have k along their rows, which asks for two copies anyway.
//
// LoRA's part is more columns of the same product (fp8_rows.cu), or where they do not fit behind W's rows a product of
// bf16 that comes first: it writes y, with the residual or what dx holds as its addend, and the product of e4m3 adds y
// as it writes it. The other way round the second product would have to be LoRA's, which has nothing to do while it
// waits for y: 4 ms more in a step of the 8B shape at 4,096 tokens on an H200.
//
// Rounding to e4m3 is off by 2^-5 of a value at most on average over its binade and 2^-4 at worst, below max / 28672 by
// as much as half a step: max / 458752. A row of zeros has the least scale and stays zeros; NaN stays NaN, and ∞
// makes NaN of its row: its scale is ∞.
#include "cuda/cuda_backend.h"
#include "cuda/fp8_rows.h"
#include "cuda/memory.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

constexpr int kTile = 32;

// to (cols, rows) = from (rows, cols), which has `stride` values from row to row
__global__ void transpose(Bf16* to, const Bf16* from, int64_t rows, int64_t cols, int64_t stride) {
  __shared__ Bf16 tile[kTile][kTile + 2];
  const int64_t row = int64_t{blockIdx.y} * kTile, col = int64_t{blockIdx.x} * kTile;
  const int lane = static_cast<int>(threadIdx.x) % kTile, first = static_cast<int>(threadIdx.x) / kTile;
  for (int i = first; i < kTile; i += kThreads / kTile) {
    if (row + i < rows && col + lane < cols) tile[i][lane] = from[(row + i) * stride + col + lane];
  }
  __syncthreads();
  for (int i = first; i < kTile; i += kThreads / kTile) {
    if (col + i < cols && row + lane < rows) to[(col + i) * rows + row + lane] = tile[lane][i];
  }
}

// Where the parts of a projection in e4m3 lie: both copies, with room for LoRA's columns behind their rows, then the
// scales of the rows.
struct Copies {
  Fp8Rows w, transposed;  // (rows, cols + kFp8Margin), (cols, rows + kFp8TransposedMargin)

  Copies(void* memory, int64_t rows, int64_t cols) {
    w = {static_cast<uint8_t*>(memory), cols + kFp8Margin, nullptr};
    transposed = {w.values + rows * w.stride, rows + kFp8TransposedMargin, nullptr};
    w.scales = reinterpret_cast<float*>(transposed.values + cols * transposed.stride);
    transposed.scales = w.scales + rows;
  }
  static size_t bytes(int64_t rows, int64_t cols) {
    return static_cast<size_t>(rows * (cols + kFp8Margin) + cols * (rows + kFp8TransposedMargin)) +
           static_cast<size_t>(rows + cols) * sizeof(float);
  }
};

Copies copies_of(const Weight& w) { return {w.owned.get(), w.rows, w.cols}; }

}  // namespace

// to = x (rows, cols) of a frozen matrix, which has `stride` values from row to row
void CudaBackend::quantise_frozen(const Fp8Rows& to, const Bf16* x, int64_t rows, int64_t cols, int64_t stride) {
  auto* least = static_cast<float*>(scratch(kSums, sizeof(float)));
  quantise_rows(to, x, rows, cols, stride, nullptr, {}, stream_);
  find_least(least, to.scales, rows, stream_);
  quantise_rows(to, x, rows, cols, stride, least, {}, stream_);
}

// In bf16 first, however it is packed, in scratch that goes with the first call; then both copies of it.
Weight CudaBackend::load_projection(TensorType type, const std::byte* data, int64_t rows, int64_t cols) {
  if (!takes_fp8(rows, cols)) return load_matrix(type, data, rows, cols);
  const size_t held = weight_bytes_, bytes = Copies::bytes(rows, cols);
  const Weight plain = load_matrix(type, data, rows, cols);
  const Bf16* from = unpacked(plain);  // (rows, cols)
  const int64_t stride = stored_stride(rows, cols);
  Weight weight{nullptr, TensorType::BF16, rows, cols, {device_allocate(bytes), device_release}, true};
  const Copies to = copies_of(weight);
  quantise_frozen(to.w, from, rows, cols, stride);
  auto* turned = bf16(scratch(kRows, static_cast<size_t>(rows * cols) * sizeof(Bf16)));  // (cols, rows)
  launch(transpose, dim3(blocks_for(cols, kTile), blocks_for(rows, kTile)), kThreads, 0, stream_, turned, from, rows,
         cols, stride);
  quantise_frozen(to.transposed, turned, cols, rows, rows);
  weight_bytes_ = held + bytes;
  return weight;
}

// c (M, n) = x (M, k) times the k columns of w's rows (n) + what LoRA adds + addend. LoRA's factor has a row for each
// of w's (B), or with `turned` a column (A).
void CudaBackend::fp8_product(Activation* c, const Activation* x, const Fp8Rows& w, const LowRank& lora, bool turned,
                              const Activation* addend, int64_t M, int64_t n, int64_t k) {
  const int64_t width = Fp8Columns::width(lora.R), margin = w.stride - k;
  const bool joins = lora.u && width <= margin;
  if (lora.u && !joins) {
    products_->run({M, n, lora.R, {lora.u, lora.stride}, {lora.factor, turned ? n : lora.R, !turned}, c, n, addend});
    addend = c;
  }
  const int64_t stride = k + (joins ? margin : 0);
  const auto values = static_cast<size_t>(M * stride), floats = static_cast<size_t>(M + 2 * Fp8Columns::kRatios);
  auto* memory = static_cast<uint8_t*>(scratch(kRows, values + floats * sizeof(float)));
  const Fp8Rows rows{memory, stride, reinterpret_cast<float*>(memory + values)};
  Fp8Columns columns;
  if (joins) {
    const int64_t row = turned ? 1 : lora.R, rank = turned ? n : 1;
    columns = {bf16(lora.u), lora.stride, lora.R, bf16(lora.factor), row, rank, w, n, k, rows.scales + M};
  }
  quantise_rows(rows, bf16(x), M, k, k, nullptr, columns, stream_);
  products_->run({M,
                  n,
                  k + (joins ? width : 0),
                  {rows.values, rows.stride},
                  {w.values, w.stride, true},
                  c,
                  n,
                  addend,
                  1,
                  Number::E4m3,
                  Number::Bf16,
                  rows.scales,
                  w.scales});
}

void CudaBackend::fp8_forward(Activation* y, const Activation* x, const Weight& w, const LowRank& lora,
                              const Activation* residual, int64_t M) {
  fp8_product(y, x, copies_of(w).w, lora, false, residual, M, w.rows, w.cols);
}

void CudaBackend::fp8_backward(Activation* dx, const Activation* dy, const Weight& w, const LowRank& lora, int64_t M,
                               bool accumulate) {
  fp8_product(dx, dy, copies_of(w).transposed, lora, true, accumulate ? dx : nullptr, M, w.cols, w.rows);
}

}  // namespace spark::cuda
