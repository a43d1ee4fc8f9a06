// The frozen weights of a Llama or Qwen model on a backend. Names and shapes are llama.cpp's; every tensor is checked.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/projections.h"
#include "ops/backend.h"
#include "ops/buffer.h"

namespace spark {

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

// Sets config.vocabulary. Throws invalid_file naming a missing or misshapen tensor, unsupported_file for one that would
// change the result and that we do not compute (a bias elsewhere than on q, k, v), `interrupted` when cancel turns true
// between tensors.
LlamaWeights load_weights(Backend& backend, std::shared_ptr<GgufFile> file, LlamaConfig& config,
                          const std::atomic<bool>* cancel);

}  // namespace spark
