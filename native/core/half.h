// The two 16-bit floats: to fp32 exactly, from fp32 to the nearest (ties to even; what is too large becomes infinite).
// Branch-free where the compiler must vectorise over a row, constexpr where a kernel calls it.
#pragma once

#include <bit>
#include <cstdint>

namespace spark {

constexpr float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// IEEE binary16. Moving exponent and mantissa into a float leaves the exponent 112 too small: one multiplication by
// 2^112 mends normals and subnormals alike; infinities and NaN get their exponent set.
constexpr float f16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(bits & 0x7fffu) << 13;
  const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
  const uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | special | sign);
}

inline uint16_t float_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t nearest = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<uint16_t>(value == value ? nearest : (bits >> 16) | 0x40u);  // NaN stays one
}

inline uint16_t float_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x47800000u) {  // from 2^16 on: infinite, or NaN
    return static_cast<uint16_t>(sign | (magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u));
  }
  if (magnitude < 0x38800000u) {
    // Below 2^-14 a half counts steps of 2^-24, the last place of a float near 1/2: adding 1/2 rounds to them.
    return static_cast<uint16_t>(sign |
                                 (std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u));
  }
  const uint32_t nearest = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((nearest - 0x38000000u) >> 13));  // the exponent's bias: 127 to 15
}

}  // namespace spark
