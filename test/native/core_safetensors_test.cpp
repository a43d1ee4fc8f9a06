// safetensors: what is written comes back; what is damaged is refused.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/safetensors.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

namespace {

std::string with_header(const std::string& json, const std::string& data = "") {
  const uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + json + data;
}

Thrown reading(const TemporaryDirectory& dir, const std::string& bytes) {
  write_bytes(dir.file("x"), bytes);
  return thrown([&] { SafetensorsFile::read(dir.file("x")); });
}

}  // namespace

TEST_CASE("tensors, scalars and metadata come back bit by bit") {
  TemporaryDirectory dir;
  const std::vector<float> a = {1, -2, 3e-40f, 4, 5, INFINITY}, scalar = {7};
  SafetensorsWriter writer;
  writer.metadata = {{"step", "12"}, {"text", "ünïcode \"quoted\""}};
  writer.tensors = {{"b", {2, 3}, a}, {"a", {}, scalar}, {"empty", {0, 4}, {}}};
  writer.write(dir.file("x"), false);
  const SafetensorsFile file = SafetensorsFile::read(dir.file("x"));
  CHECK(file.metadata == writer.metadata);
  REQUIRE(file.tensors.size() == 3);
  CHECK(file.tensors.at("b").shape == std::vector<int64_t>{2, 3});
  CHECK(std::memcmp(file.tensors.at("b").data.data(), a.data(), 24) == 0);
  CHECK(file.tensors.at("a").data == scalar);
  CHECK(file.tensors.at("a").shape.empty());
  CHECK(file.tensors.at("empty").data.empty());

  CHECK(thrown([&] { writer.write(dir.file("x"), false); }).code == "invalid_argument");
  writer.metadata["step"] = "13";
  writer.write(dir.file("x"), true);
  CHECK(SafetensorsFile::read(dir.file("x")).metadata.at("step") == "13");
  CHECK(dir.entries() == 1);
  writer.tensors.push_back({"b", {1}, scalar});
  CHECK(thrown([&] { writer.write(dir.file("y"), false); }).says("tensor b"));
}

TEST_CASE("half precision is read as fp32") {
  TemporaryDirectory dir;
  const uint16_t halves[] = {0x3c00, 0xc000, 0x3f80, 0xc000};
  const std::string data(reinterpret_cast<const char*>(halves), 8);
  write_bytes(dir.file("x"), with_header(R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},)"
                                         R"("b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}})",
                                         data));
  const SafetensorsFile file = SafetensorsFile::read(dir.file("x"));
  CHECK(file.tensors.at("h").data == std::vector<float>{1, -2});
  CHECK(file.tensors.at("b").data == std::vector<float>{1, -2});
}

TEST_CASE("lying headers are refused with the tensor's name") {
  TemporaryDirectory dir;
  const std::string data(8, '\0');
  const auto refused = [&](const std::string& json, const std::string& name) {
    const Thrown e = reading(dir, with_header(json, data));
    CAPTURE(e.message);
    CHECK(e.code == "invalid_file");
    CHECK(e.says(name));
  };
  CHECK(reading(dir, "").code == "invalid_file");
  CHECK(reading(dir, std::string(8, '\xff') + "{}").says("header length"));
  refused("[]", "header");
  refused("{\"a\":", "JSON");
  refused(std::string(5000, '['), "JSON");
  refused(R"({"w":3})", "tensor w");
  refused(R"({"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", "tensor w");
  refused(R"({"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "tensor w");
  refused(R"({"w":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})", "tensor w");
  refused(R"({"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}})", "tensor w");
  refused(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "tensor w");
  refused(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}})", "tensor w");
  refused(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "tensor w");
  refused(R"({"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "data");
  refused(
      R"({"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      "tensor w");
  refused(
      R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      "twice");
  refused(R"({"__metadata__":{"a":1},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "__metadata__");
  const Thrown e = reading(dir, with_header(R"({"w":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}})", data));
  CHECK(e.code == "unsupported_file");
  CHECK(e.says("I64"));
}

TEST_CASE("cut at any byte or damaged at random, only an Error comes out") {
  TemporaryDirectory dir;
  const std::vector<float> values = {1, 2, 3, 4};
  SafetensorsWriter writer;
  writer.metadata = {{"k", "v"}};
  writer.tensors = {{"a", {2, 2}, values}, {"b", {4}, values}};
  writer.write(dir.file("x"), false);
  const std::string whole = read_bytes(dir.file("x"));
  for (size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(reading(dir, whole.substr(0, length)).code == "invalid_file");
  }
  std::mt19937_64 random(11);
  for (int round = 0; round < 1000; ++round) {
    std::string damaged = whole;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
    const std::string code = reading(dir, damaged).code;
    CHECK((code == "nothing thrown" || code == "invalid_file" || code == "unsupported_file"));
  }
}
