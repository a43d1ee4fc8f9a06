// What the two adapter formats share: which tensors there are, what they are called, how large they must be.
// Private to adapter_io.cpp and adapter_peft.cpp.
#pragma once

#include <string>

#include "model/adapter_io.h"

namespace spark {

std::string lora_tensor_name(int64_t layer, const ProjectionEntry& projection, bool b);

// Checks and orders the tensors and fills `targets`; `source` is the file for the message.
LoraTensors check_lora(const std::string& source, LoraTensors lora, const LoraShapes& shapes);

LoraTensors load_peft(const std::string& folder, const LoraShapes& shapes);

}  // namespace spark
