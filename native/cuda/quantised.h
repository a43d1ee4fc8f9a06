// Eight neighbouring values of a packed row, fp32: the layouts are described in core/dequantize.cpp. Blocks lie at odd
// multiples of two bytes, so bytes are read one at a time; a warp still reads whole lines.
#pragma once

#include "core/gguf.h"
#include "core/half.h"
#include "core/scales.h"
#include "cuda/device.h"

namespace spark::cuda {

using Bytes = const uint8_t*;

__device__ inline float read_half(Bytes p) { return f16_to_float(static_cast<uint16_t>(p[0] | p[1] << 8)); }

// Each: values `first` to first + 7 of the block at p, first a multiple of 8.
template <TensorType TYPE>
struct Packed;

template <>
struct Packed<TensorType::Q8_0> {
  static constexpr int kBlock = 32, kBytes = 34;
  __device__ static void eight(Bytes p, int first, float* out) {
    const float d = read_half(p);
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(p[2 + first + i]));
  }
};

template <>
struct Packed<TensorType::Q4_0> {
  static constexpr int kBlock = 32, kBytes = 18;
  __device__ static void eight(Bytes p, int first, float* out) {
    const float d = read_half(p);
    const int shift = first < 16 ? 0 : 4;
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) out[i] = d * static_cast<float>(((p[2 + first % 16 + i] >> shift) & 0x0f) - 8);
  }
};

template <>
struct Packed<TensorType::Q4_K> {
  static constexpr int kBlock = 256, kBytes = 144;
  __device__ static void eight(Bytes p, int first, float* out) {
    const int group = first / 32;
    const auto own = unpack_scale(group, p + 4, read_half(p), read_half(p + 2));
    const Bytes quants = p + 16 + 32 * (group / 2) + first % 32;
    const int shift = 4 * (group % 2);
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) out[i] = own.scale * static_cast<float>((quants[i] >> shift) & 0x0f) - own.minimum;
  }
};

template <>
struct Packed<TensorType::Q5_K> {
  static constexpr int kBlock = 256, kBytes = 176;
  __device__ static void eight(Bytes p, int first, float* out) {
    const int group = first / 32;
    const auto own = unpack_scale(group, p + 4, read_half(p), read_half(p + 2));
    const Bytes top = p + 16 + first % 32, quants = p + 48 + 32 * (group / 2) + first % 32;
    const int shift = 4 * (group % 2);
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) {
      const int value = ((quants[i] >> shift) & 0x0f) | (((top[i] >> group) & 1) << 4);
      out[i] = own.scale * static_cast<float>(value) - own.minimum;
    }
  }
};

template <>
struct Packed<TensorType::Q6_K> {
  static constexpr int kBlock = 256, kBytes = 210;
  __device__ static void eight(Bytes p, int first, float* out) {
    const int half = first / 128, run = first % 128 / 32, place = first % 32;
    const Bytes low = p + 64 * half + 32 * (run % 2) + place, high = p + 128 + 32 * half + place;
    const auto scale = static_cast<int8_t>(p[192 + 8 * half + 2 * run + place / 16]);
    const float d = read_half(p + 208) * static_cast<float>(scale);
    SPARK_UNROLL
    for (int i = 0; i < 8; ++i) {
      const int nibble = (low[i] >> (4 * (run / 2))) & 0x0f;
      out[i] = d * static_cast<float>((nibble | (((high[i] >> (2 * run)) & 3) << 4)) - 32);
    }
  }
};

// f(Packed<TYPE>()) for a quantised type; false for the others.
template <class F>
bool with_packed(TensorType type, F&& f) {
  switch (type) {
    case TensorType::Q8_0:
      return f(Packed<TensorType::Q8_0>()), true;
    case TensorType::Q4_0:
      return f(Packed<TensorType::Q4_0>()), true;
    case TensorType::Q4_K:
      return f(Packed<TensorType::Q4_K>()), true;
    case TensorType::Q5_K:
      return f(Packed<TensorType::Q5_K>()), true;
    case TensorType::Q6_K:
      return f(Packed<TensorType::Q6_K>()), true;
    default:
      return false;
  }
}

}  // namespace spark::cuda
