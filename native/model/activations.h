// What the trunk keeps between forward and backward, and how much of it is computed again instead.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/lora.h"
#include "model/weights.h"

namespace spark {

// None keeps everything. Cheap computes the norms' outputs and silu(gate) ⊙ up again: two passes over memory for a
// third of the bytes. Block keeps a block's input alone and runs the block's forward again: a third more time.
enum class Recompute { None, Cheap, Block };
const char* recompute_name(Recompute recompute);  // none, cheap, block

// What one block keeps for its backward pass.
struct BlockActivations {
  const float* x = nullptr;                                  // (N, C) block input
  float *norm1 = nullptr, *rstd1 = nullptr;                  // (N, C), (N)
  float *q = nullptr, *k = nullptr, *v = nullptr;            // (N, H D), (N, K D) twice; q and k normed and turned
  float *q_raw = nullptr, *k_raw = nullptr;                  // (N, H D), (N, K D) before their norm; else null
  float *q_rstd = nullptr, *k_rstd = nullptr;                // (N, H), (N, K) of that norm; else null
  float *o = nullptr, *lse = nullptr;                        // (N, H D), (N, H)
  float *mid = nullptr, *norm2 = nullptr, *rstd2 = nullptr;  // (N, C), (N, C), (N)
  float *gate = nullptr, *up = nullptr, *hidden = nullptr;   // (N, F) each
  float* u[kGroups] = {};                                    // (N, S): x Aᵀ of each adapted group
};

struct SavedActivations {
  Recompute recompute = Recompute::None;
  std::vector<BlockActivations> blocks;  // by layer; with Cheap and Block their recomputed buffers are shared
};

}  // namespace spark
