// Integers times one half-precision factor d, with a minimum m in the _1 types: d | m | fifth bits | integers.
#pragma once

#include "core/packed/block.h"

namespace spark {

// half d | int8 q[32]
template <>
struct Packed<TensorType::Q8_0> : BlockOf<TensorType::Q8_0, 32> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = read_half(p);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(p[2 + first + i]));
  }
};

// half d | 16 bytes of nibbles, offset by 8
template <>
struct Packed<TensorType::Q4_0> : BlockOf<TensorType::Q4_0, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = read_half(p);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) out[i] = d * static_cast<float>(nibble(p + 2, first, i) - 8);
  }
};

// half d | half m | 16 bytes of nibbles
template <>
struct Packed<TensorType::Q4_1> : BlockOf<TensorType::Q4_1, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = read_half(p), m = read_half(p + 2);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) out[i] = d * static_cast<float>(nibble(p + 4, first, i)) + m;
  }
};

// half d | 32 fifth bits, value i's in bit i | 16 bytes of nibbles. Offset by 16.
template <>
struct Packed<TensorType::Q5_0> : BlockOf<TensorType::Q5_0, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = read_half(p);
    const uint32_t top = read_u16(p + 2 + first / 8);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) {
      out[i] = d * static_cast<float>((nibble(p + 6, first, i) | static_cast<int>(top >> i & 1) << 4) - 16);
    }
  }
};

// half d | half m | 32 fifth bits | 16 bytes of nibbles
template <>
struct Packed<TensorType::Q5_1> : BlockOf<TensorType::Q5_1, 16> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = read_half(p), m = read_half(p + 2);
    const uint32_t top = read_u16(p + 4 + first / 8);
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) {
      out[i] = d * static_cast<float>(nibble(p + 8, first, i) | static_cast<int>(top >> i & 1) << 4) + m;
    }
  }
};

// half d | 128 bits: d or −d
template <>
struct Packed<TensorType::Q1_0> : BlockOf<TensorType::Q1_0, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = read_half(p);
    const int bits = p[2 + first / 8];
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) out[i] = d * static_cast<float>(2 * (bits >> i & 1) - 1);
  }
};

// half d | 64 pairs of bits, offset by 1
template <>
struct Packed<TensorType::Q2_0> : BlockOf<TensorType::Q2_0, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = read_half(p);
    const uint32_t pairs = read_u16(p + 2 + first / 4);
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) out[i] = d * static_cast<float>(static_cast<int>(pairs >> 2 * i & 3) - 1);
  }
};

}  // namespace spark
