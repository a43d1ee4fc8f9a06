#include "model/save_model.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "core/error.h"
#include "core/gguf_copy.h"
#include "core/quantize.h"
#include "core/tensor_type.h"
#include "model/projections.h"

namespace spark {

namespace {

// One weight's pair.
struct Pair {
  const NamedTensor *a = nullptr, *b = nullptr;  // (R, in), (out, R)
  float scale = 0;
  std::shared_ptr<NamedTensor> turned;  // owns a of the embedding
};

// The embedding's lora_a (V, R) and lora_b (C, R) are the other way round: its rows are W += scale · A Bᵀ.
void turn(Pair& pair) {
  const NamedTensor &a = *pair.a, &b = *pair.b;
  const int64_t C = b.shape[0], R = b.shape[1];
  pair.turned = std::make_shared<NamedTensor>(NamedTensor{b.name, {R, C}, std::vector<float>(b.data.size())});
  for (int64_t c = 0; c < C; ++c) {
    for (int64_t r = 0; r < R; ++r)
      pair.turned->data[static_cast<size_t>(r * C + c)] = b.data[static_cast<size_t>(c * R + r)];
  }
  pair.b = &a, pair.a = pair.turned.get();
}

std::map<std::string, Pair> pairs_of(const MergeLora& lora) {
  std::map<std::string, Pair> pairs;
  for (const NamedTensor& tensor : lora.tensors) {
    const size_t dot = tensor.name.rfind('.');
    Pair& pair = pairs[tensor.name.substr(0, dot)];
    (tensor.name.ends_with(".lora_a") ? pair.a : pair.b) = &tensor;
  }
  for (const LoraWeight& weight : lora.weights) pairs[weight.name].scale = weight.scale();
  if (const auto embedding = pairs.find(kEmbeddingWeight); embedding != pairs.end()) turn(embedding->second);
  return pairs;
}

void check_pair(const GgufFile& base, const std::string& name, const Pair& pair) {
  const GgufTensor* weight = base.find(name);
  const bool fits = weight && pair.a && pair.b && weight->shape.size() == 2 && pair.a->shape.size() == 2 &&
                    pair.b->shape == std::vector<int64_t>{weight->shape[0], pair.a->shape[0]} &&
                    pair.a->shape[1] == weight->shape[1];
  if (fits) return;
  throw Error("adapter_mismatch", "tensor " + name + ": expected a matrix of " + base.path() +
                                      " and LoRA matrices of its shape, got " +
                                      (weight ? "others; the adapter is another model's" : "no such tensor"));
}

constexpr int64_t kTile = 256;  // values of a row whose change is summed on the stack

// row i of W += scale · (row i of B) A. The sum is made first, so that W is rounded once.
GgufCopy::ChangeRow adding(const Pair& pair) {
  const int64_t rank = pair.a->shape[0], in = pair.a->shape[1];
  return [a = pair.a->data.data(), b = pair.b->data.data(), rank, in, scale = pair.scale](float* row, int64_t index) {
    for (int64_t first = 0; first < in; first += kTile) {
      const int64_t count = std::min(kTile, in - first);
      float delta[kTile] = {};
      for (int64_t r = 0; r < rank; ++r) {
        const float factor = b[index * rank + r];
        const float* line = a + r * in + first;
        for (int64_t j = 0; j < count; ++j) delta[j] += factor * line[j];
      }
      for (int64_t j = 0; j < count; ++j) row[first + j] += scale * delta[j];
    }
  };
}

// Nothing for `keep`.
std::optional<TensorType> parse_type(const std::string& type) {
  if (type == "keep") return std::nullopt;
  for (const TensorType each : {TensorType::F32, TensorType::F16, TensorType::BF16, TensorType::Q8_0}) {
    if (type == tensor_type_name(static_cast<uint32_t>(each))) return each;
  }
  throw Error("invalid_argument", "type: expected keep, F32, F16, BF16 or Q8_0, got " + type);
}

TensorType written_type(const GgufTensor& tensor, std::optional<TensorType> wanted, bool merged) {
  if (!wanted) return merged && !can_quantize(tensor.type) ? TensorType::F16 : tensor.type;
  if (tensor.shape.size() < 2) return *wanted == TensorType::F32 ? TensorType::F32 : tensor.type;
  return tensor.shape.back() % tensor_type_block(*wanted) == 0 ? *wanted : TensorType::F16;
}

// llama.cpp's number for "mostly this type"; none for a mixture that keeps its old label.
std::optional<uint32_t> file_type(TensorType type) {
  switch (type) {
    case TensorType::F32:
      return 0;
    case TensorType::F16:
      return 1;
    case TensorType::Q8_0:
      return 7;
    case TensorType::BF16:
      return 32;
    default:
      return std::nullopt;
  }
}

// The type most values are written in.
TensorType main_type(const GgufCopy& copy) {
  std::map<TensorType, int64_t> values;
  for (size_t i = 0; i < copy.tensors.size(); ++i) {
    int64_t count = 1;
    for (const int64_t dimension : copy.source.tensors()[i].shape) count *= dimension;
    values[copy.tensors[i].type] += count;
  }
  const auto fewer = [](const auto& x, const auto& y) { return x.second < y.second; };
  return std::max_element(values.begin(), values.end(), fewer)->first;
}

// What the metadata says of the weights, where it would no longer be true.
void correct_metadata(GgufCopy& copy, bool retyped, bool merged) {
  const GgufFile& base = copy.source;
  if (const auto type = file_type(main_type(copy)); retyped && type && base.has("general.file_type")) {
    copy.metadata["general.file_type"] = *type;
  }
  for (const GgufCopy::Tensor& tensor : copy.tensors) {
    // The format wants this key wherever a tensor is quantised; the layout of Q8_0 is that of version 2.
    if (retyped && tensor.type == TensorType::Q8_0 && !base.has("general.quantization_version")) {
      copy.metadata["general.quantization_version"] = uint32_t{2};
    }
  }
  if (merged && base.has("general.name"))
    copy.metadata["general.name"] = base.require_string("general.name") + " + LoRA";
}

}  // namespace

SavedModel save_model(const std::string& path, const GgufFile& base, const std::string& type, const MergeLora& lora,
                      const std::atomic<bool>* cancel) {
  const std::optional<TensorType> wanted = parse_type(type);
  const std::map<std::string, Pair> pairs = pairs_of(lora);
  for (const auto& [name, pair] : pairs) check_pair(base, name, pair);
  if (pairs.contains(kEmbeddingWeight) && !base.find(kHeadWeight)) {
    throw Error("adapter_mismatch", std::string("tensor ") + kEmbeddingWeight +
                                        ": expected a model with an output matrix of its own, got one whose output is "
                                        "the embedding: merged into it, the adapter would change both");
  }

  GgufCopy copy(base);
  SavedModel result;
  bool retyped = false;
  for (size_t i = 0; i < copy.tensors.size(); ++i) {
    const GgufTensor& from = base.tensors()[i];
    GgufCopy::Tensor& to = copy.tensors[i];
    const auto pair = pairs.find(from.name);
    const bool merged = pair != pairs.end();
    to.type = written_type(from, wanted, merged);
    if (merged) to.change = adding(pair->second);
    retyped = retyped || to.type != from.type;
    result.merged += merged ? 1 : 0;
    result.unpacked += merged && !wanted && to.type != from.type ? 1 : 0;
    ++result.tensor_types[tensor_type_name(static_cast<uint32_t>(to.type))];
  }
  correct_metadata(copy, retyped, result.merged > 0);
  result.bytes = copy.bytes();
  copy.write(path, cancel);
  return result;
}

}  // namespace spark
