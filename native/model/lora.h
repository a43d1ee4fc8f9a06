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

// Pointers into a ParameterSet: factors as products read them (refresh_factors()), gradients of the call in progress.
struct LoraPair {
  const Activation* b = nullptr;  // (out, R); null where the projection has no adapter
  float* db = nullptr;            // (out, R)
  int64_t column = 0;             // its R columns of the group's u begin here
};

// The stacked A of the adapted projections of a group.
struct LoraGroup {
  const Activation* a = nullptr;  // (S, in)
  float* da = nullptr;            // (S, in)
  int64_t rank = 0;               // S, R for each; 0 where no projection of the group has an adapter
};

struct LoraLayer {
  std::array<LoraPair, kProjections> pairs;
  std::array<LoraGroup, kGroups> groups;
};

struct LoraView {
  int rank = 0;  // R
  float scale = 0;
  std::vector<LoraLayer> layers;
};

// Adds `blk.N.attn_q.weight.lora_a` (R, C_in), `.lora_b` (C_out, R), …: layer by layer and group by group, first the A
// of a group without gaps between them, so that they are one matrix, then its B.
void add_lora_parameters(ParameterLayout& layout, const LlamaConfig& config, const LoraSpec& spec);
// A normal with deviation 1/√C_in, so that x Aᵀ starts at the size of x; B zero, so that the adapter starts as the
// base.
void initialize_lora(ParameterSet& parameters, uint64_t seed);
// `parameters` begins with what add_lora_parameters added.
LoraView view_lora(const ParameterSet& parameters, const LlamaConfig& config, const LoraSpec& spec);

}  // namespace spark
