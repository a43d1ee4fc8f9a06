// The Llama trunk, forward and backward, written once over Backend: from tokens to the last layer's residual stream,
// before the final norm. What reads that stream (log-probs, values) is in output_head.h.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/lora.h"
#include "model/weights.h"
#include "ops/backend.h"
#include "ops/buffer.h"

namespace spark {

// A packed batch on the backend.
struct PackedTokens {
  const int32_t* tokens = nullptr;  // (N)
  Packing packing;
};

// What one block keeps for its backward pass.
struct BlockActivations {
  const float* x = nullptr;                                  // (N, C) block input
  float *norm1 = nullptr, *rstd1 = nullptr;                  // (N, C), (N)
  float *q = nullptr, *k = nullptr, *v = nullptr;            // (N, H D), (N, K D) twice; q and k turned
  float *o = nullptr, *lse = nullptr;                        // (N, H D), (N, H)
  float *mid = nullptr, *norm2 = nullptr, *rstd2 = nullptr;  // (N, C), (N, C), (N)
  float *gate = nullptr, *up = nullptr, *hidden = nullptr;   // (N, F) each
  float* u[kProjections] = {};                               // (N, R): x Aᵀ of each adapted projection
};

class Llama {
 public:
  Llama(Backend& backend, std::shared_ptr<GgufFile> file, const std::atomic<bool>* cancel = nullptr);

  const LlamaConfig& config() const { return config_; }
  const LlamaWeights& weights() const { return weights_; }
  Backend& backend() const { return backend_; }

  // Returns x (N, C) from the arena. `lora` null: the base model. With `saved`, everything backward needs is left in
  // the arena and listed there; without, layers reuse one layer's memory.
  const float* forward(Arena& arena, const PackedTokens& batch, const LoraView* lora,
                       std::vector<BlockActivations>* saved, const std::atomic<bool>* cancel);
  // dx (N, C) comes in as the gradient of what forward returned and is destroyed. Adds to every lora da and db;
  // consumes `saved` (gate, up and the projections' inputs are overwritten).
  void backward(Arena& arena, const PackedTokens& batch, const LoraView& lora, std::vector<BlockActivations>& saved,
                float* dx, const std::atomic<bool>* cancel);
  // The first activation that holds NaN or ∞, as "blk.3.ffn_down output", "" when none does. For error messages.
  std::string first_not_finite(const std::vector<BlockActivations>& saved, const float* x, int64_t N) const;

 private:
  BlockActivations allocate_block(Arena& arena, int64_t N, const LoraView* lora) const;
  void block_forward(float* out, BlockActivations& a, int64_t layer, const PackedTokens& batch, const LoraView* lora);
  void attention_block_backward(Arena& arena, BlockActivations& a, int64_t layer, const PackedTokens& batch,
                                const LoraView& lora, float* dx);
  void feed_forward_block_backward(Arena& arena, BlockActivations& a, int64_t layer, int64_t N, const LoraView& lora,
                                   float* dx);
  void project(float* y, float* u, const float* x, int64_t layer, Projection p, int64_t N, const LoraView* lora);
  // dx is written, or added to; null when nothing below wants it.
  void project_backward(float* dx, bool accumulate, float* du, const float* dy, const float* x, const float* u,
                        int64_t layer, Projection p, int64_t N, const LoraView& lora);
  void ensure_positions(int64_t count);

  Backend& backend_;
  LlamaConfig config_;
  LlamaWeights weights_;
  Buffer rope_;  // (positions, rotary / 2, 2): cos, sin
  int64_t rope_positions_ = 0;
};

}  // namespace spark
