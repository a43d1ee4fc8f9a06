// The shape of a model, read from GGUF metadata. One trunk serves three architectures: `llama`, `qwen2` (a bias on q, k
// and v) and `qwen3` (a norm on each head of q and k). Metadata keys begin with the architecture's name.
#pragma once

#include <cstdint>
#include <string>

#include "core/gguf.h"
#include "model/projections.h"

namespace spark {

struct LlamaConfig {
  std::string architecture, name;  // general.architecture, general.name
  int64_t width = 0;               // C, ·.embedding_length
  int64_t layers = 0;              // L, ·.block_count
  int64_t heads = 0;               // H, ·.attention.head_count
  int64_t kv_heads = 0;            // K, ·.attention.head_count_kv
  int64_t head_size = 0;           // D, ·.attention.key_length, else C / H
  int64_t feed_forward = 0;        // F, ·.feed_forward_length
  int64_t vocabulary = 0;          // V, rows of token_embd.weight
  int64_t context_length = 0;      // ·.context_length
  int64_t rotary = 0;              // ·.rope.dimension_count, else D; all of a head's values turn
  double rope_base = 10000;        // ·.rope.freq_base
  double rope_scale = 1;           // positions are divided by it: ·.rope.scaling.factor with type `linear`
  float norm_epsilon = 1e-5f;      // ·.attention.layer_norm_rms_epsilon
  bool qkv_bias = false;           // the architecture has biases on q, k and v
  bool qk_norm = false;            // the architecture norms each head of q and k before it turns
  bool rope_halves = false;        // which pairs turn: struct Rope in ops/backend.h

  int64_t q_width() const { return heads * head_size; }
  int64_t kv_width() const { return kv_heads * head_size; }
  BlockWidths widths() const { return {width, q_width(), kv_width(), feed_forward}; }
};

// Throws unsupported_file for another architecture or rope scaling, invalid_file for sizes that cannot be.
LlamaConfig read_config(const GgufFile& file);

}  // namespace spark
