#include "core/quantize.h"

#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/half.h"
#include "core/tensor_type.h"

namespace spark {

namespace {

constexpr float kLargestHalf = 65504.0f;

template <uint16_t (*Convert)(float)>
void each_u16(const float* values, std::byte* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const uint16_t bits = Convert(values[i]);
    std::memcpy(out + 2 * i, &bits, sizeof bits);
  }
}

float largest(const float* values, int64_t count) {
  float most = 0;
  for (int64_t i = 0; i < count; ++i) {
    const float magnitude = std::fabs(values[i]);
    most = magnitude > most || magnitude != magnitude ? magnitude : most;  // NaN, once met, stays
  }
  return most;
}

// half d | int8 q[32], as ggml rounds: d = max |x| / 127, q = x / d to the nearest, halves away from zero. The integers
// are made with the unrounded d.
void block_q8_0(const float* values, float most, std::byte* out) {
  const float d = most / 127.0f, inverse = d > 0 ? 1.0f / d : 0.0f;
  const uint16_t half = float_to_f16(d);
  std::memcpy(out, &half, sizeof half);
  for (int i = 0; i < 32; ++i) {
    // For the smallest d, 1 / d is infinite. As a half such a d is 0, so every value is 0 anyway.
    const float q = half != 0 ? std::round(values[i] * inverse) : 0.0f;
    out[2 + i] = static_cast<std::byte>(static_cast<int8_t>(q));
  }
}

bool quantize_q8_0(const float* values, std::byte* out, int64_t count) {
  for (int64_t i = 0; i < count; i += 32, out += 34) {
    const float most = largest(values + i, 32);
    if (!(most <= 127.0f * kLargestHalf)) return false;
    block_q8_0(values + i, most, out);
  }
  return true;
}

}  // namespace

bool can_quantize(TensorType type) {
  return type == TensorType::F32 || type == TensorType::F16 || type == TensorType::BF16 || type == TensorType::Q8_0;
}

bool quantize(TensorType type, const float* values, std::byte* out, int64_t count) {
  const size_t bytes = tensor_bytes(type, count);  // throws for a cut block
  if (type == TensorType::Q8_0) return quantize_q8_0(values, out, count);
  const float most = largest(values, count);
  if (!std::isfinite(most)) return false;
  switch (type) {
    case TensorType::F32:
      if (bytes > 0) std::memcpy(out, values, bytes);
      return true;
    case TensorType::F16:
      each_u16<float_to_f16>(values, out, count);
      return most < 65520.0f;  // from here on the nearest half is infinite
    case TensorType::BF16:
      each_u16<float_to_bf16>(values, out, count);
      return std::isfinite(bf16_to_float(float_to_bf16(most)));
    default:
      throw Error("internal", std::string("no quantiser for ") + tensor_type_name(static_cast<uint32_t>(type)));
  }
}

}  // namespace spark
