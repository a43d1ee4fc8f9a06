// A model as a GGUF of its own: a LoRA adapter merged into its base, or the base in another plain type. Everything that
// is not a weight (tokenizer, chat template, …) goes over byte for byte.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/gguf.h"
#include "core/lora_weight.h"
#include "core/named_tensor.h"

namespace spark {

// What is merged: W' = W + alpha / R · B A for every `<weight>.lora_a` (R, in), `<weight>.lora_b` (out, R). Names and
// rows are the GGUF's own, so nothing is permuted, whatever the architecture.
struct MergeLora {
  std::vector<NamedTensor> tensors;  // none: nothing is merged
  std::vector<LoraWeight> weights;   // whose tensors these are
};

struct SavedModel {
  uint64_t bytes = 0;
  std::map<std::string, int> tensor_types;  // as written
  int merged = 0;                           // tensors the adapter changed
  int unpacked = 0;                         // of them, tensors that `keep` wrote as F16 for want of a quantiser
};

// `type`: keep, F32, F16, BF16 or Q8_0.
//   keep   every tensor in its own type; a merged one in F16 when its own is a type that quantize() does not write
//   other  all matrices in this type, but in Q8_0 those whose rows are no multiple of 32 in F16. Vectors (norms,
//   biases)
//          stay as they are, and with F32 become fp32 too
// Throws as GgufCopy::write, adapter_mismatch for a tensor that the base has not, invalid_argument for another type.
SavedModel save_model(const std::string& path, const GgufFile& base, const std::string& type, const MergeLora& lora,
                      const std::atomic<bool>* cancel);

}  // namespace spark
