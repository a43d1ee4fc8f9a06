// Rows in e4m3 with a scale each, and LoRA's part as more columns of them (fp8_rows.cu).
#pragma once

#include "cuda/device.h"
#include "cuda/runtime.h"

namespace spark::cuda {

constexpr float kLeastScaled = 0x1p-100f;  // as the largest of a row: 448 / kLeastScaled is finite

// Rows of e4m3 that a product reads: `stride` bytes from row to row, each to be multiplied by its scale.
struct Fp8Rows {
  uint8_t* values = nullptr;
  int64_t stride = 0;
  float* scales = nullptr;
};

// LoRA's two factors as columns of e4m3 behind x and behind W: Σ over them of x's and W's is what Σ over r of u's and
// the factor's is. Four of each rank: a value is the sum of two digits of e4m3, a large one and what it leaves, and a
// product of two values is that of each digit with each.
struct Fp8Columns {
  static constexpr int kDigits = 4;
  static constexpr int kRatios = 32;
  const Bf16* u = nullptr;       // (M, R), `stride` values from row to row
  int64_t stride = 0, R = 0;     // 0: LoRA adds no columns
  const Bf16* factor = nullptr;  // value r of row n at n · row + r · rank
  int64_t row = 0, rank = 0;
  Fp8Rows w;                 // its rows (n), with room behind them
  int64_t n = 0, first = 0;  // the first of the columns of w's
  float* ratios = nullptr;   // (2, kRatios): largest and summed |factor| / scale of each part
  int parts = 0;             // at most kRatios; quantise_rows sets it

  // Whole 16 bytes, as products want them; what is not LoRA's is zeros.
  static constexpr int64_t width(int64_t R) { return (kDigits * R + 15) / 16 * 16; }
};

// to (rows, cols) = x / scale, scales (rows) = max |x| / 448, or max |u c| / 448 where that is more; x has `stride`
// values from row to row. With columns of LoRA's also those, of `to` and of w. `least` (1), or null: what counts as the
// largest of a row where that is less.
void quantise_rows(Fp8Rows to, const Bf16* x, int64_t rows, int64_t cols, int64_t stride, const float* least,
                   Fp8Columns lora, Stream stream);

// least (1) = the largest of all rows by 2^-8. A row that is smaller than that has more room than it needs: 448 / 2^8
// is still 7 binades above the smallest normal value.
void find_least(float* least, const float* scales, int64_t rows, Stream stream);

}  // namespace spark::cuda
