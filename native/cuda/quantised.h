// Eight neighbouring values of a packed row, fp32: the layouts are described in core/dequantize.cpp. Blocks lie at odd
// multiples of two bytes, so bytes are read one at a time; a warp still reads whole lines.
#pragma once

#include "core/gguf.h"
#include "cuda/device.h"

namespace spark::cuda {

using Bytes = const uint8_t*;

// IEEE binary16 at p, as core/half.h has it.
__device__ inline float read_half(Bytes p) {
  const uint32_t bits = p[0] | static_cast<uint32_t>(p[1]) << 8;
  const uint32_t magnitude = (bits & 0x7fffu) << 13;
  const float scaled = __uint_as_float(magnitude) * 0x1p112f;
  const uint32_t special = magnitude >= 0x0f800000u ? 0x7f800000u : 0u;
  return __uint_as_float(__float_as_uint(scaled) | special | (bits & 0x8000u) << 16);
}

struct ScaleAndMinimum {
  float scale, minimum;
};

__device__ inline ScaleAndMinimum unpack_scale(int group, Bytes packed, float d, float d_minimum) {
  int scale, minimum;
  if (group < 4) {
    scale = packed[group] & 63;
    minimum = packed[group + 4] & 63;
  } else {
    scale = (packed[group + 4] & 0x0f) | ((packed[group - 4] >> 6) << 4);
    minimum = (packed[group + 4] >> 4) | ((packed[group] >> 6) << 4);
  }
  return {d * static_cast<float>(scale), d_minimum * static_cast<float>(minimum)};
}

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
