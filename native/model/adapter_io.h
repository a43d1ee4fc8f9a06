// LoRA adapters on disk, in the two formats the world reads: llama.cpp's GGUF LoRA and a Hugging Face PEFT folder.
// In memory an adapter is the GGUF form: names `blk.N.attn_q.weight.lora_a`, lora_a (R, C_in), lora_b (C_out, R), and
// the rows of q and k in the order of the base weights. A Llama GGUF has them ordered for interleaved rotary pairs, and
// PEFT wants them in Hugging Face's order (first halves, then second halves of each head): save_peft and load_lora then
// permute lora_b of q and k. Qwen's GGUFs keep Hugging Face's order. The embedding's lora_a is (V, R) here, and (R, V)
// in PEFT.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/lora_weight.h"
#include "core/named_tensor.h"
#include "model/projections.h"

namespace spark {

// What an adapter's shapes must agree with.
struct LoraShapes {
  int64_t layers = 0, width = 0, heads = 0, kv_heads = 0, head_size = 0, feed_forward = 0;  // L, C, H, K, D, F
  int64_t vocabulary = 0;                                                                   // V
  bool tied = false;  // the output projection is the embedding
  std::string architecture = "llama";
  bool interleaved_rope = true;  // rows of q and k are ordered for interleaved rotary pairs
  std::string base_name;         // general.name of the base, "" when unknown; written into the PEFT configuration

  BlockWidths widths() const { return {width, heads * head_size, kv_heads * head_size, feed_forward}; }
};

struct LoraTensors {
  int rank = 0;                      // of most weights
  float alpha = 0;                   // of most weights; a weight's scale is alpha / rank
  std::vector<std::string> targets;  // of q, k, v, o, gate, up, down; filled by load_lora, not read when saving
  std::vector<NamedTensor> tensors;  // load_lora: layer by layer, targets in the order above, lora_a before lora_b
  // Weights in the tensors' order (the embedding, layer by layer, the head), with their own ranks and alphas; filled by
  // load_lora. Saving reads the alphas here, and that above where this is empty.
  std::vector<LoraWeight> weights;
};

// All three check names and shapes against `shapes` (adapter_mismatch, naming the tensor) and refuse a value that is
// not finite. Any weights of any layers may have a pair, each with a rank of its own. The savers write beside `path`
// and rename, and throw invalid_argument when `path` exists.
//
// A GGUF has one alpha. Where weights have others, theirs goes into lora_b: B · alpha / (the file's), which computes
// the same and is exact for powers of two. Throws invalid_argument for LoRA on the embedding or the head of a model
// where they are one matrix: llama.cpp cannot apply it.
void save_gguf_lora(const std::string& path, const LoraTensors& lora, const LoraShapes& shapes);
void save_peft(const std::string& folder, const LoraTensors& lora, const LoraShapes& shapes);
// A folder is read as PEFT, also by the name of a file in it; any other file as GGUF. Tensors of every type core/gguf.h
// reads come back as fp32. Kinds of adapters that are no plain LoRA are refused by name (unsupported_file).
LoraTensors load_lora(const std::string& path, const LoraShapes& shapes);

}  // namespace spark
