// Seeded random values of every tensor type that benchmarks load. Quantised blocks are random integers under fixed
// scales, made as they are: nothing is quantised, so gigabytes take seconds.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "core/error.h"
#include "core/gguf.h"
#include "core/half.h"

namespace spark::bench {

inline uint64_t mix(uint64_t x) {  // SplitMix64's finaliser
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Number i of a stream: uniform over an interval of this length around 0, whose deviation is length / √12.
inline float random_float(uint64_t seed, uint64_t i, float length) {
  const float unit = static_cast<float>(mix(seed + i * 0x9e3779b97f4a7c15u) >> 40) * 0x1p-24f;
  return (unit - 0.5f) * length;
}

namespace detail {

inline void random_bytes(uint64_t seed, uint64_t block, std::byte* out, size_t count) {
  for (size_t at = 0; at < count; at += 8) {
    const uint64_t bits = mix(seed + (block * 64 + at / 8) * 0x9e3779b97f4a7c15u);
    std::memcpy(out + at, &bits, std::min<size_t>(8, count - at));
  }
}

inline void put_half(std::byte* out, float value) {
  const uint16_t bits = float_to_f16(value);
  std::memcpy(out, &bits, sizeof bits);
}

}  // namespace detail

// Fills `kChunk` values, number `chunk` of the stream. Deviations of uniform integers: 73.9 of 256, 18.47 of 64, 4.61
// of 16. The layouts are those of core/dequantize.cpp.
inline constexpr int64_t kChunk = 4096;  // a multiple of every block

inline void random_chunk(TensorType type, float deviation, uint64_t seed, uint64_t chunk, std::byte* out) {
  const auto blocks = [&](int64_t values, size_t bytes, auto&& factors) {
    const int64_t count = kChunk / values;
    for (int64_t b = 0; b < count; ++b, out += bytes) {
      detail::random_bytes(seed, chunk * static_cast<uint64_t>(count) + static_cast<uint64_t>(b), out, bytes);
      factors();
    }
  };
  const uint64_t first = chunk * kChunk;
  const float length = std::sqrt(12.0f) * deviation;
  switch (type) {
    case TensorType::F32:
      for (uint64_t i = 0; i < kChunk; ++i) {
        const float value = random_float(seed, first + i, length);
        std::memcpy(out + i * sizeof value, &value, sizeof value);
      }
      return;
    case TensorType::BF16:
      for (uint64_t i = 0; i < kChunk; ++i) {
        const uint16_t bits = float_to_bf16(random_float(seed, first + i, length));
        std::memcpy(out + i * sizeof bits, &bits, sizeof bits);
      }
      return;
    case TensorType::Q8_0:
      return blocks(32, 34, [&] { detail::put_half(out, deviation / 73.9f); });
    case TensorType::Q4_K:
      // Every scale and every minimum is 32 (packed: their top two bits in the spare bits of the first eight bytes), so
      // a value is 32 d (q - 7.5).
      return blocks(256, 144, [&] {
        const float d = deviation / (32 * 4.61f);
        detail::put_half(out, d);
        detail::put_half(out + 2, 7.5f * d);
        std::memset(out + 4, 0xa0, 8);
        std::memset(out + 12, 0, 4);
      });
    case TensorType::Q6_K:
      return blocks(256, 210, [&] {
        std::memset(out + 192, 32, 16);
        detail::put_half(out + 208, deviation / (32 * 18.47f));
      });
    default:
      throw Error("usage", std::string("--type: no random values are made of type ") +
                               tensor_type_name(static_cast<uint32_t>(type)));
  }
}

}  // namespace spark::bench
