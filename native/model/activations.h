// What the trunk keeps between forward and backward, and how much of it is computed again instead.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/lora.h"
#include "model/weights.h"

namespace spark {

// None keeps everything. Cheap does not keep the norms' outputs and silu(gate) ⊙ up, a third of the bytes; computing
// them again costs two passes over memory. Block keeps only the input of each block and runs the block's forward pass
// again, which takes a third more time. Offload does the same but keeps these inputs in host memory, on backends with
// memory of their own, so that only two of them are on the device.
enum class Recompute { None, Cheap, Block, Offload };
const char* recompute_name(Recompute recompute);  // none, cheap, block, offload
inline bool keeps_inputs_alone(Recompute recompute) { return recompute >= Recompute::Block; }

// Rows of the trunk's output that somebody reads. From its attention's output on, the last block computes only these: a
// row that nobody reads has no gradient either. A critic reads one row a step, a policy about half of a trajectory.
struct RowsRead {
  int64_t count = 0;              // M
  const int32_t* rows = nullptr;  // (M) distinct; null: all N rows
};

// What one block keeps for its backward pass. From the attention's output on it has M rows: all N, or in the last block
// the rows that are read.
struct BlockActivations {
  int64_t M = 0;
  const int32_t* rows = nullptr;                        // (M) where they lie among the N; null: M = N, all
  Activation* x = nullptr;                              // (N, C) block input; with Offload valid only after a fetch
  Activation* norm1 = nullptr;                          // (N, C)
  float* rstd1 = nullptr;                               // (N)
  Activation *q = nullptr, *k = nullptr, *v = nullptr;  // (N, H D), (N, K D) twice; q and k normed and turned
  Activation *q_raw = nullptr, *k_raw = nullptr;        // (N, H D), (N, K D) before their norm; else null
  float *q_rstd = nullptr, *k_rstd = nullptr;           // (N, H), (N, K) of that norm; else null
  Activation* o = nullptr;                              // (N, H D)
  float* lse = nullptr;                                 // (N, H)
  Activation *mid = nullptr, *norm2 = nullptr;          // (M, C) twice
  float* rstd2 = nullptr;                               // (M)
  Activation *gate = nullptr, *up = nullptr, *hidden = nullptr;  // (M, F) each
  Activation* u[kProjections] = {};  // (N or M, S): scale · x Aᵀ of each stack of LoRA, at its first projection
};

struct SavedActivations {
  Recompute recompute = Recompute::None;
  std::vector<BlockActivations> blocks;  // by layer; with Cheap they share the memory of what is computed again, with
                                         // Block only M, rows and x are set
};

}  // namespace spark
