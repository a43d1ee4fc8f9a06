// A Llama in memory: a GgufFile without a file, with seeded random fp32 weights.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compare.h"
#include "core/error.h"
#include "core/gguf.h"
#include "cpu/cpu_backend.h"
#include "model/parameters.h"
#include "train/model.h"

namespace spark_test {

class MemoryGguf final : public spark::GgufFile {
 public:
  std::map<std::string, int64_t> ints;
  std::map<std::string, double> floats;
  std::map<std::string, std::string> strings;

  void add(const std::string& name, std::vector<int64_t> shape, std::vector<float> values) {
    storage_.push_back(std::make_unique<std::vector<float>>(std::move(values)));
    const auto& data = *storage_.back();
    remove(name);
    tensors_.push_back({name, std::move(shape), spark::TensorType::F32, reinterpret_cast<const std::byte*>(data.data()),
                        data.size() * sizeof(float)});
  }
  void remove(const std::string& name) {
    std::erase_if(tensors_, [&](const spark::GgufTensor& t) { return t.name == name; });
  }

  // As if the tensor were F16: half of its bytes.
  void narrow(const std::string& name) {
    for (spark::GgufTensor& t : tensors_)
      if (t.name == name) t.type = spark::TensorType::F16, t.bytes /= 2;
  }

  const std::string& path() const override { return path_; }
  const spark::GgufTensor* find(const std::string& name) const override {
    for (const auto& t : tensors_)
      if (t.name == name) return &t;
    return nullptr;
  }
  const std::vector<spark::GgufTensor>& tensors() const override { return tensors_; }
  bool has(const std::string& key) const override {
    return ints.contains(key) || floats.contains(key) || strings.contains(key);
  }
  int64_t require_int(const std::string& key) const override {
    if (!ints.contains(key)) throw spark::Error("invalid_file", key + ": expected a number, got none");
    return ints.at(key);
  }
  int64_t get_int(const std::string& key, int64_t fallback) const override {
    return ints.contains(key) ? ints.at(key) : fallback;
  }
  double get_float(const std::string& key, double fallback) const override {
    return floats.contains(key) ? floats.at(key) : fallback;
  }
  std::string require_string(const std::string& key) const override { return strings.at(key); }
  std::string get_string(const std::string& key, const std::string& fallback) const override {
    return strings.contains(key) ? strings.at(key) : fallback;
  }
  const std::vector<spark::GgufEntry>& entries() const override { return entries_; }

 private:
  std::vector<spark::GgufEntry> entries_;  // none: what has no file has no bytes to take over
  std::string path_ = "memory";
  std::vector<spark::GgufTensor> tensors_;
  std::vector<std::unique_ptr<std::vector<float>>> storage_;
};

struct TinyShape {
  int64_t width = 24, layers = 2, heads = 4, kv_heads = 1, head_size = 6, feed_forward = 40, vocabulary = 50;
  int64_t context = 512;
  bool tied = true;
};

inline std::shared_ptr<MemoryGguf> tiny_gguf(const TinyShape& s, uint64_t seed = 1) {
  auto file = std::make_shared<MemoryGguf>();
  file->strings["general.architecture"] = "llama";
  file->ints = {{"llama.embedding_length", s.width},           {"llama.block_count", s.layers},
                {"llama.feed_forward_length", s.feed_forward}, {"llama.context_length", s.context},
                {"llama.attention.head_count", s.heads},       {"llama.attention.head_count_kv", s.kv_heads},
                {"llama.attention.key_length", s.head_size},   {"llama.attention.value_length", s.head_size}};
  file->floats["llama.attention.layer_norm_rms_epsilon"] = 1e-5;
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t cols) {
    file->add(name, {rows, cols},
              spark::normal_values(seed, name, rows * cols, 1.0 / std::sqrt(static_cast<double>(cols))));
  };
  const auto norm = [&](const std::string& name) {
    auto values = spark::normal_values(seed, name, s.width, 0.2);
    for (float& x : values) x += 1;
    file->add(name, {s.width}, values);
  };
  matrix("token_embd.weight", s.vocabulary, s.width);
  if (!s.tied) matrix("output.weight", s.vocabulary, s.width);
  norm("output_norm.weight");
  const int64_t q = s.heads * s.head_size, kv = s.kv_heads * s.head_size;
  for (int64_t layer = 0; layer < s.layers; ++layer) {
    const std::string p = "blk." + std::to_string(layer) + ".";
    norm(p + "attn_norm.weight");
    norm(p + "ffn_norm.weight");
    matrix(p + "attn_q.weight", q, s.width);
    matrix(p + "attn_k.weight", kv, s.width);
    matrix(p + "attn_v.weight", kv, s.width);
    matrix(p + "attn_output.weight", s.width, q);
    matrix(p + "ffn_gate.weight", s.feed_forward, s.width);
    matrix(p + "ffn_up.weight", s.feed_forward, s.width);
    matrix(p + "ffn_down.weight", s.width, s.feed_forward);
  }
  return file;
}

inline std::shared_ptr<spark::Model> tiny_model(const TinyShape& shape = {}, int threads = 2) {
  return spark::make_model(tiny_gguf(shape), std::make_unique<spark::CpuBackend>(threads));
}

// Sequences of these lengths with every field filled: steps of two state tokens and three own tokens.
inline OwnedBatch tiny_batch(const std::vector<int>& lengths, int64_t vocabulary, uint64_t seed = 7) {
  OwnedBatch b;
  int32_t step = 0;
  for (const int length : lengths) {
    const size_t first = b.tokens.size();
    for (int i = 0; i < length; ++i) {
      const bool own = i % 5 >= 2;
      if (i % 5 == 2) ++step;
      if (i % 5 == 1) b.value_positions.push_back(static_cast<int32_t>(first) + i);
      b.loss_mask.push_back(own);
      b.step_ids.push_back(step);
    }
    b.tokens.resize(first + static_cast<size_t>(length));
    b.cu_seqlens.push_back(static_cast<int32_t>(b.tokens.size()));
  }
  const int64_t n = static_cast<int64_t>(b.tokens.size());
  const auto uniform = spark::normal_values(seed, "tokens", n, 1e4);
  for (size_t i = 0; i < b.tokens.size(); ++i)
    b.tokens[i] = static_cast<int32_t>(std::abs(static_cast<int64_t>(uniform[i])) % vocabulary);
  b.old_logprobs = spark::normal_values(seed, "old", n, 0.3);
  b.ref_logprobs = spark::normal_values(seed, "ref", n, 0.3);
  for (auto* values : {&b.old_logprobs, &b.ref_logprobs})
    for (float& x : *values) x -= std::log(static_cast<float>(vocabulary));
  const auto advantage = spark::normal_values(seed, "advantage", step + 1, 1.0);
  for (const int32_t id : b.step_ids) b.advantages.push_back(advantage[static_cast<size_t>(id)]);
  b.returns = spark::normal_values(seed, "returns", static_cast<int64_t>(b.value_positions.size()), 1.0);
  return b;
}

}  // namespace spark_test
