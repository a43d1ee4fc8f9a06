// What AdamW's update needs of its coefficients, the same on every backend:
//   w ← w · decay − step_size · m / (√v · inverse_root2 + ε)
#pragma once

#include <cmath>

#include "ops/backend.h"

namespace spark {

struct AdamwUpdate {
  float decay, beta1, beta2, step_size, inverse_root2, epsilon, grad_scale;
};

// Bias corrections in double: 1 − β₂ᵗ of the first steps is small.
inline AdamwUpdate adamw_update(const AdamwCoefficients& c) {
  const double correction1 = 1.0 - std::pow(static_cast<double>(c.beta1), static_cast<double>(c.step));
  const double correction2 = 1.0 - std::pow(static_cast<double>(c.beta2), static_cast<double>(c.step));
  return {1.0f - c.learning_rate * c.weight_decay,
          c.beta1,
          c.beta2,
          static_cast<float>(c.learning_rate / correction1),
          static_cast<float>(1.0 / std::sqrt(correction2)),
          c.epsilon,
          c.grad_scale};
}

}  // namespace spark
