// Every tensor type to fp32. A quantised row is a run of blocks; each function below is handed one block and writes its
// values. The layouts are the ggml format's: a value is scale · integer (− minimum), scales are themselves 6- or 8-bit
// integers times a half-precision factor in the K types.
#include <bit>
#include <cstring>

#include "core/error.h"
#include "core/gguf.h"
#include "core/half.h"
#include "core/scales.h"
#include "core/tensor_type.h"

namespace spark {

static_assert(std::endian::native == std::endian::little, "GGUF data is little-endian and is used in place");

namespace {

using Bytes = const uint8_t*;

uint16_t read_u16(Bytes p) {
  uint16_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

float read_half(Bytes p) { return f16_to_float(read_u16(p)); }

// half d | int8 q[32]
void block_q8_0(Bytes p, float* out) {
  const float d = read_half(p);
  for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(p[2 + i]));
}

// half d | 16 bytes: value i in the low nibble of byte i, value i + 16 in the high nibble; both offset by 8
void block_q4_0(Bytes p, float* out) {
  const float d = read_half(p);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((p[2 + i] & 0x0f) - 8);
    out[i + 16] = d * static_cast<float>((p[2 + i] >> 4) - 8);
  }
}

// half d | half dmin | 12 bytes of scales | 128 bytes of nibbles. Eight groups of 32 values; groups 2k and 2k + 1 are
// the low and high nibbles of the same 32 bytes.
void block_q4_k(Bytes p, float* out) {
  const float d = read_half(p), d_minimum = read_half(p + 2);
  for (int group = 0; group < 8; ++group) {
    const auto [scale, minimum] = unpack_scale(group, p + 4, d, d_minimum);
    const Bytes quants = p + 16 + 32 * (group / 2);
    const int shift = 4 * (group % 2);
    for (int i = 0; i < 32; ++i) {
      out[32 * group + i] = scale * static_cast<float>((quants[i] >> shift) & 0x0f) - minimum;
    }
  }
}

// As Q4_K with a fifth bit: half d | half dmin | 12 scales | 32 bytes whose bit g is the top bit of group g | 128
// nibbles
void block_q5_k(Bytes p, float* out) {
  const float d = read_half(p), d_minimum = read_half(p + 2);
  const Bytes top = p + 16;
  for (int group = 0; group < 8; ++group) {
    const auto [scale, minimum] = unpack_scale(group, p + 4, d, d_minimum);
    const Bytes quants = p + 48 + 32 * (group / 2);
    const int shift = 4 * (group % 2);
    for (int i = 0; i < 32; ++i) {
      const int value = ((quants[i] >> shift) & 0x0f) | (((top[i] >> group) & 1) << 4);
      out[32 * group + i] = scale * static_cast<float>(value) - minimum;
    }
  }
}

// 128 bytes of low nibbles | 64 bytes of high bit pairs | int8 scales[16] | half d. Two halves of 128 values; in each,
// run r of 32 values has its nibbles in bytes 32 (r mod 2) + i (low for r < 2), its top bits at 2r of high byte i, and
// one scale for each 16 values. Values are offset by 32.
void block_q6_k(Bytes p, float* out) {
  const float d = read_half(p + 208);
  for (int half = 0; half < 2; ++half) {
    const Bytes low = p + 64 * half, high = p + 128 + 32 * half, scales = p + 192 + 8 * half;
    for (int run = 0; run < 4; ++run) {
      for (int i = 0; i < 32; ++i) {
        const int nibble = (low[32 * (run % 2) + i] >> (4 * (run / 2))) & 0x0f;
        const int value = (nibble | (((high[i] >> (2 * run)) & 3) << 4)) - 32;
        const float scale = d * static_cast<float>(static_cast<int8_t>(scales[2 * run + i / 16]));
        out[128 * half + 32 * run + i] = scale * static_cast<float>(value);
      }
    }
  }
}

template <void (*Block)(Bytes, float*)>
void each_block(Bytes data, float* out, int64_t count, int64_t block, size_t block_bytes) {
  for (int64_t i = 0; i < count / block; ++i) {
    Block(data + static_cast<size_t>(i) * block_bytes, out + i * block);
  }
}

template <float (*Convert)(uint16_t)>
void each_u16(Bytes data, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = Convert(read_u16(data + 2 * i));
}

}  // namespace

void dequantize(TensorType type, const std::byte* data, float* out, int64_t count) {
  const size_t bytes = tensor_bytes(type, count);  // throws for a cut block or a type we do not read
  const Bytes p = reinterpret_cast<Bytes>(data);
  switch (type) {
    case TensorType::F32:
      if (bytes > 0) std::memcpy(out, p, bytes);
      return;
    case TensorType::F16:
      return each_u16<f16_to_float>(p, out, count);
    case TensorType::BF16:
      return each_u16<bf16_to_float>(p, out, count);
    case TensorType::Q8_0:
      return each_block<block_q8_0>(p, out, count, 32, 34);
    case TensorType::Q4_0:
      return each_block<block_q4_0>(p, out, count, 32, 18);
    case TensorType::Q4_K:
      return each_block<block_q4_k>(p, out, count, 256, 144);
    case TensorType::Q5_K:
      return each_block<block_q5_k>(p, out, count, 256, 176);
    case TensorType::Q6_K:
      return each_block<block_q6_k>(p, out, count, 256, 210);
  }
}

}  // namespace spark
