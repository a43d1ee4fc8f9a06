// What a file's metadata say of the shape, in every way of saying it that llama.cpp knows: taken, or refused by name.
#include "model/config.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "core/gguf.h"
#include "gguf_bytes.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

namespace {

std::string u32(uint32_t value) { return le(4u) + le(value); }
std::string f32(float value) { return le(6u) + le(value); }
std::string flag(bool value) { return le(7u) + std::string(1, value ? '\1' : '\0'); }
std::string string(const std::string& value) { return le(8u) + text(value); }
std::string numbers(uint32_t element, const std::vector<int32_t>& values) {
  std::string out = le(9u) + le(element) + le<uint64_t>(values.size());
  for (const int32_t value : values) out += le(value);
  return out;
}

using Entries = std::vector<std::pair<std::string, std::string>>;

// Two blocks of width 24, with `more` beside or in place of what is there.
LlamaConfig read(const Entries& more) {
  Entries keys = {{"general.architecture", string("llama")},
                  {"llama.context_length", u32(64)},
                  {"llama.embedding_length", u32(24)},
                  {"llama.block_count", u32(2)},
                  {"llama.feed_forward_length", u32(40)},
                  {"llama.attention.head_count", u32(4)},
                  {"llama.attention.layer_norm_rms_epsilon", f32(1e-5f)}};
  for (const auto& entry : more) {
    std::erase_if(keys, [&](const auto& known) { return known.first == entry.first; });
    keys.push_back(entry);
  }
  std::string bytes = header(0, keys.size());
  for (const auto& [key, value] : keys) bytes += text(key) + value;
  const TemporaryDirectory dir;
  write_bytes(dir.file("c.gguf"), pad(bytes));
  return read_config(*GgufFile::open(dir.file("c.gguf")));
}

void refused(const Entries& more, const std::string& says, const std::string& code) {
  const Thrown t = thrown([&] { read(more); });
  CAPTURE(t.message);
  CAPTURE(says);
  CHECK(t.code == code);
  CHECK(t.says(says));
}

}  // namespace

TEST_CASE("a number for every block counts when all are the same") {
  const LlamaConfig config = read({{"llama.attention.head_count", numbers(5, {4, 4})},
                                   {"llama.attention.head_count_kv", numbers(4, {2, 2})},
                                   {"llama.feed_forward_length", numbers(4, {48, 48})}});
  CHECK(config.heads == 4);
  CHECK(config.kv_heads == 2);
  CHECK(config.feed_forward == 48);
  CHECK(read({}).kv_heads == 4);
  const std::string key = "llama.attention.head_count_kv";
  refused({{key, numbers(4, {2, 1})}}, key + ": expected the same number for every block, got 2 and, for block 1, 1",
          "unsupported_file");
  refused({{key, numbers(4, {2})}}, key + ": expected a number for each of 2 blocks, got 1", "invalid_file");
  refused({{key, numbers(6, {2, 2})}}, key + ": expected numbers of type u32 or i32, got f32", "invalid_file");
  refused({{key, numbers(5, {-1, -1})}}, key + ": expected a number from 1", "invalid_file");
  refused({{key, numbers(4, {0, 0})}}, key + ": expected a number from 1", "invalid_file");
}

TEST_CASE("linear scaling has an older name, a factor of 0 is none, and `none` ignores it") {
  const std::string type = "llama.rope.scaling.type", factor = "llama.rope.scaling.factor",
                    old = "llama.rope.scale_linear";
  CHECK(read({}).rope_scale == 1);
  CHECK(read({{factor, f32(4)}}).rope_scale == 4);
  CHECK(read({{old, f32(2)}}).rope_scale == 2);
  CHECK(read({{old, f32(2)}, {factor, f32(4)}}).rope_scale == 4);
  CHECK(read({{old, f32(2)}, {factor, f32(0)}}).rope_scale == 1);
  CHECK(read({{type, string("linear")}, {factor, f32(8)}}).rope_scale == 8);
  CHECK(read({{type, string("none")}, {factor, f32(8)}}).rope_scale == 1);
  refused({{factor, f32(-1)}}, factor + ": expected a positive number", "invalid_file");
  refused({{type, string("yarn")}, {factor, f32(8)}}, type, "unsupported_file");
  refused({{type, string("longrope")}}, type, "unsupported_file");
}

TEST_CASE("what would be computed in another way is refused") {
  CHECK(read({{"llama.attention.causal", flag(true)}}).heads == 4);
  refused({{"llama.attention.causal", flag(false)}}, "llama.attention.causal: expected true", "unsupported_file");
  refused({{"llama.attention.value_length", u32(8)}}, "llama.attention.value_length", "unsupported_file");
  refused({{"llama.rope.dimension_count", u32(4)}}, "llama.rope.dimension_count", "invalid_file");
  for (const char* key : {"expert_count", "expert_used_count", "expert_group_count", "nextn_predict_layers",
                          "embedding_length_out", "pooling_type"}) {
    refused({{std::string("llama.") + key, u32(1)}}, std::string("llama.") + key, "unsupported_file");
  }
  refused({{"llama.rope.scaling.attn_factor", f32(2)}}, "llama.rope.scaling.attn_factor", "unsupported_file");
}
