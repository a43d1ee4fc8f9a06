// The rules by which llama.cpp builds a vocabulary from a file, and refuses the file or aborts where it cannot.
#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "model/served.h"

namespace spark {

namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr int32_t kByteToken = 6;  // of tokenizer.ggml.token_type: a token for one byte, spelt <0x0A>

[[noreturn]] void refuse(const GgufFile& file, const std::string& key, const std::string& expected,
                         const std::string& got) {
  throw Error("invalid_file", file.path() + ": " + key + ": expected " + expected + ", got " + got);
}

std::string describe(const GgufFile& file, const std::string& key) {
  const auto array = file.array(key);
  if (array) return "an array of " + std::string(gguf_type_name(array->element));
  const auto type = file.type(key);
  return type ? gguf_type_name(*type) : "none";
}

GgufArray require_array(const GgufFile& file, const std::string& key, std::initializer_list<GgufType> elements) {
  const auto array = file.array(key);
  if (array && std::find(elements.begin(), elements.end(), array->element) != elements.end()) return *array;
  refuse(file, key, "an array of " + std::string(gguf_type_name(*elements.begin())), describe(file, key));
}

// An array beside the tokens: absent, or at least as long.
std::optional<GgufArray> beside(const GgufFile& file, const std::string& key, int64_t tokens,
                                std::initializer_list<GgufType> elements) {
  if (!file.has(key)) return std::nullopt;
  const GgufArray array = require_array(file, key, elements);
  if (array.length >= tokens) return array;
  refuse(file, key, "an entry for each of " + std::to_string(tokens) + " tokens", std::to_string(array.length));
}

// Views into the map. A reader in C sees a text end at its first zero byte.
std::vector<std::string_view> texts_of(const GgufArray& array) {
  std::vector<std::string_view> texts;
  texts.reserve(static_cast<size_t>(array.length));
  const std::byte* at = array.bytes.data();
  for (int64_t i = 0; i < array.length; ++i) {
    uint64_t length = 0;
    std::memcpy(&length, at, sizeof length);
    const std::string_view text(reinterpret_cast<const char*>(at + sizeof length), static_cast<size_t>(length));
    texts.push_back(text.substr(0, text.find('\0')));
    at += sizeof length + length;
  }
  return texts;
}

// Empty tokens are no error, not even two of them: llama.cpp names each [EMPTY_<its number>]. So another token with
// just that text is one.
bool is_name_of_empty(const std::vector<std::string_view>& texts, std::string_view text) {
  constexpr std::string_view kBegin = "[EMPTY_";
  if (!text.starts_with(kBegin) || !text.ends_with("]")) return false;
  const std::string_view digits = text.substr(kBegin.size(), text.size() - kBegin.size() - 1);
  size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool canonical =
      error == std::errc() && end == digits.data() + digits.size() && std::to_string(number) == digits;
  return canonical && number < texts.size() && texts[number].empty();
}

// Sorted rather than hashed: 16 bytes a token, whatever the file claims.
void refuse_twins(const GgufFile& file, const std::vector<std::string_view>& texts) {
  std::vector<std::string_view> sorted;
  sorted.reserve(texts.size());
  for (const std::string_view text : texts) {
    if (text.empty()) continue;
    if (is_name_of_empty(texts, text)) refuse(file, kTokens, "each text once", "one that an empty token has, too");
    sorted.push_back(text);
  }
  std::sort(sorted.begin(), sorted.end());
  const auto twin = std::adjacent_find(sorted.begin(), sorted.end());
  if (twin != sorted.end())
    refuse(file, kTokens, "each text once", std::string("\"").append(twin->substr(0, 80)).append("\" twice"));
}

void check_token_types(const GgufFile& file, const std::vector<std::string_view>& texts) {
  const std::string key = "tokenizer.ggml.token_type";
  const auto types = beside(file, key, static_cast<int64_t>(texts.size()), {GgufType::I32});
  if (!types) return;
  for (size_t i = 0; i < texts.size(); ++i) {
    int32_t type = 0;
    std::memcpy(&type, types->bytes.data() + i * sizeof type, sizeof type);
    if (type != kByteToken || texts[i].empty() || texts[i].size() >= 3) continue;
    refuse(file, key, "a byte's token spelt like <0x0A>",
           std::string("\"").append(texts[i]).append("\", token ").append(std::to_string(i)));
  }
}

void check_merges(const GgufFile& file) {
  const std::string key = "tokenizer.ggml.merges", pre = file.get_string("tokenizer.ggml.pre", "");
  if (!known_pre_tokenizer(pre)) refuse(file, "tokenizer.ggml.pre", "the name of a pre-tokenizer", pre);
  if (file.has(key) || pre != "kimi-k2") require_array(file, key, {GgufType::String});
}

// Texts that llama.cpp looks for, without asking whether they are there, in every model of this name.
void check_phi3(const GgufFile& file, const std::vector<std::string_view>& texts) {
  std::string name = file.get_string("general.name", "");
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (name.find("phi-3") == std::string::npos && name.find("phi3") == std::string::npos) return;
  for (const std::string_view text : {"</s>", "<unk>", "<s>", "<|endoftext|>"}) {
    if (std::find(texts.begin(), texts.end(), text) == texts.end())
      refuse(file, kTokens, "a token " + std::string(text) + ", as every Phi-3 has it", "none");
  }
}

}  // namespace

int64_t check_vocabulary(const GgufFile& file, const std::string& architecture) {
  const std::string model = file.require_string("tokenizer.ggml.model");
  if (model == "none" || model == "no_vocab") return file.require_int(architecture + ".vocab_size");
  if (model != "llama" && model != "gpt2") {
    throw Error("unsupported_file", file.path() + ": tokenizer.ggml.model: expected llama or gpt2, got " + model);
  }
  if (model == "gpt2") check_merges(file);
  const GgufArray tokens = require_array(file, kTokens, {GgufType::String});
  if (tokens.length < 1) refuse(file, kTokens, "at least one token", "none");
  const std::vector<std::string_view> texts = texts_of(tokens);
  beside(file, "tokenizer.ggml.scores", tokens.length, {GgufType::F32, GgufType::I32});
  check_token_types(file, texts);
  refuse_twins(file, texts);
  if (const std::string suppressed = "tokenizer.ggml.suppress_tokens"; file.has(suppressed))
    require_array(file, suppressed, {GgufType::I32});
  check_phi3(file, texts);
  return tokens.length;
}

}  // namespace spark
