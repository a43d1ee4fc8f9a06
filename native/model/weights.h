// The frozen weights of a Llama or Qwen model on a backend. Names and shapes are llama.cpp's; every tensor is checked.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "model/config.h"
#include "ops/backend.h"
#include "ops/buffer.h"

namespace spark {

// The seven projections, in the order adapters list them.
enum class Projection { Q, K, V, O, Gate, Up, Down };
constexpr int kProjections = 7;
const char* projection_target(Projection p);  // q, k, v, o, gate, up, down
const char* projection_tensor(Projection p);  // attn_q, …, ffn_down

// Projections that read the same input, and so share one stacked LoRA A.
enum class ProjectionGroup { Qkv, O, GateUp, Down };
constexpr int kGroups = 4;
ProjectionGroup projection_group(Projection p);

struct BlockWeights {
  Vector attention_norm;             // attn_norm (C)
  Vector feed_forward_norm;          // ffn_norm (C)
  Vector q_norm, k_norm;             // attn_q_norm, attn_k_norm (D); empty where the architecture has none
  Weight projections[kProjections];  // q (H D, C), k and v (K D, C), o (C, H D), gate and up (F, C), down (C, F)
  Vector biases[kProjections];       // attn_q.bias, attn_k.bias, attn_v.bias (out); empty where the file has none
};

struct LlamaWeights {
  std::shared_ptr<GgufFile> file;  // keeps the map that fp32 weights point into
  Weight embedding;                // token_embd (V, C)
  Weight output;                   // output (V, C); the embedding when the file has none (tied)
  Vector output_norm;              // output_norm (C)
  std::vector<BlockWeights> blocks;
  std::vector<float> rope_factors;  // rope_freqs (rotary / 2), on the host; empty when absent
  int64_t parameters = 0;
};

// (out, in) of a projection.
struct ProjectionShape {
  int64_t out = 0, in = 0;
};
ProjectionShape projection_shape(const LlamaConfig& config, Projection p);

// Sets config.vocabulary. Throws invalid_file naming a missing or misshapen tensor, unsupported_file for one that would
// change the result and that we do not compute (a bias elsewhere than on q, k, v), `interrupted` when cancel turns true
// between tensors.
LlamaWeights load_weights(Backend& backend, std::shared_ptr<GgufFile> file, LlamaConfig& config,
                          const std::atomic<bool>* cancel);

}  // namespace spark
