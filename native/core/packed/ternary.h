// −1, 0 and 1 times one factor.
#pragma once

#include "core/packed/block.h"

namespace spark {

// 64 bytes of bit pairs | half d. Two halves of 128 values; in each, run r of 32 is pair r of its 32 bytes.
template <>
struct Packed<TensorType::TQ2_0> : BlockOf<TensorType::TQ2_0, 32> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const Place place(first);
    const float d = read_half(p + 64);
    const Bytes pairs = p + 32 * place.half + place.at;
    SPARK_UNROLL
    for (int i = 0; i < N; ++i) out[i] = d * static_cast<float>((pairs[i] >> 2 * place.run & 3) - 1);
  }
};

// 48 bytes of five values each, 4 bytes of four | half d. A byte is a fraction of 256 in base 3; each of the first 32
// bytes has values 32 apart, each of the next 16 values 16 apart, each of the last four values 4 apart.
template <>
struct Packed<TensorType::TQ1_0> : BlockOf<TensorType::TQ1_0, 8> {
  template <int N>
  SPARK_HD static void values(Bytes p, int first, float* __restrict out) {
    const float d = read_half(p + 52);
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) {
      const int at = first + i;
      const int byte = at < 160 ? p[at % 32] : at < 240 ? p[32 + (at - 160) % 16] : p[48 + (at - 240) % 4];
      const int digit = at < 160 ? at / 32 : at < 240 ? (at - 160) / 16 : (at - 240) / 4;
      out[i] = d * static_cast<float>(trit(byte, digit) - 1);
    }
  }

 private:
  SPARK_HD static int trit(int byte, int digit) {
    static constexpr int kPowers[5] = {1, 3, 9, 27, 81};
    return (byte * kPowers[digit] & 0xff) * 3 >> 8;
  }
};

}  // namespace spark
