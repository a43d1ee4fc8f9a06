// Four bits a value, which number one of 16 levels: IQ4's are denser around zero, the FP4 types' are small floats.
#pragma once

#include <bit>

#include "core/packed/block.h"

namespace spark {

SPARK_HD inline float iq4_level(int number) {
  static constexpr int8_t kLevels[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  return kLevels[number];
}

// Twice the float of a sign, two bits of exponent and one of mantissa, so that all are integers.
SPARK_HD inline float fp4_level(int number) {
  static constexpr int8_t kLevels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  return kLevels[number];
}

// half d | 16 bytes of nibbles
template <>
struct Packed<TensorType::IQ4_NL> : BlockOf<TensorType::IQ4_NL, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = read_half(p);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) out[i] = d * iq4_level(nibble(p + 2, first, i));
  }
};

// half d | 16 bits: the upper pairs of eight 6-bit scales | 4 bytes: their nibbles | 8 × 16 bytes of nibbles. Scales
// are offset by 32.
template <>
struct Packed<TensorType::IQ4_XS> : BlockOf<TensorType::IQ4_XS, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const int group = first / 32;
    const int low = p[4 + group / 2] >> group % 2 * 4 & 0x0f, high = static_cast<int>(read_u16(p + 2) >> 2 * group & 3);
    const float scale = read_half(p) * static_cast<float>((low | high << 4) - 32);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) out[i] = scale * iq4_level(nibble(p + 8 + 16 * group, first % 32, i));
  }
};

// One byte e, for 2^(e − 127) | 16 bytes of nibbles
template <>
struct Packed<TensorType::MXFP4> : BlockOf<TensorType::MXFP4, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const uint32_t e = p[0];
    // Half of it, as the levels are doubled; the two smallest are subnormal.
    const float d = std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) out[i] = d * fp4_level(nibble(p + 1, first, i));
  }
};

// Four bytes, each a float of four bits of exponent and three of mantissa for 16 values | 4 × 8 bytes of nibbles
template <>
struct Packed<TensorType::NVFP4> : BlockOf<TensorType::NVFP4, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = scale(p[first / 16]);
    const Bytes quants = p + 4 + 8 * (first / 16);
    const int shift = first % 16 / 2;
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) out[i] = d * fp4_level(quants[i] >> shift & 0x0f);
  }

 private:
  // Half of the float, as the levels are doubled. It has no sign, and no infinity; its NaN counts as 0.
  SPARK_HD static float scale(int bits) {
    const int exponent = bits >> 3 & 0x0f, mantissa = bits & 7;
    if (bits == 0x7f) return 0;
    const int integer = exponent == 0 ? mantissa : 8 | mantissa, power = exponent == 0 ? 1 : exponent;
    return static_cast<float>(integer) * std::bit_cast<float>(static_cast<uint32_t>(power - 11 + 127) << 23);
  }
};

}  // namespace spark
