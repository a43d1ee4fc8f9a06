// A Hugging Face PEFT folder: adapter_config.json and adapter_model.safetensors.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/json.h"
#include "core/mapped_file.h"
#include "core/safetensors.h"
#include "model/adapter_layout.h"

namespace spark {

namespace {

using nlohmann::json;

constexpr const char* kConfigName = "/adapter_config.json";
constexpr const char* kWeightsName = "/adapter_model.safetensors";

std::string hf_name(int64_t layer, const ProjectionEntry& p, bool b) {
  return "base_model.model.model.layers." + std::to_string(layer) + "." + p.module + ".lora_" + (b ? "B" : "A") +
         ".weight";
}

// Rows of one head: interleaved (GGUF) row 2 i + h is Hugging Face's row h · D/2 + i, h the half (0, 1).
// `data` is (heads · D, rank); the result is in the other order.
std::vector<float> permute_heads(const std::vector<float>& data, int64_t head_size, int64_t rank, bool to_hf) {
  const int64_t rows = static_cast<int64_t>(data.size()) / rank, half = head_size / 2;
  std::vector<float> out(data.size());
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t head = row / head_size, within = row % head_size;
    const int64_t hf_row = head * head_size + (within % 2) * half + within / 2;
    const int64_t from = to_hf ? row : hf_row, to = to_hf ? hf_row : row;
    std::copy_n(data.begin() + from * rank, rank, out.begin() + to * rank);
  }
  return out;
}

bool is_permuted(const ProjectionEntry& p, const LoraShapes& shapes) { return shapes.interleaved_rope && p.turns; }

// Calls f(layer, projection, b) for every tensor that an adapter can have, in the order of LoraTensors::tensors.
template <class F>
void each_tensor(const LoraShapes& shapes, F&& f) {
  for (int64_t layer = 0; layer < shapes.layers; ++layer) {
    for (const ProjectionEntry& p : kProjectionTable) {
      f(layer, p, false);
      f(layer, p, true);
    }
  }
}

json config_json(const LoraTensors& lora, const LoraShapes& shapes) {
  json targets = json::array();
  for (const ProjectionEntry& p : kProjectionTable) {
    for (const std::string& target : lora.targets) {
      const std::string module = p.module;
      if (target == p.target) targets.push_back(module.substr(module.find('.') + 1));
    }
  }
  // PEFT types lora_alpha as an integer; a fractional one is written as it is, which PEFT accepts too.
  const bool whole = lora.alpha == std::floor(lora.alpha) && std::fabs(lora.alpha) < 1e9f;
  json config = {{"peft_type", "LORA"},
                 {"task_type", "CAUSAL_LM"},
                 {"base_model_name_or_path", nullptr},
                 {"r", lora.rank},
                 {"lora_alpha", whole ? json(static_cast<int64_t>(lora.alpha)) : json(lora.alpha)},
                 {"lora_dropout", 0.0},
                 {"target_modules", targets},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"inference_mode", true},
                 {"use_rslora", false}};
  if (!shapes.base_name.empty()) config["base_model_name_or_path"] = shapes.base_name;
  return config;
}

// A folder under a temporary name; removed with its two files unless it was renamed into place.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& path) : path_(path), temporary_(temporary_name(path)) {
    struct stat info{};
    if (lstat(path_.c_str(), &info) == 0) {
      throw Error("invalid_argument", path_ + " exists already and is not overwritten; choose another name");
    }
    if (mkdir(temporary_.c_str(), 0777) != 0)
      throw_file_error(errno, path_, "create a folder in " + parent_folder(path_));
  }
  ~TemporaryFolder() {
    if (temporary_.empty()) return;
    unlink((temporary_ + kConfigName).c_str());
    unlink((temporary_ + kWeightsName).c_str());
    rmdir(temporary_.c_str());
  }
  const std::string& name() const { return temporary_; }
  void commit() {
    sync_folder(temporary_);
    // Renaming over a folder succeeds only when it is empty, so a finished adapter cannot be replaced.
    if (rename(temporary_.c_str(), path_.c_str()) != 0) throw_file_error(errno, path_, "rename into place");
    temporary_.clear();
    sync_folder(parent_folder(path_));
  }

 private:
  std::string path_, temporary_;
};

}  // namespace

void save_peft(const std::string& folder, const LoraTensors& lora, const LoraShapes& shapes) {
  std::string path = folder;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  LoraTensors checked = check_lora(path, lora, shapes);

  SafetensorsWriter writer;
  writer.metadata = {{"format", "pt"}};
  size_t index = 0;
  each_tensor(shapes, [&](int64_t layer, const ProjectionEntry& p, bool b) {
    if (index >= checked.tensors.size() || checked.tensors[index].name != lora_tensor_name(layer, p, b)) return;
    NamedTensor& tensor = checked.tensors[index++];
    if (b && is_permuted(p, shapes)) tensor.data = permute_heads(tensor.data, shapes.head_size, checked.rank, true);
    writer.tensors.push_back({hf_name(layer, p, b), tensor.shape, tensor.data});
  });

  TemporaryFolder temporary(path);
  writer.write(temporary.name() + kWeightsName, false);
  const std::string config = config_json(checked, shapes).dump(2) + "\n";
  AtomicFile file(temporary.name() + kConfigName, false);
  file.write(config.data(), config.size());
  file.commit();
  temporary.commit();
}

namespace {

// A setting that changes what the adapter computes and that we do not compute: refuse rather than ignore.
void refuse_setting(const json& config, const std::string& path, const char* key, const json& harmless) {
  if (!config.contains(key)) return;
  const json& value = config[key];
  if (value.is_null() || value == harmless || (value.is_structured() && value.empty())) return;
  throw Error("unsupported_file", path + ": " + key + ": expected " + harmless.dump() + ", got " +
                                      value.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 100));
}

LoraTensors read_config(const std::string& path) {
  const MappedFile map(path);
  const json config = parse_json({reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size()}, path);
  if (!config.is_object()) throw Error("invalid_file", path + ": expected a JSON object");
  if (config.value("peft_type", json()) != "LORA") {
    throw Error("unsupported_file", path + ": peft_type: expected LORA, got another kind of adapter");
  }
  refuse_setting(config, path, "bias", "none");
  refuse_setting(config, path, "use_dora", false);
  refuse_setting(config, path, "lora_bias", false);
  refuse_setting(config, path, "fan_in_fan_out", false);
  for (const char* key : {"rank_pattern", "alpha_pattern", "modules_to_save", "layer_replication"}) {
    refuse_setting(config, path, key, json());
  }
  const json rank = config.value("r", json()), alpha = config.value("lora_alpha", json());
  if (!rank.is_number_integer() || rank.get<int64_t>() < 1 || rank.get<int64_t>() > INT32_MAX || !alpha.is_number()) {
    throw Error("invalid_file", path + ": expected r, a whole number from 1, and lora_alpha, a number");
  }
  LoraTensors lora;
  lora.rank = static_cast<int>(rank.get<int64_t>());
  lora.alpha = alpha.get<float>();
  // Rank-stabilised LoRA scales by alpha / √r.
  if (config.value("use_rslora", json()) == true) lora.alpha *= std::sqrt(static_cast<float>(lora.rank));
  return lora;
}

}  // namespace

LoraTensors load_peft(const std::string& folder, const LoraShapes& shapes) {
  LoraTensors lora = read_config(folder + kConfigName);
  SafetensorsFile file = SafetensorsFile::read(folder + kWeightsName);
  each_tensor(shapes, [&](int64_t layer, const ProjectionEntry& p, bool b) {
    const auto node = file.tensors.extract(hf_name(layer, p, b));
    if (node.empty()) return;
    SafetensorsFile::Entry& entry = node.mapped();
    const ProjectionShape size = p.shape(shapes.widths());
    // Permuting needs the right shape; a wrong one passes unchanged to check_lora, which names it.
    if (b && is_permuted(p, shapes) && entry.shape == std::vector<int64_t>{size.out, lora.rank}) {
      entry.data = permute_heads(entry.data, shapes.head_size, lora.rank, false);
    }
    lora.tensors.push_back({lora_tensor_name(layer, p, b), std::move(entry.shape), std::move(entry.data)});
  });
  for (auto& [name, entry] : file.tensors) {  // left over: check_lora refuses them by name
    lora.tensors.push_back({name, std::move(entry.shape), std::move(entry.data)});
  }
  return check_lora(folder, std::move(lora), shapes);
}

}  // namespace spark
