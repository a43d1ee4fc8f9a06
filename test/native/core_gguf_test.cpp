// GGUF files: what is written comes back; what is damaged is refused with the field's name, whatever the damage.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <random>
#include <vector>

#include "core/gguf.h"
#include "gguf_bytes.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

namespace {

// Every kind of metadata and two tensors.
std::string sample() {
  std::string s = header(2, 7);
  s += text("general.architecture") + le(8u) + text("llama");
  s += text("answer") + le(4u) + le(42u);
  s += text("negative") + le(11u) + le<int64_t>(-7);
  s += text("huge") + le(10u) + le(UINT64_MAX);
  s += text("scale") + le(6u) + le(0.5f);
  s += text("flag") + le(7u) + std::string(1, '\1');
  s += text("tokens") + le(9u) + le(8u) + le<uint64_t>(3) + text("a") + text("bc") + text("");
  s += tensor("w", {3, 2}, 0, 0) + tensor("h", {4}, 1, 32);
  s = pad(s);
  for (float v : {1.f, 2.f, 3.f, 4.f, 5.f, 6.f}) s += le(v);
  s = pad(s);
  for (uint16_t v : {0x3c00, 0x4000, 0x0000, 0xbc00}) s += le(v);
  return s;
}

Thrown opening(const TemporaryDirectory& dir, const std::string& bytes) {
  write_bytes(dir.file("x.gguf"), bytes);
  return thrown([&] { GgufFile::open(dir.file("x.gguf")); });
}

// Opens and touches everything, as a loader would.
void open_and_read(const std::string& path) {
  const auto file = GgufFile::open(path);
  for (const GgufTensor& t : file->tensors()) {
    int64_t count = 1;
    for (int64_t d : t.shape) count *= d;
    std::vector<float> values(static_cast<size_t>(count));
    dequantize(t.type, t.data, values.data(), count);
  }
  for (const char* key : {"general.architecture", "answer", "scale", "tokens"}) {
    thrown([&] { file->require_int(key); });
    thrown([&] { file->get_float(key, 0); });
    thrown([&] { file->require_string(key); });
    file->array(key);
  }
}

}  // namespace

TEST_CASE("metadata and tensors are read, shapes outermost first") {
  for (const uint32_t version : {2u, 3u}) {
    TemporaryDirectory dir;
    std::string bytes = sample();
    std::memcpy(bytes.data() + 4, &version, 4);
    write_bytes(dir.file("x.gguf"), bytes);
    const auto file = GgufFile::open(dir.file("x.gguf"));
    CHECK(file->path() == dir.file("x.gguf"));
    CHECK(file->require_string("general.architecture") == "llama");
    CHECK(file->require_int("answer") == 42);
    CHECK(file->get_int("negative", 0) == -7);
    CHECK(file->get_int("absent", 5) == 5);
    CHECK(file->get_float("scale", 0) == 0.5);
    CHECK(file->get_float("absent", 1.25) == 1.25);
    CHECK(file->get_string("absent", "x") == "x");
    REQUIRE(file->array("tokens"));
    CHECK(file->array("tokens")->length == 3);
    CHECK(file->array("tokens")->element == GgufType::String);
    CHECK(file->array("tokens")->bytes.size() == 3 * 8 + 3);
    CHECK_FALSE(file->array("absent"));
    CHECK_FALSE(file->array("answer"));
    CHECK(file->type("answer") == GgufType::U32);
    CHECK_FALSE(file->type("absent"));
    CHECK(file->has("flag"));
    CHECK_FALSE(file->has("absent"));
    REQUIRE(file->tensors().size() == 2);
    const GgufTensor* w = file->find("w");
    REQUIRE(w);
    CHECK(w->shape == std::vector<int64_t>{2, 3});
    CHECK(w->bytes == 24);
    float values[6];
    dequantize(w->type, w->data, values, 6);
    CHECK(values[5] == 6.0f);
    const GgufTensor* h = file->find("h");
    REQUIRE(h);
    dequantize(h->type, h->data, values, 4);
    CHECK(values[1] == 2.0f);
    CHECK(values[3] == -1.0f);
    CHECK(file->find("absent") == nullptr);
  }
}

TEST_CASE("metadata of another type or missing is refused by key") {
  TemporaryDirectory dir;
  write_bytes(dir.file("x.gguf"), sample());
  const auto file = GgufFile::open(dir.file("x.gguf"));
  Thrown e = thrown([&] { file->require_int("scale"); });
  CHECK(e.code == "invalid_file");
  CHECK(e.says("scale: expected an integer, got f32"));
  CHECK(thrown([&] { file->require_int("huge"); }).says("below 2^63"));
  CHECK(thrown([&] { file->require_int("flag"); }).says("got bool"));
  CHECK(thrown([&] { file->get_float("answer", 0); }).says("got u32"));
  CHECK(thrown([&] { file->require_string("tokens"); }).says("got array"));
  e = thrown([&] { file->require_string("absent"); });
  CHECK(e.code == "invalid_file");
  CHECK(e.says("absent"));
}

TEST_CASE("foreign files and versions") {
  TemporaryDirectory dir;
  CHECK(opening(dir, "PK\3\4 a zip file, for instance").code == "unsupported_file");
  CHECK(opening(dir, header(0, 0, 1)).code == "unsupported_file");
  const Thrown big = opening(dir, header(0, 0, 0x03000000));
  CHECK(big.code == "unsupported_file");
  CHECK(big.says("expected a little-endian GGUF file, got a big-endian one"));
  const Thrown pointer = opening(dir, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 98\n");
  CHECK(pointer.code == "invalid_file");
  CHECK(pointer.says("Git LFS pointer"));
  CHECK(pointer.says("git lfs pull"));
  CHECK(opening(dir, "").code == "invalid_file");
  CHECK(thrown([&] { GgufFile::open(dir.file("absent")); }).code == "io_error");
  CHECK(thrown([&] { GgufFile::open(dir.file("")); }).says("a folder"));
}

TEST_CASE("lying counts, lengths, shapes and offsets are refused with the field's name") {
  TemporaryDirectory dir;
  const auto refused = [&](const std::string& bytes, const std::string& field) {
    const Thrown e = opening(dir, bytes);
    CAPTURE(e.message);
    CHECK(e.code == "invalid_file");
    CHECK(e.says(field));
  };
  const std::string room(256, '\0');
  refused(header(0, UINT64_MAX), "metadata count");
  refused(header(UINT64_MAX / 2, 0) + room, "tensor count");
  refused(header(0, 1) + le(UINT64_MAX) + room, "metadata key 0");
  refused(header(0, 1) + text("k") + le(99u) + room, "metadata k");
  refused(header(0, 1) + text("k") + le(8u) + le(UINT64_MAX - 3) + room, "metadata k");
  refused(header(0, 1) + text("k") + le(9u) + le(10u) + le(UINT64_MAX / 8 + 2) + room, "metadata k");
  refused(header(0, 1) + text("k") + le(9u) + le(8u) + le<uint64_t>(2) + text("a") + le(UINT64_MAX), "metadata k");
  refused(header(0, 1) + text("k") + le(9u) + le(9u) + le<uint64_t>(1) + le(4u) + le<uint64_t>(1) + room, "nested");
  refused(header(0, 1) + text("") + le(4u) + le(1u) + room, "metadata key 0: expected a name, got an empty one");
  refused(header(0, 1) + text(std::string("a\0b", 3)) + le(4u) + le(1u) + room, "zero byte");
  refused(header(0, 1) + text(std::string(65536, 'k')) + le(4u) + le(1u) + room, "at most 65535 bytes");
  refused(header(1, 0) + tensor(std::string(64, 'w'), {4}, 0, 0) + room, "at most 63 bytes, got 64");
  refused(header(1, 0) + tensor(std::string("w\0v", 3), {4}, 0, 0) + room, "zero byte");
  // Tensors lie one after the other: no gaps, no overlap, no other order.
  for (const uint64_t second : {0u, 16u, 64u}) {
    refused(header(2, 0) + tensor("w", {4}, 0, 0) + tensor("v", {4}, 0, second) + room,
            "tensor v (offset): expected 32");
  }
  refused(header(2, 0) + tensor("w", {4}, 0, 32) + tensor("v", {4}, 0, 0) + room, "tensor w (offset): expected 0");
  // What is mapped is read 32 bytes at a time: a smaller alignment will do only where data lie on such bytes after all.
  const std::string eight = text("general.alignment") + le(4u) + le(8u);
  refused(header(1, 1) + eight + tensor("eight---", {4}, 0, 0) + room, "multiple of 32 bytes in the file");
  refused(header(0, 1) + text("general.alignment") + le(5u) + le(32u) + room,
          "general.alignment: expected u32, got i32");
  refused(header(0, 2) + text("k") + le(4u) + le(1u) + text("k") + le(4u) + le(1u) + room, "twice");
  refused(header(1, 0) + tensor("w", {}, 0, 0) + room, "dimensions");
  refused(header(1, 0) + tensor("w", {1, 1, 1, 1, 1}, 0, 0) + room, "dimensions");
  refused(header(1, 0) + tensor("w", {0, 4}, 0, 0) + room, "shape");
  refused(header(1, 0) + tensor("w", {UINT64_MAX, 4}, 0, 0) + room, "shape");
  refused(header(1, 0) + tensor("w", {uint64_t{1} << 32, uint64_t{1} << 32}, 0, 0) + room, "shape");
  refused(header(1, 0) + tensor("w", {uint64_t{1} << 59}, 0, 0) + room, "offset");
  refused(header(1, 0) + tensor("w", {33}, 8, 0) + room, "multiple of 32");
  refused(header(1, 0) + tensor("w", {160}, 23, 0) + room, "multiple of 256 values for IQ4_XS, got 160");
  refused(header(1, 0) + tensor("w", {4}, 0, 3) + room, "offset");
  refused(header(1, 0) + tensor("w", {4}, 0, UINT64_MAX - 31) + room, "offset");
  refused(header(1, 0) + tensor("w", {4}, 0, 1 << 20) + room, "offset");
  refused(header(2, 0) + tensor("w", {4}, 0, 0) + tensor("w", {4}, 0, 32) + room, "twice");
  for (uint32_t alignment : {0u, 1u, 24u, 0x80000000u}) {
    refused(header(0, 1) + text("general.alignment") + le(4u) + le(alignment) + room, "general.alignment");
  }
  const Thrown e = opening(dir, header(1, 0) + tensor("w", {32}, 9, 0) + room);
  CHECK(e.code == "unsupported_file");
  CHECK(e.says("tensor w"));
  CHECK(e.says("Q6_K, Q5_K"));
  CHECK(e.says("got Q8_1"));
}

TEST_CASE("a file cut at any byte throws an Error and nothing else") {
  TemporaryDirectory dir;
  const std::string whole = sample();
  const std::string path = dir.file("x.gguf");
  write_bytes(path, whole);
  REQUIRE(thrown([&] { open_and_read(path); }).code == "nothing thrown");
  for (size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    write_bytes(path, whole.substr(0, length));
    const Thrown e = thrown([&] { open_and_read(path); });
    CHECK(e.code == "invalid_file");
  }
}

TEST_CASE("random damage throws an Error or reads within the file") {
  TemporaryDirectory dir;
  const std::string whole = sample();
  const std::string path = dir.file("x.gguf");
  std::mt19937_64 random(7);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = whole;
    const int flips = 1 + static_cast<int>(random() % 4);
    for (int i = 0; i < flips; ++i) damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 8));
    write_bytes(path, damaged);
    const Thrown e = thrown([&] { open_and_read(path); });
    if (e.code != "nothing thrown") {
      CHECK((e.code == "invalid_file" || e.code == "unsupported_file"));
      ++refused;
    }
  }
  CHECK(refused > 500);  // most of this file is structure, so much of the damage must show
}

TEST_CASE("a written file reads back the same and is never overwritten") {
  TemporaryDirectory dir;
  const std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {-0.5f};
  GgufWriter writer;
  writer.metadata = {{"general.type", std::string("adapter")}, {"x", 2.5f}, {"n", 9u}};
  writer.tensors = {{"a", {2, 3}, a}, {"b", {1}, b}};
  const std::string path = dir.file("out.gguf");
  writer.write(path);
  CHECK(dir.entries() == 1);
  const auto file = GgufFile::open(path);
  CHECK(file->require_string("general.type") == "adapter");
  CHECK(file->get_float("x", 0) == 2.5);
  CHECK(file->require_int("n") == 9);
  REQUIRE(file->find("a"));
  CHECK(file->find("a")->shape == std::vector<int64_t>{2, 3});
  CHECK(std::memcmp(file->find("a")->data, a.data(), 24) == 0);
  REQUIRE(file->find("b"));
  CHECK(std::memcmp(file->find("b")->data, b.data(), 4) == 0);

  const std::string before = read_bytes(path);
  const Thrown e = thrown([&] { writer.write(path); });
  CHECK(e.code == "invalid_argument");
  CHECK(read_bytes(path) == before);
  CHECK(dir.entries() == 1);
  CHECK(thrown([&] { writer.write(dir.file("no/such/folder.gguf")); }).code == "io_error");
  writer.tensors[0].shape = {7};
  CHECK(thrown([&] { writer.write(dir.file("bad.gguf")); }).says("tensor a"));
  CHECK(dir.entries() == 1);
}

TEST_CASE("a write that fails half way leaves no file behind") {
  TemporaryDirectory dir;
  const std::vector<float> data(1 << 16);
  GgufWriter writer;
  writer.tensors = {{"a", {1 << 16}, data}};
  // A file-size limit makes the kernel refuse the write after its first pages.
  rlimit saved{}, small{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &saved) == 0);
  small = saved;
  small.rlim_cur = 8192;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const Thrown e = thrown([&] { writer.write(dir.file("out.gguf")); });
  REQUIRE(setrlimit(RLIMIT_FSIZE, &saved) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(e.code == "disk_full");
  CHECK(dir.entries() == 0);
}
