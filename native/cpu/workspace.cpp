// How much scratch ops of given sizes leave behind on the CPU. Scratch only grows (cpu_backend.h), so it ends as large
// as the hungriest op asks for: each thread's, and what the team shares.
#include <algorithm>

#include "cpu/cpu_backend.h"

namespace spark {

size_t CpuBackend::workspace_bytes(const OpSizes& sizes) const {
  const bool f32 = compute_ == Compute::F32;
  int64_t attention = 0;  // floats of a thread, for one tile
  int64_t prefix = 0;     // floats of the team: dk and dv of a prefix
  for (const auto& a : sizes.attention) {
    attention = std::max(attention, attention_scratch(a.longest, a.head_size));
    prefix = std::max(prefix, 2 * a.prefix * a.kv_heads * a.head_size);
  }

  bool unpacks = false;            // some matrix is of a type that products do not read
  int64_t widest = 0;              // row of a matrix, either way round
  int64_t input_gradient = 0;      // M · in, summed in fp32 panel by panel
  int64_t low_rank = 0, rows = 0;  // values of a factor of LoRA, and M · R
  for (const auto* products : {&sizes.linear, &sizes.output}) {
    for (const auto& p : *products) {
      unpacks = unpacks || p.type != (f32 ? TensorType::F32 : TensorType::BF16);
      widest = std::max({widest, p.rows, p.cols});
      input_gradient = std::max(input_gradient, p.M * p.cols);
      low_rank = std::max(low_rank, std::max(p.rows, p.cols) * p.R), rows = std::max(rows, p.M * p.R);
    }
  }
  for (const auto& l : sizes.lora) low_rank = std::max(low_rank, l.width * l.R), rows = std::max(rows, l.M * l.R);

  const int64_t panel = unpacks ? std::max(panel_values(widest, widest), int64_t{1} << 20) : 0;
  int64_t own = std::max(attention, low_rank);  // floats of a thread
  int64_t shared = std::max(panel, low_rank);   // floats of the team
  if (!f32) {
    own = std::max(own, widest);  // a row before it is rounded
    const int64_t sums = std::max(unpacks ? input_gradient : 0, rows);
    shared = std::max({panel / 2, low_rank, prefix}) + sums;
  }
  return static_cast<size_t>(own * threads_ + shared) * sizeof(float);
}

}  // namespace spark
