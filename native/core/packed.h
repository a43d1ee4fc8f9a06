// Every packed tensor type's unpacker, for processor and GPU, and how to call the one of a type that is known at run
// time.
#pragma once

#include "core/packed/grids.h"
#include "core/packed/k.h"
#include "core/packed/levels.h"
#include "core/packed/plain.h"
#include "core/packed/ternary.h"

namespace spark {

// f(Packed<TYPE>()) for a packed type; false for the others.
template <class F>
bool with_packed(TensorType type, F&& f) {
  switch (type) {
#define PACKED(name, number, values, bytes) \
  case TensorType::name:                    \
    return f(Packed<TensorType::name>()), true;
#include "core/tensor_types.inc"
    default:
      return false;
  }
}

}  // namespace spark
