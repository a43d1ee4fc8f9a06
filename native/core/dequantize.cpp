// Every tensor type to fp32. The layouts of packed ones are described in core/packed/.
#include <bit>
#include <cstring>

#include "core/error.h"
#include "core/gguf.h"
#include "core/half.h"
#include "core/packed.h"
#include "core/tensor_type.h"

namespace spark {

static_assert(std::endian::native == std::endian::little, "GGUF data is little-endian and is used in place");

namespace {

template <class TYPE>
void block(Bytes p, float* __restrict out) {
  for (int first = 0; first < TYPE::kBlock; first += TYPE::kRun) {
    TYPE::template values<TYPE::kRun>(p, first, out + first);
  }
}

// With the factors of the whole block read once, these two take two thirds of the time.
template <>
void block<Packed<TensorType::Q4_K>>(Bytes p, float* __restrict out) {
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

template <>
void block<Packed<TensorType::Q5_K>>(Bytes p, float* __restrict out) {
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

template <class TYPE>
void each_block(Bytes data, float* out, int64_t count) {
  for (int64_t i = 0; i < count / TYPE::kBlock; ++i) block<TYPE>(data + i * TYPE::kBytes, out + i * TYPE::kBlock);
}

template <float (*Convert)(uint16_t)>
void each_u16(Bytes data, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = Convert(static_cast<uint16_t>(read_u16(data + 2 * i)));
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
#define PACKED(name, number, values, bytes) \
  case TensorType::name:                    \
    return each_block<Packed<TensorType::name>>(p, out, count);
#include "core/tensor_types.inc"
  }
}

}  // namespace spark
