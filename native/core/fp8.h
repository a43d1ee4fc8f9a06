// e4m3, the 8-bit float of matrix products: a sign, four bits of exponent, three of mantissa, no infinity; at most 448,
// normal from 2^-6, steps of 2^-9 below that. The conversions are those of the device's instruction (cvt.rn.satfinite):
// to the nearest, ties to even, what is too large becomes 448, NaN stays NaN.
#pragma once

#include <bit>
#include <cstdint>

namespace spark {

constexpr float kLargestE4m3 = 448;

// Moving exponent and mantissa into a float leaves the exponent 120 too small: one multiplication mends normals and
// subnormals alike.
constexpr float e4m3_to_float(uint8_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80u) << 24, magnitude = bits & 0x7fu;
  const float scaled = std::bit_cast<float>(magnitude << 20) * 0x1p120f;
  const uint32_t special = magnitude == 0x7f ? 0x7fc00000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(scaled) | special | sign);
}

inline uint8_t float_to_e4m3(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 24) & 0x80u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint8_t>(sign | 0x7fu);
  if (magnitude >= 0x43e00000u) return static_cast<uint8_t>(sign | 0x7eu);  // from 448 on
  if (magnitude < 0x3c800000u) {
    // Steps of 2^-9 are the last place of a float near 2^14: adding that rounds to them.
    return static_cast<uint8_t>(sign |
                                (std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0x1p14f) - 0x46800000u));
  }
  const uint32_t nearest = magnitude + 0x7ffffu + ((magnitude >> 20) & 1u);
  return static_cast<uint8_t>(sign | ((nearest - 0x3c000000u) >> 20));  // the exponent's bias: 127 to 7
}

}  // namespace spark
