// What the unpackers of core/packed/ share. Each has one function, values<N>(block, first, out): N values of the block
// from `first`, a multiple of N. N is at most the type's kRun, the values that lie alike: a processor takes so many at
// once, which become vector code; a GPU's thread takes eight. Blocks lie at any address, so bytes are read one at a
// time; a warp still reads whole lines.
//
// A value is a half-precision factor of 11 bits times integers of at most 13 bits together, which fp32 holds exactly; a
// sum of two such rounds once. So the order of the products does not matter, and every reader gives the same bits.
#pragma once

#include "core/gguf.h"
#include "core/half.h"
#include "core/portable.h"

namespace spark {

using Bytes = const uint8_t*;

template <TensorType TYPE>
constexpr int kValuesOf = 0;
template <TensorType TYPE>
constexpr int kBytesOf = 0;
#define PACKED(name, number, values, bytes)                  \
  template <>                                                \
  inline constexpr int kValuesOf<TensorType::name> = values; \
  template <>                                                \
  inline constexpr int kBytesOf<TensorType::name> = bytes;
#include "core/tensor_types.inc"

template <TensorType TYPE, int RUN>
struct BlockOf {
  static constexpr int kBlock = kValuesOf<TYPE>, kBytes = kBytesOf<TYPE>, kRun = RUN;
};

template <TensorType TYPE>
struct Packed;

SPARK_HD inline uint32_t read_u16(Bytes p) { return p[0] | static_cast<uint32_t>(p[1]) << 8; }
SPARK_HD inline uint32_t read_u32(Bytes p) { return read_u16(p) | read_u16(p + 2) << 16; }
SPARK_HD inline float read_half(Bytes p) { return f16_to_float(static_cast<uint16_t>(read_u16(p))); }

// 32 values in 16 bytes: the first 16 in the low halves, the others in the high ones. Number first + i of them.
SPARK_HD inline int nibble(Bytes quants, int first, int i) { return quants[first % 16 + i] >> first / 16 * 4 & 0x0f; }

// 256 values, as the types with two halves of four runs of 32 count them.
struct Place {
  int half, run, at;  // at: of the first value in its run
  SPARK_HD explicit Place(int first) : half(first / 128), run(first % 128 / 32), at(first % 32) {}
  SPARK_HD int sixteen() const { return 8 * half + 2 * run + at / 16; }  // which of the block's 16 groups of 16
};

}  // namespace spark
