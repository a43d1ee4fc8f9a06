// The K types: 256 values in groups, whose factors are integers times a factor of the whole block.
#pragma once

#include "core/packed/block.h"
#include "core/scales.h"

namespace spark {

// 16 bytes, a scale in the low half and a minimum in the high half | 64 bytes of bit pairs | half d | half dmin. Two
// halves of 128 values; in each, run r of 32 is pair r of its 32 bytes.
template <>
struct Packed<TensorType::Q2_K> : BlockOf<TensorType::Q2_K, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const Place place(first);
    const int packed = p[place.sixteen()];
    const float scale = read_half(p + 80) * static_cast<float>(packed & 0x0f);
    const float minimum = read_half(p + 82) * static_cast<float>(packed >> 4);
    const Bytes pairs = p + 16 + 32 * place.half + place.at;
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) out[i] = scale * static_cast<float>(pairs[i] >> 2 * place.run & 3) - minimum;
  }
};

// 32 bytes whose bit g is the top bit of run g, absent for the values below zero | 64 bytes of bit pairs, as in Q2_K |
// 12 bytes of sixteen 6-bit scales, offset by 32: 8 bytes of low halves, 4 of upper pairs | half d
template <>
struct Packed<TensorType::Q3_K> : BlockOf<TensorType::Q3_K, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const Place place(first);
    const int group = place.sixteen();
    const int low = p[96 + group % 8] >> group / 8 * 4 & 0x0f, high = p[104 + group % 4] >> group / 4 * 2 & 3;
    const float scale = read_half(p + 108) * static_cast<float>((low | high << 4) - 32);
    const Bytes top = p + place.at, pairs = p + 32 + 32 * place.half + place.at;
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) {
      const int value = (pairs[i] >> 2 * place.run & 3) | (top[i] >> (4 * place.half + place.run) & 1) << 2;
      out[i] = scale * static_cast<float>(value - 4);
    }
  }
};

// half d | half dmin | 12 bytes of scales | 128 bytes of nibbles. Eight groups of 32 values; groups 2k and 2k + 1 are
// the low and high nibbles of the same 32 bytes.
template <>
struct Packed<TensorType::Q4_K> : BlockOf<TensorType::Q4_K, 32> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const int group = first / 32;
    const auto own = unpack_scale(group, p + 4, read_half(p), read_half(p + 2));
    const Bytes quants = p + 16 + 32 * (group / 2) + first % 32;
    const int shift = 4 * (group % 2);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) out[i] = own.scale * static_cast<float>((quants[i] >> shift) & 0x0f) - own.minimum;
  }
};

// As Q4_K with a fifth bit: half d | half dmin | 12 scales | 32 bytes whose bit g is the top bit of group g | nibbles
template <>
struct Packed<TensorType::Q5_K> : BlockOf<TensorType::Q5_K, 32> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const int group = first / 32;
    const auto own = unpack_scale(group, p + 4, read_half(p), read_half(p + 2));
    const Bytes top = p + 16 + first % 32, quants = p + 48 + 32 * (group / 2) + first % 32;
    const int shift = 4 * (group % 2);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) {
      const int value = ((quants[i] >> shift) & 0x0f) | (((top[i] >> group) & 1) << 4);
      out[i] = own.scale * static_cast<float>(value) - own.minimum;
    }
  }
};

// 128 bytes of low nibbles | 64 bytes of high bit pairs | int8 scales[16] | half d. Two halves of 128 values; in each,
// run r of 32 values has its nibbles in bytes 32 (r mod 2) + i (low for r < 2), its top bits at 2r of high byte i, and
// one scale for each 16 values. Values are offset by 32.
template <>
struct Packed<TensorType::Q6_K> : BlockOf<TensorType::Q6_K, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const Place place(first);
    const Bytes low = p + 64 * place.half + 32 * (place.run % 2) + place.at,
                high = p + 128 + 32 * place.half + place.at;
    const float scale = read_half(p + 208) * static_cast<float>(static_cast<int8_t>(p[192 + place.sixteen()]));
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) {
      const int value = (low[i] >> (4 * (place.run / 2))) & 0x0f;
      out[i] = scale * static_cast<float>((value | (((high[i] >> (2 * place.run)) & 3) << 4)) - 32);
    }
  }
};

}  // namespace spark
