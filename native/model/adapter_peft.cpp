// A Hugging Face PEFT folder: adapter_config.json and adapter_model.safetensors.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/safetensors.h"
#include "model/adapter_config.h"
#include "model/adapter_layout.h"

namespace spark {

namespace {

constexpr const char* kConfigName = "/adapter_config.json";
constexpr const char* kWeightsName = "/adapter_model.safetensors";

std::string hf_name(int64_t layer, const ProjectionEntry& p, bool b) {
  return "base_model.model.model." + peft_module(layer, p) + ".lora_" + (b ? "B" : "A") + ".weight";
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
  for (int64_t layer = 0; layer < shapes.layers; ++layer) {
    for (const ProjectionEntry& p : kProjectionTable) {
      if (index >= checked.weights.size() || checked.weights[index].name != p.weight(layer)) continue;
      NamedTensor &lora_a = checked.tensors[2 * index], &lora_b = checked.tensors[2 * index + 1];
      if (is_permuted(p, shapes)) {
        lora_b.data = permute_heads(lora_b.data, shapes.head_size, checked.weights[index].rank, true);
      }
      writer.tensors.push_back({hf_name(layer, p, false), lora_a.shape, lora_a.data});
      writer.tensors.push_back({hf_name(layer, p, true), lora_b.shape, lora_b.data});
      ++index;
    }
  }

  TemporaryFolder temporary(path);
  writer.write(temporary.name() + kWeightsName, false);
  const std::string config = peft_config(checked, shapes).dump(2) + "\n";
  AtomicFile file(temporary.name() + kConfigName, false);
  file.write(config.data(), config.size());
  file.commit();
  temporary.commit();
}

namespace {

// What some trainers put into a name beside PEFT's own: the adapter's name, and what torch.compile adds.
std::string plain_name(std::string name) {
  for (const char* extra : {"_orig_mod.", ".default"}) {
    const size_t at = name.find(extra);
    if (at != std::string::npos) name.erase(at, std::string(extra).size());
  }
  return name;
}

[[noreturn]] void refuse_missing_weights(const std::string& folder) {
  struct stat info{};
  const std::string pickled = folder + "/adapter_model.bin";
  if (stat(pickled.c_str(), &info) == 0) {
    throw Error("unsupported_file", pickled +
                                        ": expected adapter_model.safetensors, got a pickled file, which may run "
                                        "code when it is read; let PEFT write it anew: "
                                        "save_pretrained(folder, safe_serialization=True)");
  }
  throw Error("io_error", folder + kWeightsName + ": expected a PEFT folder with this file, got none");
}

// The file's tensors by PEFT's own names.
std::map<std::string, SafetensorsFile::Entry> read_tensors(const std::string& folder) {
  struct stat info{};
  if (stat((folder + kWeightsName).c_str(), &info) != 0) refuse_missing_weights(folder);
  SafetensorsFile file = SafetensorsFile::read(folder + kWeightsName);
  std::map<std::string, SafetensorsFile::Entry> tensors;
  for (auto& [name, entry] : file.tensors) {
    if (!tensors.emplace(plain_name(name), std::move(entry)).second) {
      throw Error("adapter_mismatch", folder + kWeightsName + ": tensor " + name + ": expected one adapter, got two");
    }
  }
  return tensors;
}

}  // namespace

LoraTensors load_peft(const std::string& folder, const LoraShapes& shapes) {
  const PeftConfig config = PeftConfig::read(folder + kConfigName);
  auto entries = read_tensors(folder);
  std::vector<NamedTensor> tensors;
  for (int64_t layer = 0; layer < shapes.layers; ++layer) {
    for (const ProjectionEntry& p : kProjectionTable) {
      for (const bool b : {false, true}) {
        const auto node = entries.extract(hf_name(layer, p, b));
        if (node.empty()) continue;
        SafetensorsFile::Entry& entry = node.mapped();
        // Permuting needs the right shape; a wrong one passes unchanged to check_lora, which names it.
        const bool fits =
            entry.shape.size() == 2 && entry.shape[0] == p.shape(shapes.widths()).out && entry.shape[1] > 0;
        if (b && fits && is_permuted(p, shapes)) {
          entry.data = permute_heads(entry.data, shapes.head_size, entry.shape[1], false);
        }
        tensors.push_back({lora_tensor_name(layer, p, b), std::move(entry.shape), std::move(entry.data)});
      }
    }
  }
  for (auto& [name, entry] : entries) {  // left over: check_lora refuses them by name
    tensors.push_back({name, std::move(entry.shape), std::move(entry.data)});
  }
  return check_lora(folder, std::move(tensors), shapes, [&](int64_t layer, const ProjectionEntry& p, int rank) {
    return config.alpha("model." + peft_module(layer, p), rank);
  });
}

}  // namespace spark
