// The two 16-bit floats, to fp32, exactly. Branch-free where the compiler must vectorise over a row.
#pragma once

#include <bit>
#include <cstdint>

namespace spark {

inline float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// IEEE binary16. Moving exponent and mantissa into a float leaves the exponent 112 too small: one multiplication by
// 2^112 mends normals and subnormals alike; infinities and NaN get their exponent set.
inline float f16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7fffu) << 13;
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | special | sign);
}

}  // namespace spark
