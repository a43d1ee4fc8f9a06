#include "model/adapter_refusal.h"

#include <algorithm>
#include <iterator>

#include "core/error.h"

namespace spark {

namespace {

// Kinds that PEFT itself turns into LoRA: they add a matrix to a weight.
constexpr const char* kConvertible[] = {"LOHA",      "LOKR",  "VERA",    "RANDLORA", "SHIRA",   "HIRA",
                                        "C3A",       "MISS",  "VBLORA",  "DELORA",   "GRALORA", "WAVEFT",
                                        "FOURIERFT", "PSOFT", "UNILORA", "TINYLORA"};
// Kinds whose tokens or states a model reads beside its prompt: no weight changes.
constexpr const char* kPrompts[] = {
    "PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "ADAPTION_PROMPT", "CPT", "CARTRIDGE"};

bool is_one_of(auto&& list, const std::string& name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

struct Sort {
  const char* part;  // of the tensor's name
  const char* what;  // it is
};

// The first whose part the name holds.
constexpr Sort kSorts[] = {
    {"lora_magnitude_vector", "DoRA (use_dora)"},
    {"modules_to_save", "a whole weight beside the LoRA (modules_to_save)"},
    {"trainable_tokens", "whole rows of the embedding (trainable_token_indices)"},
    {"lora_B.bias", "a bias of its own (lora_bias)"},
    {"_norm.", "the weight of a norm, which is no LoRA, and which llama.cpp leaves out"},
    {"layernorm", "the weight of a norm, which is no LoRA"},
    {".bias", "a bias beside the LoRA (bias all or lora_only)"},
};

}  // namespace

void refuse_kind(const std::string& source, const std::string& peft_type) {
  std::string advice = kMergeAdvice;
  if (is_one_of(kConvertible, peft_type)) {
    advice = "let PEFT write it as LoRA (peft.save_as_lora(folder, model, rank)), or " + advice;
  } else if (is_one_of(kPrompts, peft_type)) {
    advice = "it changes no weight, so that nothing can be merged or converted: train a LoRA instead";
  }
  throw Error("unsupported_file", source + ": peft_type: expected LORA, got " + peft_type + "; " + advice);
}

void refuse_tensor(const std::string& source, const std::string& tensor, const LoraShapes& shapes) {
  const std::string place = source + ": tensor " + tensor + ": ";
  const auto has = [&](const char* part) { return tensor.find(part) != std::string::npos; };
  for (const Sort& sort : kSorts) {
    if (has(sort.part)) {
      throw Error("unsupported_file", place + "expected plain LoRA, got " + sort.what + "; " + kMergeAdvice);
    }
  }
  const bool lora = has("lora_");
  if (!lora) {
    throw Error("unsupported_file", place + "expected plain LoRA, got a whole weight; " + kMergeAdvice);
  }
  throw Error("adapter_mismatch",
              place +
                  "expected LoRA pairs of the embedding, the output and q, k, v, o, gate, up, down in layers 0 to " +
                  std::to_string(shapes.layers - 1) +
                  "; the adapter belongs to another model, or adapts weights that this one does not have");
}

}  // namespace spark
