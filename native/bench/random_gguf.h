// A model of a named shape with random weights, in memory: to time an 8B model without writing and reading 16 GB.
// Tensors of one type and width are windows into one pool of random values, each beginning somewhere else, so the host
// holds little more than the largest of them. A copy per layer exists only where a backend makes it, on its device.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/gguf.h"
#include "random_values.h"
#include "shapes.h"

namespace spark::bench {

// What a file is called after what most of it is. Q4_K_M is llama.cpp's mixture, the usual 4-bit file: Q6_K for the
// output head and for half of attn_v and ffn_down.
inline TensorType type_of(const std::string& file_type, const std::string& tensor, int64_t layer, int64_t layers) {
  const std::map<std::string, TensorType> plain = {
      {"f32", TensorType::F32}, {"bf16", TensorType::BF16}, {"Q8_0", TensorType::Q8_0}, {"Q4_K", TensorType::Q4_K}};
  if (const auto found = plain.find(file_type); found != plain.end()) return found->second;
  if (file_type != "Q4_K_M") throw Error("usage", "--type: expected f32, bf16, Q8_0, Q4_K or Q4_K_M, got " + file_type);
  const int64_t eighth = layers / 8;
  const bool more_bits = layer < eighth || layer >= 7 * eighth || (layer - eighth) % 3 == 2;
  const bool sensitive = tensor.ends_with("attn_v.weight") || tensor.ends_with("ffn_down.weight");
  return tensor == "output.weight" || (sensitive && more_bits) ? TensorType::Q6_K : TensorType::Q4_K;
}

class RandomGguf final : public GgufFile {
 public:
  RandomGguf(const Shape& shape, const std::string& type, uint64_t seed)
      : path_(std::string(shape.name) + " " + type + ", random, in memory"),
        ints_({{"llama.context_length", shape.context},
               {"llama.embedding_length", shape.C},
               {"llama.block_count", shape.L},
               {"llama.feed_forward_length", shape.F},
               {"llama.attention.head_count", shape.H},
               {"llama.attention.head_count_kv", shape.K},
               {"llama.attention.key_length", shape.D},
               {"llama.attention.value_length", shape.D},
               {"llama.rope.dimension_count", shape.D}}),
        floats_({{"llama.rope.freq_base", shape.rope_base}, {"llama.attention.layer_norm_rms_epsilon", 1e-5}}),
        strings_({{"general.architecture", "llama"}, {"general.name", path_}}),
        ones_(static_cast<size_t>(shape.C), 1.0f) {
    for (const ShapeTensor& tensor : tensors_of(shape)) place(tensor, type, shape.L);
    for (auto& [kind, pool] : pools_) fill(kind, pool, seed);
    for (size_t i = 0; i < tensors_.size(); ++i) {
      GgufTensor& tensor = tensors_[i];
      if (tensor.shape.size() == 1) continue;
      const Pool& pool = pools_.at({tensor.type, tensor.shape[1]});
      tensor.data = pool.bytes.get() + tensor_bytes(tensor.type, starts_[i] * kChunk);
    }
    for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
  }

  const std::string& path() const override { return path_; }
  const GgufTensor* find(const std::string& name) const override {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &tensors_[found->second];
  }
  const std::vector<GgufTensor>& tensors() const override { return tensors_; }
  bool has(const std::string& key) const override {
    return ints_.contains(key) || floats_.contains(key) || strings_.contains(key);
  }
  int64_t require_int(const std::string& key) const override { return get(ints_, key); }
  int64_t get_int(const std::string& key, int64_t fallback) const override {
    return ints_.contains(key) ? ints_.at(key) : fallback;
  }
  double get_float(const std::string& key, double fallback) const override {
    return floats_.contains(key) ? floats_.at(key) : fallback;
  }
  std::string require_string(const std::string& key) const override { return get(strings_, key); }
  std::string get_string(const std::string& key, const std::string& fallback) const override {
    return strings_.contains(key) ? strings_.at(key) : fallback;
  }
  const std::vector<GgufEntry>& entries() const override { return entries_; }

 private:
  using Kind = std::pair<TensorType, int64_t>;  // and the columns: they decide the deviation
  struct Pool {
    int64_t chunks = 0, tensors = 0;
    std::unique_ptr<std::byte[]> bytes;
  };

  template <class T>
  static const T& get(const std::map<std::string, T>& all, const std::string& key) {
    const auto found = all.find(key);
    if (found == all.end()) throw Error("invalid_file", key + ": expected a value, got none");
    return found->second;
  }

  void place(const ShapeTensor& tensor, const std::string& type, int64_t layers) {
    if (tensor.rows == 0) {
      tensors_.push_back({tensor.name,
                          {tensor.cols},
                          TensorType::F32,
                          reinterpret_cast<const std::byte*>(ones_.data()),
                          ones_.size() * sizeof(float)});
      starts_.push_back(0);
      return;
    }
    const bool in_block = tensor.name.starts_with("blk.");
    const int64_t layer = in_block ? std::stoll(tensor.name.substr(4)) : 0;
    const TensorType kind = type_of(type, tensor.name, layer, layers);
    Pool& pool = pools_[{kind, tensor.cols}];
    const int64_t start = kStride * pool.tensors++, values = tensor.rows * tensor.cols;
    pool.chunks = std::max(pool.chunks, start + (values + kChunk - 1) / kChunk);
    tensors_.push_back({tensor.name, {tensor.rows, tensor.cols}, kind, nullptr, tensor_bytes(kind, values)});
    starts_.push_back(start);
  }

  static void fill(const Kind& kind, Pool& pool, uint64_t seed) {
    const auto [type, cols] = kind;
    const size_t bytes = tensor_bytes(type, kChunk);
    pool.bytes = std::make_unique_for_overwrite<std::byte[]>(bytes * static_cast<size_t>(pool.chunks));
    const float deviation = 1 / std::sqrt(static_cast<float>(cols));
    const uint64_t stream = mix(mix(seed ^ static_cast<uint64_t>(type)) ^ static_cast<uint64_t>(cols));
#pragma omp parallel for schedule(static)
    for (int64_t chunk = 0; chunk < pool.chunks; ++chunk) {
      random_chunk(type, deviation, stream, static_cast<uint64_t>(chunk),
                   pool.bytes.get() + bytes * static_cast<size_t>(chunk));
    }
  }

  static constexpr int64_t kStride = 13;  // chunks between the beginnings of two tensors

  std::string path_;
  std::map<std::string, int64_t> ints_;
  std::map<std::string, double> floats_;
  std::map<std::string, std::string> strings_;
  std::vector<float> ones_;  // every norm's weight, (C)
  std::map<Kind, Pool> pools_;
  std::vector<GgufTensor> tensors_;
  std::vector<int64_t> starts_;  // of tensors_, in chunks of their pool
  std::unordered_map<std::string, size_t> index_;
  std::vector<GgufEntry> entries_;  // none: there is no file whose bytes could be taken over
};

}  // namespace spark::bench
