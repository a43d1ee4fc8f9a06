// What the two adapter formats share: which tensors there are, what they are called, how large they must be.
// Private to adapter_io.cpp and adapter_peft.cpp.
#pragma once

#include <string>
#include <vector>

#include "model/adapter_io.h"

namespace spark {

struct LoraTargetLayout {
  std::string target;  // q
  std::string gguf;    // attn_q
  std::string hf;      // self_attn.q_proj
};
const std::vector<LoraTargetLayout>& lora_target_layouts();  // in the order q, k, v, o, gate, up, down

struct LoraTargetSize {
  int64_t in, out;  // C_in, C_out of the base projection
};
LoraTargetSize lora_target_size(const std::string& target, const LoraShapes& shapes);

std::string lora_tensor_name(int64_t layer, const LoraTargetLayout& layout, bool b);

// Checks and orders the tensors and fills `targets`; `source` is the file for the message.
LoraTensors check_lora(const std::string& source, LoraTensors lora, const LoraShapes& shapes);

LoraTensors load_peft(const std::string& folder, const LoraShapes& shapes);

}  // namespace spark
