// Dequantisation against the values PyPI `gguf` gives the same bytes (test/fixtures/make_quant_fixture.py).
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "core/gguf.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

namespace {

struct Reader {
  std::string bytes;
  size_t position = 0;
  void take(void* out, size_t count) {
    REQUIRE(position + count <= bytes.size());
    std::memcpy(out, bytes.data() + position, count);
    position += count;
  }
  uint32_t u32() {
    uint32_t value;
    take(&value, sizeof value);
    return value;
  }
};

}  // namespace

TEST_CASE("every tensor type dequantises to the reference's values") {
  Reader reader{read_bytes(SPARK_FIXTURES "/quant.bin")};
  std::set<uint32_t> seen;
  const uint32_t cases = reader.u32();
  for (uint32_t i = 0; i < cases; ++i) {
    const uint32_t type = reader.u32(), count = reader.u32(), size = reader.u32();
    CAPTURE(tensor_type_name(type));
    seen.insert(type);
    std::vector<std::byte> data(size);
    reader.take(data.data(), size);
    std::vector<float> expected(count), actual(count, -1.0f);
    reader.take(expected.data(), count * sizeof(float));
    REQUIRE(tensor_bytes(static_cast<TensorType>(type), count) == size);
    dequantize(static_cast<TensorType>(type), data.data(), actual.data(), count);
    for (uint32_t j = 0; j < count; ++j) {
      CAPTURE(j);
      // The K types subtract a product that the reference rounds on its own and a fused instruction does not.
      if (std::isinf(expected[j])) {
        CHECK(actual[j] == expected[j]);
      } else {
        CHECK(std::fabs(actual[j] - expected[j]) <= 1e-6f * std::max(1.0f, std::fabs(expected[j])));
      }
    }
  }
  CHECK(reader.position == reader.bytes.size());
  CHECK(seen == std::set<uint32_t>{1, 2, 8, 12, 13, 14, 30});
}

TEST_CASE("F32 is copied bit by bit and F16 keeps NaN and the sign of zero") {
  const float values[] = {1.5f, -0.0f, NAN};
  float out[3];
  dequantize(TensorType::F32, reinterpret_cast<const std::byte*>(values), out, 3);
  CHECK(std::memcmp(values, out, sizeof out) == 0);

  const uint16_t halves[] = {0x7e01, 0x8000};
  dequantize(TensorType::F16, reinterpret_cast<const std::byte*>(halves), out, 2);
  CHECK(std::isnan(out[0]));
  CHECK(out[1] == 0.0f);
  CHECK(std::signbit(out[1]));
}

TEST_CASE("a type we do not read is refused by name") {
  float out[32];
  std::byte data[64]{};
  const Thrown error = thrown([&] { dequantize(static_cast<TensorType>(16), data, out, 32); });
  CHECK(error.code == "unsupported_file");
  CHECK(error.says("type 16"));
}
