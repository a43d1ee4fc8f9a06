// The quantisers against the dequantiser, which is itself held against an independent reader: every half and bf16
// value, every tie, and the bytes that llama.cpp wrote.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/half.h"
#include "core/quantize.h"
#include "model/parameters.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

namespace {

float next(float x) { return std::nextafter(x, std::numeric_limits<float>::infinity()); }
float previous(float x) { return std::nextafter(x, -std::numeric_limits<float>::infinity()); }

// Every finite positive value of a 16-bit float and what lies around the middle to its neighbour.
template <float (*Up)(uint16_t), uint16_t (*Down)(float)>
void check_all(uint16_t infinite) {
  for (uint16_t bits = 0; bits + 1 < infinite; ++bits) {
    const uint16_t above = static_cast<uint16_t>(bits + 1);
    const float x = Up(bits), middle = x + (Up(above) - x) / 2;
    const uint16_t even = bits % 2 == 0 ? bits : above;
    const bool right = Down(x) == bits && Down(-x) == (bits | 0x8000) && Down(middle) == even &&
                       Down(previous(middle)) == bits && Down(next(middle)) == above;
    if (!right) FAIL_CHECK("wrong around bits " << bits << " = " << x);
  }
  CHECK(Down(std::numeric_limits<float>::infinity()) == infinite);
  CHECK(std::isnan(Up(Down(std::numeric_limits<float>::quiet_NaN()))));
}

std::vector<float> round_trip(TensorType type, const std::vector<float>& values) {
  const int64_t count = static_cast<int64_t>(values.size());
  std::vector<std::byte> packed(tensor_bytes(type, count));
  REQUIRE(quantize(type, values.data(), packed.data(), count));
  std::vector<float> back(values.size());
  dequantize(type, packed.data(), back.data(), count);
  return back;
}

bool fits(TensorType type, float value) {
  std::vector<float> values(32, 0.0f);
  values[7] = value;
  std::vector<std::byte> packed(tensor_bytes(type, 32));
  return quantize(type, values.data(), packed.data(), 32);
}

}  // namespace

TEST_CASE("every half and every bf16 comes back, and ties go to the even one") {
  check_all<f16_to_float, float_to_f16>(0x7c00);
  check_all<bf16_to_float, float_to_bf16>(0x7f80);
}

TEST_CASE("a value is off by no more than its type's step") {
  const std::vector<float> values = normal_values(3, "values", 64 * 32, 0.7);
  CHECK(round_trip(TensorType::F32, values) == values);
  const auto f16 = round_trip(TensorType::F16, values), bf16 = round_trip(TensorType::BF16, values);
  const auto q8 = round_trip(TensorType::Q8_0, values);
  for (size_t block = 0; block < 64; ++block) {
    float most = 0;
    for (size_t i = 32 * block; i < 32 * block + 32; ++i) most = std::max(most, std::fabs(values[i]));
    for (size_t i = 32 * block; i < 32 * block + 32; ++i) {
      CHECK(std::fabs(f16[i] - values[i]) <= std::max(0x1p-11f * std::fabs(values[i]), 0x1p-25f));
      CHECK(std::fabs(bf16[i] - values[i]) <= 0x1p-8f * std::fabs(values[i]));
      // Half a step, and the scale's own rounding to a half.
      CHECK(std::fabs(q8[i] - values[i]) <= most / 127 * 0.5f + 0x1p-11f * std::fabs(values[i]) + 1e-7f);
    }
  }
}

TEST_CASE("Q8_0 that llama.cpp wrote is packed into the same bytes again") {
  const auto file = GgufFile::open(SPARK_FIXTURES "/quantised/q8_0.gguf");
  int tensors = 0;
  for (const GgufTensor& tensor : file->tensors()) {
    if (tensor.type != TensorType::Q8_0) continue;
    CAPTURE(tensor.name);
    const int64_t count = tensor.shape[0] * tensor.shape[1];
    std::vector<float> values(static_cast<size_t>(count));
    dequantize(tensor.type, tensor.data, values.data(), count);
    std::vector<std::byte> packed(tensor.bytes);
    REQUIRE(quantize(TensorType::Q8_0, values.data(), packed.data(), count));
    CHECK(std::memcmp(packed.data(), tensor.data, tensor.bytes) == 0);
    ++tensors;
  }
  CHECK(tensors == 8);
}

TEST_CASE("zeros, the smallest blocks and the largest") {
  CHECK(round_trip(TensorType::Q8_0, std::vector<float>(32, 0.0f)) == std::vector<float>(32, 0.0f));
  CHECK(round_trip(TensorType::Q8_0, std::vector<float>(32, 1e-40f)) == std::vector<float>(32, 0.0f));
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const TensorType type : {TensorType::F32, TensorType::F16, TensorType::BF16, TensorType::Q8_0}) {
    CHECK(can_quantize(type));
    CHECK(fits(type, -65504.0f));
    CHECK_FALSE(fits(type, infinity));
    CHECK_FALSE(fits(type, nan));
  }
  CHECK_FALSE(fits(TensorType::F16, 65520.0f));
  CHECK(fits(TensorType::BF16, 1e38f));
  CHECK_FALSE(fits(TensorType::BF16, std::numeric_limits<float>::max()));
  CHECK_FALSE(fits(TensorType::Q8_0, 1e7f));
  CHECK_FALSE(can_quantize(TensorType::Q4_K));
  float value = 0;
  std::byte out;
  CHECK(thrown([&] { quantize(TensorType::Q8_0, &value, &out, 1); }).code == "invalid_argument");
}
