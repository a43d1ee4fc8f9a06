// What the reader must know of a tensor type beyond its number.
#pragma once

#include <string>

#include "core/gguf.h"

namespace spark {

bool tensor_type_supported(uint32_t type);
int64_t tensor_type_block(TensorType type);  // values in one block
std::string type_label(uint32_t type);       // "F16", or "type 99"
std::string tensor_type_names();             // of those that are read: "F32, F16, …"

}  // namespace spark
