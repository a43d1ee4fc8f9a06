// Dequantisation against the values that PyPI `gguf` and llama.cpp give the same bytes
// (test/fixtures/make_quant_fixture.py). To the bit: core/packed/block.h says why the order of products does not
// matter.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <set>
#include <vector>

#include "core/gguf.h"
#include "core/packed.h"
#include "packed_types.h"
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
  template <class T>
  T number() {
    T value;
    take(&value, sizeof value);
    return value;
  }
};

// What the fixture has of one type.
struct Case {
  TensorType type;
  std::vector<std::byte> data;
  std::vector<float> values;
  uint32_t more;  // blocks of random bits, and the hash of their values
  uint64_t hash;
};

std::vector<Case> read_cases() {
  Reader reader{read_bytes(SPARK_FIXTURES "/quant.bin")};
  std::vector<Case> cases(reader.number<uint32_t>());
  for (Case& c : cases) {
    c.type = static_cast<TensorType>(reader.number<uint32_t>());
    c.values.resize(reader.number<uint32_t>());
    c.data.resize(reader.number<uint32_t>());
    reader.take(c.data.data(), c.data.size());
    reader.take(c.values.data(), c.values.size() * sizeof(float));
    c.more = reader.number<uint32_t>();
    c.hash = reader.number<uint64_t>();
  }
  REQUIRE(reader.position == reader.bytes.size());
  return cases;
}

uint64_t hash_of(const std::vector<float>& values) {
  uint64_t hash = 0, factor = 0x9E3779B97F4A7C15u;
  for (const float value : values) {
    hash += std::bit_cast<uint32_t>(value) * factor;
    factor += 2 * uint64_t{0x9E3779B97F4A7C15u};
  }
  return hash;
}

// By the processor's way through a row, and by the one that a GPU's threads take.
std::vector<float> dequantized(TensorType type, const std::vector<std::byte>& data, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count), -1.0f);
  dequantize(type, data.data(), values.data(), count);
  return values;
}

std::vector<float> by_eights(TensorType type, const std::vector<std::byte>& data, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count), -1.0f);
  with_packed(type, [&]<class TYPE>(TYPE) {
    for (int64_t i = 0; i < count; i += 8) {
      const auto* block = reinterpret_cast<Bytes>(data.data()) + i / TYPE::kBlock * TYPE::kBytes;
      TYPE::template values<8>(block, static_cast<int>(i % TYPE::kBlock), values.data() + i);
    }
  });
  return values;
}

}  // namespace

TEST_CASE("every tensor type dequantises to the references' values, to the bit") {
  std::set<TensorType> seen;
  for (const Case& c : read_cases()) {
    CAPTURE(tensor_type_name(static_cast<uint32_t>(c.type)));
    const int64_t count = static_cast<int64_t>(c.values.size());
    seen.insert(c.type);
    REQUIRE(tensor_bytes(c.type, count) == c.data.size());
    const auto actual = dequantized(c.type, c.data, count);
    for (size_t j = 0; j < c.values.size(); ++j) {
      CAPTURE(j);
      CHECK(actual[j] == c.values[j]);
    }
  }
  for (uint32_t type = 0; type < 1000; ++type) {
    const bool tested = type == 0 || seen.contains(static_cast<TensorType>(type));
    CHECK(tensor_type_supported(type) == tested);
  }
}

TEST_CASE("a thousand blocks of random bits give each packed type's values, a row at a time or eight of them") {
  const std::vector<Case> cases = read_cases();
  for (const PackedType& t : kPackedTypes) {
    CAPTURE(tensor_type_name(static_cast<uint32_t>(t.type)));
    const auto it = std::find_if(cases.begin(), cases.end(), [&](const Case& c) { return c.type == t.type; });
    REQUIRE(it != cases.end());
    const auto data = finite_blocks(t, it->more);
    REQUIRE(std::equal(it->data.begin(), it->data.end(), data.begin()));
    const int64_t count = it->more * t.block();
    CHECK(hash_of(dequantized(t.type, data, count)) == it->hash);
    CHECK(hash_of(by_eights(t.type, data, count)) == it->hash);
  }
  CHECK(cases.size() == kPackedTypes.size() + 2);  // and F16, BF16
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
  const std::pair<uint32_t, const char*> kTypes[] = {{9, "Q8_1"}, {15, "Q8_K"}, {27, "I64"}, {43, "type 43"}};
  for (const auto& [type, name] : kTypes) {
    const Thrown error = thrown([&] { dequantize(static_cast<TensorType>(type), data, out, 32); });
    CHECK(error.code == "unsupported_file");
    CHECK(error.says(name));
  }
}
