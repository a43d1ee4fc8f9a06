// The adapter's names and shapes, checked, and its GGUF form. The PEFT form is in adapter_peft.cpp.
#include "model/adapter_io.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <memory>
#include <utility>

#include "core/error.h"
#include "core/gguf.h"
#include "model/adapter_layout.h"
#include "model/adapter_refusal.h"

namespace spark {

std::vector<LoraPlace> lora_places(const LoraShapes& shapes) {
  std::vector<LoraPlace> places;
  const int64_t C = shapes.width, V = shapes.vocabulary;
  places.push_back({kEmbeddingWeight, "model.embed_tokens", {.out = C, .in = V}, false, true, nullptr});
  for (int64_t layer = 0; layer < shapes.layers; ++layer) {
    for (const ProjectionEntry& p : kProjectionTable) {
      const std::string module = "model.layers." + std::to_string(layer) + "." + p.module;
      const bool turns = shapes.interleaved_rope && p.turns;
      places.push_back({p.weight(layer), module, p.shape(shapes.widths()), turns, false, p.target});
    }
  }
  places.push_back({kHeadWeight, "lm_head", {.out = V, .in = C}, false, false, nullptr});
  return places;
}

namespace {

constexpr int64_t kMostRank = 1024;

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

[[noreturn]] void throw_mismatch(const std::string& source, const std::string& tensor, const std::string& problem) {
  throw Error("adapter_mismatch",
              source + ": tensor " + tensor + ": " + problem + "; the adapter belongs to another model or is damaged");
}

void check_tensor(const std::string& source, const NamedTensor& tensor, const std::vector<int64_t>& expected) {
  if (tensor.shape != expected) {
    throw_mismatch(source, tensor.name, "expected shape " + shape_text(expected) + ", got " + shape_text(tensor.shape));
  }
  int64_t count = 1;
  for (int64_t d : expected) count *= d;
  if (static_cast<size_t>(count) != tensor.data.size()) {
    throw_mismatch(source, tensor.name,
                   "expected " + std::to_string(count) + " values, got " + std::to_string(tensor.data.size()));
  }
  for (float value : tensor.data) {
    if (!std::isfinite(value)) {
      throw Error("not_finite", source + ": tensor " + tensor.name + ": expected finite values, got NaN or infinity");
    }
  }
}

}  // namespace

namespace {

using ByName = std::map<std::string, NamedTensor>;

ByName by_name(const std::string& source, std::vector<NamedTensor> tensors) {
  ByName named;
  for (NamedTensor& tensor : tensors) {
    const std::string name = tensor.name;
    if (!named.emplace(name, std::move(tensor)).second) throw_mismatch(source, name, "expected it once, got it twice");
  }
  return named;
}

// The rank of a pair, whose two tensors must be there.
int rank_of(const std::string& source, const ByName& named, const LoraPlace& place) {
  for (const bool b : {false, true}) {
    if (named.contains(place.tensor(b))) continue;
    throw_mismatch(source, place.tensor(b), "expected it beside " + place.tensor(!b) + ", got none");
  }
  const std::vector<int64_t>& shape = named.at(place.tensor(false)).shape;
  const size_t at = place.embedding ? 1 : 0;
  if (shape.size() != 2 || shape[at] < 1 || shape[at] > kMostRank) {
    throw_mismatch(source, place.tensor(false),
                   "expected a rank of 1 to " + std::to_string(kMostRank) + ", got shape " + shape_text(shape));
  }
  return static_cast<int>(shape[at]);
}

// What is left over: rather a part of a LoRA than what lies beside it.
std::string most_telling(const ByName& named) {
  for (const auto& [name, tensor] : named) {
    if (name.find("lora_") != std::string::npos) return name;
  }
  return named.begin()->first;
}

// rank and alpha of most weights, of the first of them where several have as many.
void fill_summary(LoraTensors& lora) {
  const auto same = [](const LoraWeight& x, const LoraWeight& y) { return x.rank == y.rank && x.alpha == y.alpha; };
  std::ptrdiff_t most = 0;
  for (const LoraWeight& weight : lora.weights) {
    const auto count = std::count_if(lora.weights.begin(), lora.weights.end(),
                                     [&](const LoraWeight& other) { return same(weight, other); });
    if (count <= most) continue;
    most = count, lora.rank = weight.rank, lora.alpha = weight.alpha;
  }
}

}  // namespace

LoraTensors check_lora(const std::string& source, std::vector<NamedTensor> tensors, const LoraShapes& shapes,
                       const AlphaOf& alpha_of) {
  LoraTensors lora;
  ByName named = by_name(source, std::move(tensors));
  for (const LoraPlace& place : lora_places(shapes)) {
    if (!named.contains(place.tensor(false)) && !named.contains(place.tensor(true))) continue;
    const int rank = rank_of(source, named, place);
    for (const bool b : {false, true}) check_tensor(source, named.at(place.tensor(b)), place.shape(b, rank));
    const float alpha = alpha_of(place, rank);
    if (!(std::isfinite(alpha) && alpha > 0)) {
      throw Error("unsupported_file", source + ": alpha of " + place.weight + ": expected a positive number, got " +
                                          std::to_string(alpha) + ", with which the adapter changes nothing or is " +
                                          "turned round; set the alpha that it was trained with");
    }
    lora.weights.push_back({place.weight, rank, alpha});
    for (const bool b : {false, true}) lora.tensors.push_back(std::move(named.extract(place.tensor(b)).mapped()));
  }
  if (!named.empty()) refuse_tensor(source, most_telling(named), shapes);
  if (lora.tensors.empty()) throw Error("adapter_mismatch", source + ": expected LoRA tensors, got none");
  for (const ProjectionEntry& p : kProjectionTable) {
    const auto is_of = [&](const LoraWeight& weight) {
      return weight.name.starts_with("blk.") && weight.name.ends_with(std::string(".") + p.tensor + ".weight");
    };
    if (std::any_of(lora.weights.begin(), lora.weights.end(), is_of)) lora.targets.push_back(p.target);
  }
  fill_summary(lora);
  return lora;
}

LoraTensors check_lora(const std::string& source, const LoraTensors& lora, const LoraShapes& shapes) {
  std::map<std::string, float> alphas;
  for (const LoraWeight& weight : lora.weights) alphas[weight.name] = weight.alpha;
  return check_lora(source, lora.tensors, shapes, [&](const LoraPlace& place, int) {
    const auto own = alphas.find(place.weight);
    return own == alphas.end() ? lora.alpha : own->second;
  });
}

namespace {

// The file's one alpha: 0, with which llama.cpp takes every scale as 1, or that of most weights.
float file_alpha(const LoraTensors& lora) {
  const auto all = [&](auto&& holds) { return std::all_of(lora.weights.begin(), lora.weights.end(), holds); };
  const bool one_alpha = all([&](const LoraWeight& weight) { return weight.alpha == lora.alpha; });
  return !one_alpha && all([](const LoraWeight& weight) { return weight.scale() == 1; }) ? 0 : lora.alpha;
}

// llama.cpp looks a matrix's adapter up by its name, and a tied head has that of the embedding.
constexpr const char* kSharedAdvice =
    "expected LoRA on the blocks, got it on the embedding or the output of a model whose file has one matrix for both: "
    "llama.cpp cannot apply that";

// The weight, if any, that only a model with an output matrix of its own can have an adapter of.
std::string shared_weight(const LoraTensors& lora, const LoraShapes& shapes) {
  for (const LoraWeight& weight : lora.weights) {
    if (shapes.tied && (weight.name == kEmbeddingWeight || weight.name == kHeadWeight)) return weight.name;
  }
  return "";
}

}  // namespace

void save_gguf_lora(const std::string& path, const LoraTensors& lora, const LoraShapes& shapes) {
  LoraTensors checked = check_lora(path, lora, shapes);
  if (const std::string shared = shared_weight(checked, shapes); !shared.empty()) {
    throw Error("invalid_argument", path + ": " + shared + ": " + kSharedAdvice +
                                        "; save it as PEFT. A run needs an adapter without it, as llama.cpp serves it");
  }
  const float alpha = file_alpha(checked);
  GgufWriter writer;
  writer.metadata = {{"general.type", std::string("adapter")},
                     {"general.architecture", shapes.architecture},
                     {"adapter.type", std::string("lora")},
                     {"adapter.lora.alpha", alpha}};
  for (size_t i = 0; i < checked.weights.size(); ++i) {
    NamedTensor &a = checked.tensors[2 * i], &b = checked.tensors[2 * i + 1];
    const double factor = alpha == 0 ? 1 : static_cast<double>(checked.weights[i].alpha) / alpha;
    for (float& value : b.data) value = static_cast<float>(factor * value);
    for (const NamedTensor* tensor : {&a, &b}) writer.tensors.push_back({tensor->name, tensor->shape, tensor->data});
  }
  writer.write(path);
}

namespace {

void expect_metadata(const GgufFile& file, const std::string& key, const std::string& expected, const char* advice) {
  const std::string value = file.require_string(key);
  if (value != expected) {
    throw Error("adapter_mismatch",
                file.path() + ": " + key + ": expected " + expected + ", got " + value + "; " + advice);
  }
}

// Activated LoRA counts only from certain tokens on.
void refuse_alora(const GgufFile& file) {
  constexpr const char* kKey = "adapter.alora.invocation_tokens";
  if (!file.has(kKey)) return;
  throw Error("unsupported_file", file.path() + ": " + kKey +
                                      ": expected a LoRA for all tokens, got an activated one (aLoRA), which counts "
                                      "only after certain tokens; train a LoRA without alora_invocation_tokens");
}

LoraTensors load_gguf_lora(const std::string& path, const LoraShapes& shapes) {
  const std::shared_ptr<GgufFile> file = GgufFile::open(path);
  if (file->get_string("general.type", "model") != "adapter") {
    throw Error("adapter_mismatch", path + ": expected a LoRA adapter, got a GGUF whose general.type is " +
                                        file->get_string("general.type", "model"));
  }
  expect_metadata(*file, "adapter.type", "lora", "only LoRA adapters are read");
  expect_metadata(*file, "general.architecture", shapes.architecture, "the adapter belongs to another model");
  refuse_alora(*file);
  // Of just this type: llama.cpp asserts it.
  if (const auto type = file->type("adapter.lora.alpha"); type && type != GgufType::F32) {
    throw Error("invalid_file", path + ": adapter.lora.alpha: expected f32, got " + gguf_type_name(*type));
  }
  const float alpha = static_cast<float>(file->get_float("adapter.lora.alpha", 0));
  std::vector<NamedTensor> tensors;
  for (const GgufTensor& tensor : file->tensors()) {
    NamedTensor named{tensor.name, tensor.shape, {}};
    int64_t count = 1;
    for (int64_t d : tensor.shape) count *= d;
    named.data.resize(static_cast<size_t>(count));
    dequantize(tensor.type, tensor.data, named.data.data(), count);
    tensors.push_back(std::move(named));
  }
  // llama.cpp takes an alpha of 0, and none, as a scale of 1.
  LoraTensors lora = check_lora(path, std::move(tensors), shapes, [&](const LoraPlace&, int rank) {
    return alpha == 0 ? static_cast<float>(rank) : alpha;
  });
  if (const std::string shared = shared_weight(lora, shapes); !shared.empty()) {
    throw Error("unsupported_file", path + ": " + shared + ": " + kSharedAdvice);
  }
  return lora;
}

}  // namespace

LoraTensors load_lora(const std::string& path, const LoraShapes& shapes) {
  struct stat info{};
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return load_peft(path, shapes);
  const size_t slash = path.rfind('/');
  const std::string file = path.substr(slash == std::string::npos ? 0 : slash + 1);
  if (file.starts_with("adapter_model.") || file == "adapter_config.json") {
    return load_peft(slash == std::string::npos ? "." : path.substr(0, slash), shapes);
  }
  return load_gguf_lora(path, shapes);
}

}  // namespace spark
