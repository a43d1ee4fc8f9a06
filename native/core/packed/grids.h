// The IQ types of one to three bits: groups of eight (or twice four) values out of a list of the likeliest ones
// (core/grids/), with signs of their own where the list has magnitudes.
#pragma once

#include "core/grids/iq1.h"
#include "core/grids/iq2_s.h"
#include "core/grids/iq2_xs.h"
#include "core/grids/iq2_xxs.h"
#include "core/grids/iq3_s.h"
#include "core/grids/iq3_xxs.h"
#include "core/packed/block.h"

namespace spark {

// Seven signs are stored; the eighth makes their number even.
SPARK_HD inline uint32_t with_eighth_sign(uint32_t seven) {
  const uint32_t folded = (seven ^ seven >> 4) & 0x0f;
  return seven | (0x6996u >> folded & 1) << 7;  // bit n of 0x6996: whether n has an odd number of bits
}

// Without a branch: signs are as good as random.
SPARK_HD inline float with_sign(int magnitude, uint32_t negative) {
  return static_cast<float>(magnitude * (1 - 2 * static_cast<int>(negative)));
}

// `levels` has eight level numbers of two bits: magnitudes 8, 25 and 43.
SPARK_HD inline void put_iq2(float scale, uint32_t levels, uint32_t signs, float* __restrict out) {
  SPARK_UNROLL
  for (int i = 0; i < 8; ++i) {
    const int level = static_cast<int>(levels >> 2 * i & 3), magnitude = 8 + 17 * level + level / 2;
    out[i] = scale * with_sign(magnitude, signs >> i & 1);
  }
}

// 2^−3 (2 s + 1) d, of a 4-bit s
SPARK_HD inline float iq2_scale(float d, uint32_t s) { return d * static_cast<float>(2 * s + 1) * 0.125f; }

// half d | for each 32 values: 4 bytes of group numbers, 4 × 7 signs, 4 bits of scale
template <>
struct Packed<TensorType::IQ2_XXS> : BlockOf<TensorType::IQ2_XXS, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const Bytes own = p + 2 + 8 * (first / 32);
    const int part = first % 32 / 8;
    const uint32_t packed = read_u32(own + 4);
    put_iq2(iq2_scale(read_half(p), packed >> 28), iq2_xxs_group(own[part]), with_eighth_sign(packed >> 7 * part & 127),
            out);
  }
};

// half d | 32 × 16 bits, a group number of 9 and 7 signs | 16 nibbles, the scales of 16 values each
template <>
struct Packed<TensorType::IQ2_XS> : BlockOf<TensorType::IQ2_XS, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const uint32_t packed = read_u16(p + 2 + first / 4), scale = p[66 + first / 32] >> first % 32 / 16 * 4 & 0x0f;
    put_iq2(iq2_scale(read_half(p), scale), iq2_xs_group(static_cast<int>(packed & 511)), with_eighth_sign(packed >> 9),
            out);
  }
};

// half d | 32 bytes, the low bits of group numbers | 32 bytes of signs | 8 bytes, their upper pairs | 16 scales
template <>
struct Packed<TensorType::IQ2_S> : BlockOf<TensorType::IQ2_S, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const int own = first / 8, high = p[66 + first / 32] >> first % 32 / 8 * 2 & 3;
    const uint32_t scale = p[74 + first / 32] >> first % 32 / 16 * 4 & 0x0f;
    put_iq2(iq2_scale(read_half(p), scale), iq2_s_group(p[2 + own] | high << 8), p[34 + own], out);
  }
};

// half d | 64 bytes, each a group of four values | for each 32 values: 4 × 7 signs, 4 bits of scale
template <>
struct Packed<TensorType::IQ3_XXS> : BlockOf<TensorType::IQ3_XXS, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const uint32_t packed = read_u32(p + 66 + first / 32 * 4);
    const uint32_t signs = with_eighth_sign(packed >> 7 * (first % 32 / 8) & 127);
    const Bytes groups = p + 2 + first / 4;
    const uint32_t levels = iq3_xxs_group(groups[0]) | iq3_xxs_group(groups[1]) << 12;
    const float scale = read_half(p) * static_cast<float>(2 * (packed >> 28) + 1) * 0.25f;
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) {  // magnitudes 4, 12, … 52 and 62
      const int level = static_cast<int>(levels >> 3 * i & 7), magnitude = 4 + 8 * level + level / 7 * 2;
      out[i] = scale * with_sign(magnitude, signs >> i & 1);
    }
  }
};

// half d | 64 bytes, the low bits of group numbers, four values each | 64 bits, their ninth | 32 bytes of signs | 8
// nibbles, the scales of 32 values each
template <>
struct Packed<TensorType::IQ3_S> : BlockOf<TensorType::IQ3_S, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const int ninth = p[66 + first / 32] >> first % 32 / 4;
    const Bytes groups = p + 2 + first / 4;
    const uint32_t levels = iq3_s_group(groups[0] | (ninth & 1) << 8) | iq3_s_group(groups[1] | (ninth & 2) << 7) << 12;
    const uint32_t signs = p[74 + first / 8];
    const int own = p[106 + first / 64] >> first % 64 / 32 * 4 & 0x0f;
    const float scale = read_half(p) * static_cast<float>(2 * own + 1);
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) {  // magnitudes 1, 3, … 15
      const int magnitude = 2 * static_cast<int>(levels >> 3 * i & 7) + 1;
      out[i] = scale * with_sign(magnitude, signs >> i & 1);
    }
  }
};

// −1, 0 and 1, all moved up or down by an eighth
SPARK_HD inline void put_iq1(float scale, int group, bool down, float* __restrict out) {
  const uint32_t levels = iq1_group(group);
  const float shift = down ? -1.125f : -0.875f;
  SPARK_UNROLL
  for (int i = 0; i < 8; ++i) out[i] = scale * (static_cast<float>(levels >> 2 * i & 3) + shift);
}

// half d | 32 bytes, the low bits of group numbers | for each 32 values: 4 × 3 upper bits, 3 bits of scale, the shift
template <>
struct Packed<TensorType::IQ1_S> : BlockOf<TensorType::IQ1_S, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const uint32_t own = read_u16(p + 34 + first / 32 * 2), high = own >> 3 * (first % 32 / 8) & 7;
    put_iq1(read_half(p) * static_cast<float>(2 * (own >> 12 & 7) + 1), static_cast<int>(p[2 + first / 8] | high << 8),
            (own & 0x8000) != 0, out);
  }
};

// 32 bytes, the low bits of group numbers | 32 nibbles, three upper bits and the shift | 4 × 16 bits: four scales of 16
// values each, and a quarter of the half d
template <>
struct Packed<TensorType::IQ1_M> : BlockOf<TensorType::IQ1_M, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const int own = p[32 + first / 16] >> first % 16 / 2 & 0x0f;
    const uint32_t scale = read_u16(p + 48 + first / 64 * 2) >> first % 64 / 16 * 3 & 7;
    put_iq1(factor(p + 48) * static_cast<float>(2 * scale + 1), p[first / 8] | (own & 7) << 8, (own & 8) != 0, out);
  }

 private:
  SPARK_HD static float factor(Bytes scales) {
    uint32_t bits = 0;
    SPARK_UNROLL
    for (int i = 0; i < 4; ++i) bits |= read_u16(scales + 2 * i) >> 12 << 4 * i;
    return f16_to_float(static_cast<uint16_t>(bits));
  }
};

}  // namespace spark
