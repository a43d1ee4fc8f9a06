// A LoRA adapter's parameters, laid out and found again. `y = x Wᵀ + (alpha / R) (x Aᵀ) Bᵀ` on each chosen projection.
#pragma once

#include <array>
#include <vector>

#include "model/config.h"
#include "model/parameters.h"
#include "model/weights.h"

namespace spark {

struct LoraSpec {
  int rank = 8;
  float alpha = 16;
  std::array<bool, kProjections> enabled{};  // by Projection
  float scale() const { return alpha / static_cast<float>(rank); }
};

// Pointers into a ParameterSet; all null where the projection has no adapter.
struct LoraPair {
  const float *a = nullptr, *b = nullptr;  // (R, in), (out, R)
  float *da = nullptr, *db = nullptr;      // gradients of the call in progress
};

struct LoraView {
  int rank = 0;
  float scale = 0;
  std::vector<std::array<LoraPair, kProjections>> layers;
};

// Adds `blk.N.attn_q.weight.lora_a` (R, C_in), `.lora_b` (C_out, R), … layer by layer in Projection's order.
void add_lora_parameters(ParameterLayout& layout, const LlamaConfig& config, const LoraSpec& spec);
// A normal with deviation 1/√C_in, so that x Aᵀ starts at the size of x; B zero, so that the adapter starts as the
// base.
void initialize_lora(ParameterSet& parameters, uint64_t seed);
// `parameters` begins with what add_lora_parameters added.
LoraView view_lora(const ParameterSet& parameters, const LlamaConfig& config, const LoraSpec& spec);

}  // namespace spark
