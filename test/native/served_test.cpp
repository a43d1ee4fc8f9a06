// What llama.cpp's loader refuses beside the container's rules is refused before anything is computed, by the key.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "core/gguf.h"
#include "gguf_bytes.h"
#include "model/served.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

namespace {

std::string u32(uint32_t value) { return le(4u) + le(value); }
std::string f32(float value) { return le(6u) + le(value); }
std::string string(const std::string& value) { return le(8u) + text(value); }
std::string strings(const std::vector<std::string>& values) {
  std::string out = le(9u) + le(8u) + le<uint64_t>(values.size());
  for (const std::string& value : values) out += text(value);
  return out;
}
std::string numbers(uint32_t element, const std::vector<int32_t>& values) {
  std::string out = le(9u) + le(element) + le<uint64_t>(values.size());
  for (const int32_t value : values) out += le(value);
  return out;
}

// A model of three tokens as far as check_served looks.
struct Draft {
  std::vector<std::pair<std::string, std::string>> keys = {
      {"general.architecture", string("llama")},
      {"tokenizer.ggml.model", string("gpt2")},
      {"tokenizer.ggml.pre", string("llama-bpe")},
      {"tokenizer.ggml.merges", strings({"a b"})},
      {"tokenizer.ggml.tokens", strings({"a", "b", "ab"})},
      {"tokenizer.ggml.token_type", numbers(5, {1, 1, 1})},
  };
  uint64_t rows = 3;

  Draft& set(const std::string& key, const std::string& value) {
    drop(key);
    keys.emplace_back(key, value);
    return *this;
  }
  Draft& drop(const std::string& key) {
    std::erase_if(keys, [&](const auto& entry) { return entry.first == key; });
    return *this;
  }
  Thrown check() const {
    std::string bytes = header(1, keys.size());
    for (const auto& [key, value] : keys) bytes += text(key) + value;
    bytes = pad(bytes + tensor("token_embd.weight", {2, rows}, 0, 0)) + std::string(rows * 8, '\1');
    TemporaryDirectory dir;
    write_bytes(dir.file("m.gguf"), bytes);
    return thrown([&] { check_served(*GgufFile::open(dir.file("m.gguf"))); });
  }
};

void refused(const Draft& draft, const std::string& says, const std::string& code = "invalid_file") {
  const Thrown t = draft.check();
  CAPTURE(t.message);
  CAPTURE(says);
  CHECK(t.code == code);
  CHECK(t.says(says));
}

void accepted(const Draft& draft) {
  const Thrown t = draft.check();
  CAPTURE(t.message);
  CHECK(t.code == "nothing thrown");
}

}  // namespace

TEST_CASE("a key of another type than llama.cpp reads is refused, whatever its value") {
  accepted(Draft());
  refused(Draft().set("llama.block_count", le(5u) + le(2)), "llama.block_count: expected u32, got i32");
  refused(Draft().set("llama.vocab_size", le(10u) + le<uint64_t>(3)), "llama.vocab_size: expected u32, got u64");
  refused(Draft().set("llama.rope.freq_base", le(12u) + le(1e4)), "llama.rope.freq_base: expected f32, got f64");
  refused(Draft().set("llama.attention.causal", u32(1)), "llama.attention.causal: expected bool, got u32");
  refused(Draft().set("llama.rope.scaling.type", u32(1)), "llama.rope.scaling.type: expected string, got u32");
  refused(Draft().set("tokenizer.ggml.bos_token_id", le(5u) + le(1)), "bos_token_id: expected u32, got i32");
  refused(Draft().set("tokenizer.ggml.add_bos_token", u32(1)), "add_bos_token: expected bool, got u32");
  refused(Draft().set("general.name", u32(1)), "general.name: expected string, got u32");
  refused(Draft().set("general.file_type", f32(1)), "general.file_type: expected u32, got f32");
  refused(Draft().set("split.no", u32(0)), "split.no: expected u16, got u32");
  refused(Draft().set("split.count", u32(1)), "split.count: expected u16, got u32");
  refused(Draft().set("llama.classifier.output_labels", numbers(5, {1})), "expected an array of string");
  accepted(Draft().set("qwen2.block_count", f32(2)).set("other", f32(2)));  // nobody reads these
}

TEST_CASE("an adapter is not a model") {
  refused(Draft().set("general.type", string("adapter")), "general.type: expected model, got adapter");
  accepted(Draft().set("general.type", string("model")));
}

TEST_CASE("a number for each block is left to the reader of the shape") {
  for (const char* key : {"llama.attention.head_count", "llama.attention.head_count_kv", "llama.feed_forward_length"}) {
    accepted(Draft().set(key, numbers(4, {2, 2})));
    refused(Draft().set(key, le(5u) + le(2)), "expected u32, got i32");
  }
}

TEST_CASE("a vocabulary that cannot be built is refused") {
  refused(Draft().drop("tokenizer.ggml.model"), "tokenizer.ggml.model");
  refused(Draft().set("tokenizer.ggml.model", string("gqt2")), "expected llama or gpt2, got gqt2", "unsupported_file");
  refused(Draft().set("tokenizer.ggml.pre", string("lama-bpe")), "tokenizer.ggml.pre: expected");
  refused(Draft().drop("tokenizer.ggml.merges"), "tokenizer.ggml.merges: expected an array of string, got none");
  refused(Draft().set("tokenizer.ggml.merges", numbers(5, {1})),
          "merges: expected an array of string, got an array of");
  refused(Draft().drop("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens: expected an array of string, got none");
  refused(Draft().set("tokenizer.ggml.tokens", numbers(5, {1, 2, 3})), "tokens: expected an array of string");
  refused(Draft().set("tokenizer.ggml.tokens", string("abc")), "tokens: expected an array of string, got string");
  refused(Draft().set("tokenizer.ggml.tokens", strings({})), "at least one token");
  refused(Draft().set("tokenizer.ggml.token_type", numbers(5, {1, 1})), "an entry for each of 3 tokens, got 2");
  refused(Draft().set("tokenizer.ggml.token_type", numbers(4, {1, 1, 1})), "token_type: expected an array of i32");
  refused(Draft().set("tokenizer.ggml.scores", numbers(6, {0, 0})), "scores: expected an entry for each");
  refused(Draft().set("tokenizer.ggml.scores", numbers(4, {0, 0, 0})), "scores: expected an array of f32");
  refused(Draft().set("tokenizer.ggml.suppress_tokens", numbers(4, {0})), "suppress_tokens: expected an array of i32");
  refused(Draft().set("tokenizer.ggml.token_type", numbers(5, {1, 6, 1})), "token_type: expected a byte's token");
  refused(Draft().set("general.name", string("My PHI-3")), "expected a token </s>");
  Draft more;
  more.rows = 4;
  refused(more, "expected a row for each of 3 tokens, got 4");
  accepted(Draft().drop("tokenizer.ggml.token_type").drop("tokenizer.ggml.pre"));
  accepted(Draft().set("tokenizer.ggml.token_type", numbers(5, {1, 1, 1, 1})));
  accepted(Draft().set("tokenizer.ggml.model", string("llama")).drop("tokenizer.ggml.merges"));
  accepted(Draft().set("tokenizer.ggml.model", string("none")).set("llama.vocab_size", u32(3)));
  refused(Draft().set("tokenizer.ggml.model", string("none")), "llama.vocab_size");
}

TEST_CASE("a token's text is there once; empty ones may be several") {
  refused(Draft().set("tokenizer.ggml.tokens", strings({"a", "b", "a"})), "tokens: expected each text once, got \"a\"");
  refused(Draft().set("tokenizer.ggml.tokens", strings({"a", "b", std::string("a\0z", 3)})), "each text once");
  refused(Draft().set("tokenizer.ggml.tokens", strings({"", "b", "[EMPTY_0]"})), "an empty token has, too");
  accepted(Draft().set("tokenizer.ggml.tokens", strings({"", "b", ""})));
  accepted(Draft().set("tokenizer.ggml.tokens", strings({"", "[EMPTY_1]", "[EMPTY_00]"})));
}

TEST_CASE("the models that are tested with are served") {
  for (const auto& entry : std::filesystem::directory_iterator(SPARK_FIXTURES)) {
    if (entry.path().extension() != ".gguf") continue;
    CAPTURE(entry.path().string());
    const Thrown t = thrown([&] { check_served(*GgufFile::open(entry.path().string())); });
    CHECK(t.message == "");
  }
}
