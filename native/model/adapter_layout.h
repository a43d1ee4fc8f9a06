// What the two adapter formats share: which tensors there are, what they are called, how large they must be.
// Private to adapter_io.cpp and adapter_peft.cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/adapter_io.h"

namespace spark {

std::string lora_tensor_name(int64_t layer, const ProjectionEntry& projection, bool b);

// The alpha of a weight whose tensors have this rank; may throw where they cannot have it.
using AlphaOf = std::function<float(int64_t layer, const ProjectionEntry& projection, int rank)>;

// Checks and orders the tensors and fills everything else; `source` is the file for the message.
LoraTensors check_lora(const std::string& source, std::vector<NamedTensor> tensors, const LoraShapes& shapes,
                       const AlphaOf& alpha_of);
// The same for what is to be saved.
LoraTensors check_lora(const std::string& source, const LoraTensors& lora, const LoraShapes& shapes);

LoraTensors load_peft(const std::string& folder, const LoraShapes& shapes);

}  // namespace spark
