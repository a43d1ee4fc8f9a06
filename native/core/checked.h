// Sizes from a file are numbers an attacker chose: arithmetic on them says when it overflows.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace spark {

inline std::optional<uint64_t> checked_multiply(uint64_t a, uint64_t b) {
  uint64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

// Number of values of a shape, or nothing when a dimension is below 1 or the product passes int64.
inline std::optional<int64_t> element_count(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t dimension : shape) {
    if (dimension < 1 || __builtin_mul_overflow(count, dimension, &count)) return std::nullopt;
  }
  return count;
}

}  // namespace spark
