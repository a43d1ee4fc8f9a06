// From fp32 to the plain tensor types: F32, F16, BF16 and Q8_0. The others are not written: finding their scales takes
// a search.
#pragma once

#include "core/gguf.h"

namespace spark {

bool can_quantize(TensorType type);

// `count` is a multiple of the type's block. False when a value is not finite or too large for the type: `out` is then
// not to be used.
bool quantize(TensorType type, const float* values, std::byte* out, int64_t count);

}  // namespace spark
