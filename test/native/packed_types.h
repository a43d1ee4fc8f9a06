// Quantised matrices of random bits, for every packed type there is.
#pragma once

#include <cstdint>
#include <vector>

#include "core/gguf.h"

namespace spark_test {

struct PackedType {
  spark::TensorType type;
  size_t bytes;                // of a block
  std::vector<size_t> halves;  // where its half-precision factors are
};

// Blocks of random bits, but for the factors, which become positive numbers between 1/16 and 1.
inline std::vector<std::byte> random_blocks(const PackedType& t, size_t count) {
  std::vector<std::byte> data(t.bytes * count);
  uint64_t state = 7;
  for (std::byte& b : data) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    b = static_cast<std::byte>(state >> 56);
  }
  for (size_t block = 0; block < count; ++block) {
    for (const size_t at : t.halves) {
      std::byte& high = data[block * t.bytes + at + 1];
      high = static_cast<std::byte>(0x2c + (static_cast<unsigned>(high) & 15));
    }
  }
  return data;
}

inline const std::vector<PackedType> kPackedTypes{{spark::TensorType::Q8_0, 34, {0}},
                                                  {spark::TensorType::Q4_0, 18, {0}},
                                                  {spark::TensorType::Q4_K, 144, {0, 2}},
                                                  {spark::TensorType::Q5_K, 176, {0, 2}},
                                                  {spark::TensorType::Q6_K, 210, {208}}};

}  // namespace spark_test
