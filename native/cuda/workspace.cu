// How much scratch ops of given sizes leave behind on the device. Scratch only grows (cuda_backend.h), so each slot
// ends as large as the hungriest op asks for.
#include <algorithm>

#include "cuda/attention_hopper.h"
#include "cuda/cuda_backend.h"

namespace spark::cuda {

size_t CudaBackend::workspace_bytes(const OpSizes& sizes) const {
  int64_t sums = 0;  // fp32: delta of each row of each head in attention's backward pass, on Hopper with its lse
  for (const auto& a : sizes.attention) {
    const bool hopper = attention_ == AttentionKernels::Hopper;
    sums = std::max(sums, a.heads * (hopper ? 2 * row_stride(a.tokens) : a.tokens));
  }

  int64_t widest = 0;    // row of a matrix, either way round
  int64_t unpacked = 0;  // values of a packed projection, in bf16 before its product
  int64_t joined = 0;    // values of x or dy with LoRA's u beside it
  int64_t eighth = 0;    // bytes of x or dy in e4m3 with their scales, in the same place
  for (const auto& p : sizes.linear) {
    if (takes_fp8(p.rows, p.cols)) {
      // x with room for LoRA's columns, or dy; a scale a row; and what LoRA's factor is measured by
      const auto room = [&p](int64_t margin) { return p.R > 0 && Fp8Columns::width(p.R) <= margin ? margin : 0; };
      const int64_t longest = std::max(p.rows + room(kFp8TransposedMargin), p.cols + room(kFp8Margin));
      eighth = std::max(eighth, p.M * longest + (p.M + 2 * Fp8Columns::kRatios) * static_cast<int64_t>(sizeof(float)));
      continue;
    }
    widest = std::max({widest, p.rows, p.cols});
    if (!loads_as_bf16(p.type)) unpacked = std::max(unpacked, p.rows * p.cols);
    if (p.R > 0) joined = std::max(joined, p.M * (std::min(p.rows, p.cols) + p.R));
  }
  size_t pass = 0;  // bytes of LoRA's sums over parts of dy, in that place too
  for (const auto& l : sizes.lora_up_backward) pass = std::max(pass, lora_pass_bytes(l.M, l.width, l.R));
  int64_t head = 0, head_gradient = 0;  // values of a packed output projection, and M · in of it
  for (const auto& p : sizes.output) {
    widest = std::max({widest, p.rows, p.cols});
    if (loads_as_bf16(p.type)) continue;
    head = std::max(head, p.rows * p.cols);
    head_gradient = std::max(head_gradient, p.M * p.cols);
  }

  const int64_t margin = unpacked > 0 ? kMargin * widest : 0;
  const int64_t panel = std::min(head, std::max(head_panel_, widest));
  if (panel < head) sums = std::max(sums, head_gradient);  // the panels' sum
  const int64_t weights = std::max(unpacked + margin, panel);
  const size_t rows = std::max({static_cast<size_t>(joined) * sizeof(Bf16), static_cast<size_t>(eighth), pass});
  return static_cast<size_t>(weights) * sizeof(Bf16) + rows + static_cast<size_t>(sums) * sizeof(float) +
         Products::kWorkspace;
}

}  // namespace spark::cuda
