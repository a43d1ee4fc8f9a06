// Quantised matrices of random bits, for every packed type there is.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "core/gguf.h"
#include "core/tensor_type.h"

namespace spark_test {

struct PackedType {
  spark::TensorType type;
  std::vector<size_t> halves;  // where a block has its half-precision factors

  int64_t block() const { return spark::tensor_type_block(type); }  // values
  size_t bytes() const { return spark::tensor_bytes(type, block()); }
};

inline const std::vector<PackedType> kPackedTypes{
    {spark::TensorType::Q8_0, {0}},    {spark::TensorType::Q5_1, {0, 2}}, {spark::TensorType::Q5_0, {0}},
    {spark::TensorType::Q4_1, {0, 2}}, {spark::TensorType::Q4_0, {0}},    {spark::TensorType::Q2_0, {0}},
    {spark::TensorType::Q1_0, {0}},    {spark::TensorType::Q6_K, {208}},  {spark::TensorType::Q5_K, {0, 2}},
    {spark::TensorType::Q4_K, {0, 2}}, {spark::TensorType::Q3_K, {108}},  {spark::TensorType::Q2_K, {80, 82}},
    {spark::TensorType::IQ4_NL, {0}},  {spark::TensorType::IQ4_XS, {0}},  {spark::TensorType::MXFP4, {}},
    {spark::TensorType::NVFP4, {}},    {spark::TensorType::IQ3_S, {0}},   {spark::TensorType::IQ3_XXS, {0}},
    {spark::TensorType::IQ2_S, {0}},   {spark::TensorType::IQ2_XS, {0}},  {spark::TensorType::IQ2_XXS, {0}},
    {spark::TensorType::IQ1_M, {}},    {spark::TensorType::IQ1_S, {0}},   {spark::TensorType::TQ2_0, {64}},
    {spark::TensorType::TQ1_0, {52}},
};

// The commonest, and one whose blocks are of another size: for tests of what is done with a matrix, whatever its type.
inline const std::vector<PackedType> kSomePackedTypes{
    {spark::TensorType::Q8_0, {0}},    {spark::TensorType::Q4_0, {0}},   {spark::TensorType::Q4_K, {0, 2}},
    {spark::TensorType::Q5_K, {0, 2}}, {spark::TensorType::Q6_K, {208}}, {spark::TensorType::Q1_0, {0}},
};

// Random bits, as test/fixtures/make_quant_fixture.py makes them.
inline std::vector<uint8_t> random_bytes(size_t count) {
  std::vector<uint8_t> data(count);
  uint64_t state = 7;
  for (uint8_t& b : data) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    b = static_cast<uint8_t>(state >> 56);
  }
  return data;
}

inline std::vector<std::byte> as_bytes(const std::vector<uint8_t>& data) {
  std::vector<std::byte> out(data.size());
  std::memcpy(out.data(), data.data(), data.size());
  return out;
}

// Blocks of random bits but for factors that are infinite or no number, which lose their exponent's top bit.
inline std::vector<std::byte> finite_blocks(const PackedType& t, size_t count) {
  std::vector<uint8_t> data = random_bytes(t.bytes() * count);
  for (uint8_t* block = data.data(); block != data.data() + data.size(); block += t.bytes()) {
    for (const size_t at : t.halves) {
      if ((block[at + 1] & 0x7c) == 0x7c) block[at + 1] &= 0xbf;
    }
    // Its factor lies in the upper nibbles of four bytes.
    const bool special = t.type == spark::TensorType::IQ1_M && (block[55] & 0x70) == 0x70 && (block[53] & 0xc0) == 0xc0;
    if (special) block[55] &= 0xbf;
  }
  return as_bytes(data);
}

// The same with factors between 1/16 and 1, so that products of such matrices are sums of numbers of one size.
inline std::vector<std::byte> random_blocks(const PackedType& t, size_t count) {
  std::vector<uint8_t> data = random_bytes(t.bytes() * count);
  for (uint8_t* block = data.data(); block != data.data() + data.size(); block += t.bytes()) {
    for (const size_t at : t.halves) block[at + 1] = static_cast<uint8_t>(0x2c + (block[at + 1] & 15));
    if (t.type == spark::TensorType::IQ1_M) {
      block[55] = static_cast<uint8_t>(0x30 | (block[55] & 0x0f));
      block[53] &= 0x7f;
    }
    if (t.type == spark::TensorType::MXFP4) block[0] = static_cast<uint8_t>(123 + block[0] % 4);
    if (t.type == spark::TensorType::NVFP4) {
      for (int i = 0; i < 4; ++i) block[i] = static_cast<uint8_t>(0x18 + block[i] % 32);
    }
  }
  return as_bytes(data);
}

}  // namespace spark_test
