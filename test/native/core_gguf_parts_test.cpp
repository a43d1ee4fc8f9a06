// A model in several files: opened from any of them as if it were in one, and refused with what is missing or wrong.
#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>
#include <vector>

#include "core/gguf.h"
#include "core/gguf_copy.h"
#include "gguf_bytes.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

namespace {

std::string u16(uint16_t value) { return le(2u) + le(value); }

struct Part {
  uint16_t number = 0, count = 3;
  std::vector<std::string> tensors;  // F32, four values each: their place in the list and in the part
  std::string more;                  // metadata entries
  uint64_t entries = 0;

  std::string bytes() const {
    std::string s =
        header(tensors.size(), 2 + entries) + text("split.no") + u16(number) + text("split.count") + u16(count);
    s += more;
    for (size_t i = 0; i < tensors.size(); ++i) s += tensor(tensors[i], {4}, 0, 32 * i);
    for (size_t i = 0; i < tensors.size(); ++i) {
      s = pad(s);
      for (int j = 0; j < 4; ++j) s += le(static_cast<float>(100 * number + 10 * static_cast<int>(i) + j));
    }
    return pad(s);
  }
};

struct Split {
  TemporaryDirectory dir;
  std::vector<Part> parts{
      {0, 3, {"a", "b"}, text("name") + le(8u) + text("x") + text("split.tensors.count") + le(5u) + le(4), 2},
      {1, 3, {"c"}, "", 0},
      {2, 3, {"d"}, text("name") + le(8u) + text("another's"), 1}};

  std::string path(int number, const char* ending = "-of-00003.gguf") const {
    return dir.file("m-0000" + std::to_string(number + 1) + ending);
  }
  void write() const {
    for (size_t i = 0; i < parts.size(); ++i) write_bytes(path(static_cast<int>(i)), parts[i].bytes());
  }
  void refused(const std::string& says, const std::string& code = "invalid_file") const {
    write();
    const Thrown t = thrown([&] { GgufFile::open(path(0)); });
    CAPTURE(t.message);
    CAPTURE(says);
    CHECK(t.code == code);
    CHECK(t.says(says));
  }
};

}  // namespace

TEST_CASE("any part opens all of them") {
  Split split;
  split.write();
  for (int given = 0; given < 3; ++given) {
    CAPTURE(given);
    const auto file = GgufFile::open(split.path(given));
    CHECK(file->path() == split.path(0));
    REQUIRE(file->tensors().size() == 4);
    CHECK(file->require_string("name") == "x");
    CHECK_FALSE(file->has("split.count"));
    CHECK(file->get_int("split.count", 7) == 7);
    CHECK(file->entries().size() == 1);
    const std::pair<const char*, float> kFirst[] = {{"a", 0}, {"b", 10}, {"c", 100}, {"d", 200}};
    for (const auto& [name, first] : kFirst) {
      const GgufTensor* tensor = file->find(name);
      REQUIRE(tensor);
      float value = -1;
      std::memcpy(&value, tensor->data, sizeof value);
      CHECK(value == first);
    }
    CHECK_FALSE(file->find("e"));
  }
}

TEST_CASE("a copy of a model in parts is one file") {
  Split split;
  split.write();
  const auto file = GgufFile::open(split.path(0));
  GgufCopy(*file).write(split.dir.file("whole.gguf"), nullptr);
  const auto whole = GgufFile::open(split.dir.file("whole.gguf"));
  CHECK(whole->tensors().size() == 4);
  CHECK_FALSE(whole->has("split.count"));
  CHECK(std::memcmp(whole->find("d")->data, file->find("d")->data, 16) == 0);
}

TEST_CASE("a part of one is a whole model, whatever it is called") {
  Split split;
  split.parts = {{0, 1, {"a"}, "", 0}};
  split.write();
  CHECK(GgufFile::open(split.path(0))->tensors().size() == 1);
}

TEST_CASE("missing parts are named") {
  Split split;
  split.write();
  std::filesystem::remove(split.path(1));
  for (const int given : {0, 2}) {
    const Thrown t = thrown([&] { GgufFile::open(split.path(given)); });
    CHECK(t.code == "io_error");
    CHECK(t.says("all 3 parts of the model, got no " + split.path(1) + ";"));
  }
  std::filesystem::remove(split.path(0));
  CHECK(thrown([&] { GgufFile::open(split.path(2)); }).says(split.path(0) + ", " + split.path(1)));
}

TEST_CASE("parts that do not belong together are refused") {
  Split split;
  SUBCASE("another number") {
    split.parts[1].number = 2, split.refused("expected part 2 of 3, as its name has it, got part 3 of 3");
  }
  SUBCASE("another count") { split.parts[2].count = 4, split.refused("got part 3 of 4"); }
  SUBCASE("a tensor twice") {
    split.parts[2].tensors = {"a"}, split.refused("tensor a: expected each tensor name once");
  }
  SUBCASE("a tensor too few") {
    split.parts[2].tensors = {}, split.refused("expected 4 tensors in all parts together, got 3");
  }
  SUBCASE("a count of tensors that is not there") {
    split.parts[0].more = "", split.parts[0].entries = 0;
    split.refused("split.tensors.count: expected i32 in a part of a model, got none");
  }
  SUBCASE("a damaged part") {
    split.write();
    write_bytes(split.path(1), split.parts[1].bytes().substr(0, 60));
    const Thrown t = thrown([&] { GgufFile::open(split.path(0)); });
    CHECK(t.code == "invalid_file");
    CHECK(t.says(split.path(1)));
  }
}

TEST_CASE("a part under another name is refused") {
  Split split;
  split.write();
  for (const char* name : {"m.gguf", "m-00001-of-00004.gguf", "m-00002-of-00003.gguf", "-00001-of-00003.GGUF"}) {
    CAPTURE(name);
    write_bytes(split.dir.file(name), split.parts[0].bytes());
    const Thrown t = thrown([&] { GgufFile::open(split.dir.file(name)); });
    CHECK(t.code == "invalid_file");
    CHECK(t.says("expected a name that ends in -00001-of-00003.gguf"));
  }
}
