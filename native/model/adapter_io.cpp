// The adapter's names and shapes, checked, and its GGUF form. The PEFT form is in adapter_peft.cpp.
#include "model/adapter_io.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <utility>

#include "core/error.h"
#include "core/gguf.h"
#include "model/adapter_layout.h"

namespace spark {

std::string lora_tensor_name(int64_t layer, const ProjectionEntry& projection, bool b) {
  return projection.weight(layer) + ".lora_" + (b ? "b" : "a");
}

namespace {

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

LoraTensors check_lora(const std::string& source, LoraTensors lora, const LoraShapes& shapes) {
  if (lora.rank < 1 || !std::isfinite(lora.alpha)) {
    throw Error("adapter_mismatch", source + ": expected a rank of at least 1 and a finite alpha, got rank " +
                                        std::to_string(lora.rank) + " and alpha " + std::to_string(lora.alpha));
  }
  std::map<std::string, NamedTensor> by_name;
  for (NamedTensor& tensor : lora.tensors) {
    const std::string name = tensor.name;
    if (!by_name.emplace(name, std::move(tensor)).second)
      throw_mismatch(source, name, "expected it once, got it twice");
  }
  lora.targets.clear();
  lora.tensors.clear();
  for (const ProjectionEntry& p : kProjectionTable) {
    for (int64_t layer = 0; layer < shapes.layers; ++layer) {
      if (by_name.contains(lora_tensor_name(layer, p, false)) || by_name.contains(lora_tensor_name(layer, p, true))) {
        lora.targets.push_back(p.target);
        break;
      }
    }
  }
  for (int64_t layer = 0; layer < shapes.layers; ++layer) {
    for (const ProjectionEntry& p : kProjectionTable) {
      if (std::find(lora.targets.begin(), lora.targets.end(), p.target) == lora.targets.end()) continue;
      const ProjectionShape size = p.shape(shapes.widths());
      for (const bool b : {false, true}) {
        const std::string name = lora_tensor_name(layer, p, b);
        const auto node = by_name.extract(name);
        if (node.empty()) {
          throw_mismatch(source, name,
                         "expected it in every one of " + std::to_string(shapes.layers) + " layers, got none");
        }
        check_tensor(source, node.mapped(),
                     b ? std::vector<int64_t>{size.out, lora.rank} : std::vector<int64_t>{lora.rank, size.in});
        lora.tensors.push_back(std::move(node.mapped()));
      }
    }
  }
  if (!by_name.empty()) {
    throw_mismatch(
        source, by_name.begin()->first,
        "expected LoRA pairs of q, k, v, o, gate, up, down in layers 0 to " + std::to_string(shapes.layers - 1));
  }
  if (lora.tensors.empty()) throw Error("adapter_mismatch", source + ": expected LoRA tensors, got none");
  return lora;
}

void save_gguf_lora(const std::string& path, const LoraTensors& lora, const LoraShapes& shapes) {
  const LoraTensors checked = check_lora(path, lora, shapes);
  GgufWriter writer;
  writer.metadata = {{"general.type", std::string("adapter")},
                     {"general.architecture", shapes.architecture},
                     {"adapter.type", std::string("lora")},
                     {"adapter.lora.alpha", checked.alpha}};
  for (const NamedTensor& tensor : checked.tensors) writer.tensors.push_back({tensor.name, tensor.shape, tensor.data});
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

LoraTensors load_gguf_lora(const std::string& path, const LoraShapes& shapes) {
  const std::shared_ptr<GgufFile> file = GgufFile::open(path);
  if (file->get_string("general.type", "model") != "adapter") {
    throw Error("adapter_mismatch", path + ": expected a LoRA adapter, got a GGUF whose general.type is " +
                                        file->get_string("general.type", "model"));
  }
  expect_metadata(*file, "adapter.type", "lora", "only LoRA adapters are read");
  expect_metadata(*file, "general.architecture", shapes.architecture, "the adapter belongs to another model");
  LoraTensors lora;
  // Of just this type: llama.cpp asserts it.
  if (const auto type = file->type("adapter.lora.alpha"); type != GgufType::F32) {
    throw Error("invalid_file",
                path + ": adapter.lora.alpha: expected f32, got " + (type ? gguf_type_name(*type) : "none"));
  }
  lora.alpha = static_cast<float>(file->get_float("adapter.lora.alpha", 0));
  for (const GgufTensor& tensor : file->tensors()) {
    NamedTensor named{tensor.name, tensor.shape, {}};
    int64_t count = 1;
    for (int64_t d : tensor.shape) count *= d;
    named.data.resize(static_cast<size_t>(count));
    dequantize(tensor.type, tensor.data, named.data.data(), count);
    // The first lora_a says the rank; check_lora holds every other tensor to it.
    if (lora.rank == 0 && tensor.name.ends_with(".lora_a") && tensor.shape.front() <= INT32_MAX) {
      lora.rank = static_cast<int>(tensor.shape.front());
    }
    lora.tensors.push_back(std::move(named));
  }
  return check_lora(path, std::move(lora), shapes);
}

}  // namespace

LoraTensors load_lora(const std::string& path, const LoraShapes& shapes) {
  struct stat info{};
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return load_peft(path, shapes);
  return load_gguf_lora(path, shapes);
}

}  // namespace spark
