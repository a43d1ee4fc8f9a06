// An Activation as a CPU kernel sees it: float or bf16, widened when it is read and rounded when it is written. Kernels
// are templates over the type; what they add up stays fp32.
#pragma once

#include <type_traits>

#include "core/half.h"
#include "cpu/vector.h"
#include "ops/backend.h"

namespace spark {

using Bf16Bits = uint16_t;

SPARK_INLINE float widen(float x) { return x; }
SPARK_INLINE float widen(Bf16Bits x) { return bf16_to_float(x); }

template <class T>
SPARK_INLINE T narrow(float x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
    return float_to_bf16(x);  // to nearest, ties to even; NaN stays NaN
  }
}

// f(T{}) with the type of activations.
template <class F>
void with_activation_type(Compute compute, F&& f) {
  if (compute == Compute::F32) {
    f(float{});
  } else {
    f(Bf16Bits{});
  }
}

}  // namespace spark
