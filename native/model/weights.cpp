#include "model/weights.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_set>
#include <utility>

#include "core/error.h"

namespace spark {

namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

const GgufTensor& require_tensor(const GgufFile& file, const std::string& name, const std::vector<int64_t>& shape) {
  const GgufTensor* tensor = file.find(name);
  if (!tensor) {
    throw Error("invalid_file", "tensor " + name + ": expected shape " + shape_text(shape) + ", got none in " +
                                    file.path() + "; the file is not a complete model");
  }
  if (tensor->shape != shape) {
    throw Error("invalid_file",
                "tensor " + name + ": expected shape " + shape_text(shape) + ", got " + shape_text(tensor->shape));
  }
  return *tensor;
}

// llama.cpp adds and multiplies fp32 activations by fp32 vectors alone, and aborts at the first token over another
// type.
void require_f32(const GgufTensor& tensor) {
  if (tensor.type == TensorType::F32) return;
  throw Error("invalid_file", "tensor " + tensor.name + ": expected F32, as every vector has it, got " +
                                  tensor_type_name(static_cast<uint32_t>(tensor.type)));
}

class Loader {
 public:
  Loader(Backend& backend, const GgufFile& file, const std::atomic<bool>* cancel)
      : backend_(backend), file_(file), cancel_(cancel) {}

  Weight matrix(const std::string& name, int64_t rows, int64_t cols) {
    const GgufTensor& tensor = counted_matrix(name, rows, cols);
    return backend_.load_matrix(tensor.type, tensor.data, rows, cols);
  }
  Weight projection(const std::string& name, int64_t rows, int64_t cols) {
    const GgufTensor& tensor = counted_matrix(name, rows, cols);
    return backend_.load_projection(tensor.type, tensor.data, rows, cols);
  }
  Vector vector(const std::string& name, int64_t size) {
    const GgufTensor& tensor = require_tensor(file_, name, {size});
    require_f32(tensor);
    count(size);
    return backend_.load_vector(tensor.type, tensor.data, size);
  }
  int64_t parameters() const { return parameters_; }

 private:
  const GgufTensor& counted_matrix(const std::string& name, int64_t rows, int64_t cols) {
    const GgufTensor& tensor = require_tensor(file_, name, {rows, cols});
    count(rows * cols);
    return tensor;
  }
  void count(int64_t values) {
    if (cancel_ && cancel_->load()) throw Error("interrupted", "interrupted while opening the model");
    parameters_ += values;
  }

  Backend& backend_;
  const GgufFile& file_;
  const std::atomic<bool>* cancel_;
  int64_t parameters_ = 0;
};

bool may_have_bias(const ProjectionEntry& p) { return p.group == ProjectionGroup::Qkv; }

std::string bias_name(const std::string& prefix, const ProjectionEntry& p) { return prefix + p.tensor + ".bias"; }

// The names of all tensors that a model may have. A file with others is refused: a bias or a scale that we ignored
// would make every log-prob silently wrong, and llama.cpp refuses any tensor that its architecture does not name.
class TensorNames {
 public:
  explicit TensorNames(const LlamaConfig& config) {
    add("token_embd.weight"), add("output.weight"), add("output_norm.weight");
    if (config.architecture == "llama") add("rope_freqs.weight");
    for (int64_t layer = 0; layer < config.layers; ++layer) {
      const std::string prefix = "blk." + std::to_string(layer) + ".";
      add(prefix + "attn_norm.weight"), add(prefix + "ffn_norm.weight");
      if (config.qk_norm) add(prefix + "attn_q_norm.weight"), add(prefix + "attn_k_norm.weight");
      for (const ProjectionEntry& p : kProjectionTable) {
        add(p.weight(layer));
        if (may_have_bias(p)) add(bias_name(prefix, p));
      }
    }
  }

  void require(const GgufTensor& tensor, const LlamaConfig& config) const {
    if (names_.contains(tensor.name)) return;
    if (tensor.name.ends_with(".bias")) {
      throw Error(
          "unsupported_file",
          "tensor " + tensor.name + ": expected biases on q, k and v alone, as Llama, Qwen 2 and Qwen 3 have them");
    }
    if (tensor.name.ends_with("scale")) {
      throw Error("unsupported_file", "tensor " + tensor.name + ": expected weights without scales of their own");
    }
    throw Error("invalid_file", "tensor " + tensor.name + ": expected only tensors of a " + config.architecture +
                                    " of " + std::to_string(config.layers) + " blocks, got one it does not have");
  }

 private:
  void add(std::string name) { names_.insert(std::move(name)); }

  std::unordered_set<std::string> names_;
};

std::vector<float> rope_factors(const GgufFile& file, const LlamaConfig& config) {
  if (!file.find("rope_freqs.weight")) return {};
  const GgufTensor& tensor = require_tensor(file, "rope_freqs.weight", {config.rotary / 2});
  std::vector<float> factors(static_cast<size_t>(config.rotary / 2));
  require_f32(tensor);
  dequantize(tensor.type, tensor.data, factors.data(), config.rotary / 2);
  for (const float factor : factors) {
    if (std::isfinite(factor) && factor > 0) continue;
    throw Error("invalid_file", "tensor rope_freqs.weight: expected positive factors, got " + std::to_string(factor));
  }
  return factors;
}

}  // namespace

LlamaWeights load_weights(Backend& backend, std::shared_ptr<GgufFile> file, LlamaConfig& config,
                          const std::atomic<bool>* cancel) {
  const GgufTensor* embedding = file->find("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2 || embedding->shape[0] < 1) {
    throw Error("invalid_file", "tensor token_embd.weight: expected shape (V, " + std::to_string(config.width) +
                                    "), got " + (embedding ? shape_text(embedding->shape) : "none"));
  }
  config.vocabulary = embedding->shape[0];
  const TensorNames names(config);
  for (const GgufTensor& tensor : file->tensors()) names.require(tensor, config);

  LlamaWeights weights;
  Loader loader(backend, *file, cancel);
  weights.embedding = loader.matrix("token_embd.weight", config.vocabulary, config.width);
  weights.output =
      file->find("output.weight") ? loader.matrix("output.weight", config.vocabulary, config.width) : weights.embedding;
  weights.output_norm = loader.vector("output_norm.weight", config.width);
  weights.rope_factors = rope_factors(*file, config);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    BlockWeights& block = weights.blocks.emplace_back();
    block.attention_norm = loader.vector(prefix + "attn_norm.weight", config.width);
    block.feed_forward_norm = loader.vector(prefix + "ffn_norm.weight", config.width);
    if (config.qk_norm) {
      block.q_norm = loader.vector(prefix + "attn_q_norm.weight", config.head_size);
      block.k_norm = loader.vector(prefix + "attn_k_norm.weight", config.head_size);
    }
    for (size_t i = 0; i < kProjectionTable.size(); ++i) {
      const ProjectionEntry& p = kProjectionTable[i];
      const ProjectionShape shape = p.shape(config.widths());
      block.projections[i] = loader.projection(p.weight(layer), shape.out, shape.in);
      const bool bias = may_have_bias(p) && (config.qkv_bias || file->find(bias_name(prefix, p)) != nullptr);
      if (bias) block.biases[i] = loader.vector(bias_name(prefix, p), shape.out);
    }
  }
  weights.parameters = loader.parameters();
  weights.file = std::move(file);
  return weights;
}

}  // namespace spark
