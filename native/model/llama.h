// The trunk of a Llama or Qwen model, forward and backward, written once over Backend: from tokens to the last layer's
// residual stream, before the final norm. What reads that stream (log-probs, values) is in output_head.h.
#pragma once

#include <atomic>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/activations.h"
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
  std::vector<int32_t> on_host;  // (N) the tokens
};

class Llama {
 public:
  Llama(Backend& backend, std::shared_ptr<GgufFile> file, const std::atomic<bool>* cancel = nullptr);

  const LlamaConfig& config() const { return config_; }
  const LlamaWeights& weights() const { return weights_; }
  Backend& backend() const { return backend_; }

  // Returns x (M, C) from the arena, the rows that are read in their order. `lora` null: the base model. With `saved`,
  // what backward needs is left in the arena and listed there, as much of it as saved->recompute says; without, layers
  // reuse one layer's memory.
  const Activation* forward(Arena& arena, const PackedTokens& batch, const RowsRead& read, const LoraView* lora,
                            SavedActivations* saved, const std::atomic<bool>* cancel);
  // dx (M, C) is the gradient of what forward returned, and is overwritten. Adds to every da and db of `lora`. Consumes
  // `saved`: gate, up and the projections' inputs are overwritten, and with Offload also what forward returned.
  void backward(Arena& arena, const PackedTokens& batch, const LoraView& lora, SavedActivations& saved, Activation* dx,
                const std::atomic<bool>* cancel);
  // Rotary angles for positions 0 to count − 1, made now rather than by the next forward.
  void reserve_positions(int64_t count);
  // The first activation that holds NaN or ∞, as "blk.3.ffn_down output", "" when none does. For error messages.
  // x (M, C) is what forward returned.
  std::string first_not_finite(Arena& arena, const SavedActivations& saved, const Activation* x, int64_t M, int64_t N);

 private:
  // A projection and its output, or the output's gradient.
  using Outputs = std::initializer_list<std::pair<Projection, Activation*>>;

  // llama.cpp
  void allocate_low_rank(BlockActivations& a, Arena& arena, ProjectionGroup group, int64_t rows, int64_t layer,
                         const LoraView* lora) const;
  void allocate_attention(BlockActivations& a, Arena& arena, int64_t N, int64_t layer, const LoraView* lora) const;
  void allocate_feed_forward(BlockActivations& a, Arena& arena, int64_t layer, const LoraView* lora) const;
  std::vector<Activation*> allocate_inputs(Arena& arena, int64_t N, int64_t M, bool turns) const;
  const Activation* rows_of(Arena& arena, const Activation* x, const BlockActivations& a, int64_t width);
  void embed(Arena& arena, Activation* x, const PackedTokens& batch, const LoraView* lora);
  void attention_forward(Arena& arena, BlockActivations& a, int64_t layer, const PackedTokens& batch,
                         const LoraView* lora);
  void feed_forward_forward(BlockActivations& a, int64_t layer, const LoraView* lora);
  void down_forward(Activation* out, BlockActivations& a, int64_t layer, const LoraView* lora);
  void block_forward(Arena& arena, Activation* out, BlockActivations& a, int64_t layer, const PackedTokens& batch,
                     const LoraView* lora);
  void passing_block_forward(Arena& arena, Activation* out, BlockActivations a, int64_t layer,
                             const PackedTokens& batch, const LoraView* lora);
  void project(Outputs outputs, const BlockActivations& a, const Activation* x, const Activation* residual,
               int64_t layer, int64_t N, const LoraView* lora);
  Rope rope() const { return {rope_.floats(), config_.rotary, config_.rope_halves}; }

  // llama_backward.cpp
  void fetch_ahead(const SavedActivations& saved, int64_t layer, int64_t N);
  void recompute_attention(Arena& arena, BlockActivations& a, Recompute kind, int64_t layer, const PackedTokens& batch,
                           const LoraView& lora);
  void recompute_feed_forward(Arena& arena, BlockActivations& a, Recompute kind, int64_t layer, const LoraView& lora);
  void attention_backward(Arena& arena, BlockActivations& a, int64_t layer, const PackedTokens& batch,
                          const LoraView& lora, Activation* dx, Activation* dx_all);
  Activation* norm_heads_backward(Arena& arena, Activation* dy, const Activation* x, const float* rstd, const Vector& w,
                                  int64_t N);
  void embed_backward(Arena& arena, const Activation* dx, const PackedTokens& batch, const LoraFactors& lora);
  void feed_forward_backward(Arena& arena, BlockActivations& a, int64_t layer, const LoraView& lora, Activation* dx);
  // dx (N, in) is written; null when nothing below wants it.
  void project_backward(Activation* dx, Outputs gradients, Arena& arena, const BlockActivations& a, const Activation* x,
                        int64_t layer, int64_t N, const LoraView& lora);

  Backend& backend_;
  LlamaConfig config_;
  LlamaWeights weights_;
  Buffer rope_;  // (positions, rotary / 2, 2): cos, sin
  int64_t rope_positions_ = 0;
};

}  // namespace spark
