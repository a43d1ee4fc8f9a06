// A LoRA adapter's parameters, laid out and found again. `y = x Wᵀ + (alpha / R) (x Aᵀ) Bᵀ` on each chosen weight.
#pragma once

#include <array>
#include <vector>

#include "model/config.h"
#include "model/parameters.h"
#include "model/weights.h"

namespace spark {

// What one weight gets. Its scale is alpha / rank.
struct LoraSize {
  int rank = 0;  // 0: no adapter
  float alpha = 0;
  float scale() const { return alpha / static_cast<float>(rank); }
};

// Every weight may have a rank and an alpha of its own.
struct LoraSpec {
  std::vector<std::array<LoraSize, kProjections>> layers;  // by layer and Projection
  LoraSize embedding, head;                                // token_embd and output
};

// Pointers into a ParameterSet: factors as products read them (refresh_factors()), gradients of the call in progress.
struct LoraPair {
  const Activation* b = nullptr;  // (out, R); null where the projection has no adapter
  float* db = nullptr;            // (out, R)
  int64_t rank = 0;               // R
  Projection stack{};             // the stack its A lies in
  int64_t column = 0;             // its R columns of the stack's u begin here
};

// The A of those projections of a group that have the same scale, stacked: their x is read once. Ranks may differ.
struct LoraStack {
  const Activation* a = nullptr;  // (S, in)
  float* da = nullptr;            // (S, in)
  int64_t rank = 0;               // S, the sum of its projections' R; 0 where there is no stack
  float scale = 0;                // of all its projections
  Projection last{};              // the last of its projections
};

struct LoraLayer {
  std::array<LoraPair, kProjections> pairs;
  std::array<LoraStack, kProjections> stacks;  // each at its first projection
};

// The one pair of a weight outside the blocks. The embedding's A has a row for each token, (V, R), and its B is (C, R);
// the head's are (R, C) and (V, R).
struct LoraFactors {
  const Activation *a = nullptr, *b = nullptr;
  float *da = nullptr, *db = nullptr;
  int64_t rank = 0;  // R; 0 where there is none
  float scale = 0;
};

struct LoraView {
  std::vector<LoraLayer> layers;
  LoraFactors embedding, head;
};

// Adds `blk.N.attn_q.weight.lora_a` (R, C_in), `.lora_b` (C_out, R), …: layer by layer and stack by stack, first the A
// of a stack without gaps between them, so that they are one matrix, then its B. Before them the embedding's, after
// them the head's.
void add_lora_parameters(ParameterLayout& layout, const LlamaConfig& config, const LoraSpec& spec);
// A normal with deviation 1/√C_in, so that x Aᵀ starts at the size of x; B zero, so that the adapter starts as the
// base.
void initialize_lora(ParameterSet& parameters, uint64_t seed);
// `parameters` begins with what add_lora_parameters added.
LoraView view_lora(const ParameterSet& parameters, const LoraSpec& spec);

}  // namespace spark
