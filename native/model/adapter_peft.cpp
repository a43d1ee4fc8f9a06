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
#include "model/adapter_refusal.h"

namespace spark {

namespace {

constexpr const char* kConfigName = "/adapter_config.json";
constexpr const char* kWeightsName = "/adapter_model.safetensors";

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

// data (rows, columns) as (columns, rows)
std::vector<float> transposed(const std::vector<float>& data, int64_t rows, int64_t columns) {
  std::vector<float> out(data.size());
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      out[static_cast<size_t>(c * rows + r)] = data[static_cast<size_t>(r * columns + c)];
    }
  }
  return out;
}

// A tensor of the right shape from our form into PEFT's, or back.
NamedTensor turned(NamedTensor tensor, const LoraPlace& place, bool b, const LoraShapes& shapes, bool to_peft) {
  if (b && place.turns) tensor.data = permute_heads(tensor.data, shapes.head_size, tensor.shape[1], to_peft);
  if (!b && place.embedding) {
    tensor.data = transposed(tensor.data, tensor.shape[0], tensor.shape[1]);
    std::swap(tensor.shape[0], tensor.shape[1]);
  }
  return tensor;
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
  std::vector<NamedTensor> tensors;  // owns what the writer's spans see
  for (const LoraPlace& place : lora_places(shapes)) {
    const size_t index = tensors.size();
    if (index >= checked.tensors.size() || checked.tensors[index].name != place.tensor(false)) continue;
    for (const bool b : {false, true}) {
      NamedTensor tensor = turned(std::move(checked.tensors[index + (b ? 1 : 0)]), place, b, shapes, true);
      tensor.name = place.peft_tensor(b);
      tensors.push_back(std::move(tensor));
    }
  }
  for (const NamedTensor& tensor : tensors) writer.tensors.push_back({tensor.name, tensor.shape, tensor.data});

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

// Beside an adapted embedding or head PEFT writes the frozen matrix, too. It is the base's own; of another shape it is
// that of a model with other tokens.
void drop_base_layer(std::map<std::string, SafetensorsFile::Entry>& entries, const std::string& folder,
                     const LoraPlace& place, const LoraShapes& shapes) {
  if (place.target) return;
  const auto node = entries.extract("base_model.model." + place.module + ".base_layer.weight");
  if (node.empty() || node.mapped().shape == std::vector<int64_t>{shapes.vocabulary, shapes.width}) return;
  throw Error("adapter_mismatch", folder + ": tensor " + node.key() + ": expected the base's " +
                                      std::to_string(shapes.vocabulary) + " tokens, got another number: tokens were " +
                                      "added; " + kMergeAdvice);
}

}  // namespace

LoraTensors load_peft(const std::string& folder, const LoraShapes& shapes) {
  const PeftConfig config = PeftConfig::read(folder + kConfigName);
  auto entries = read_tensors(folder);
  std::vector<NamedTensor> tensors;
  for (const LoraPlace& place : lora_places(shapes)) {
    bool adapted = false;
    for (const bool b : {false, true}) {
      const auto node = entries.extract(place.peft_tensor(b));
      if (node.empty()) continue;
      adapted = true;
      SafetensorsFile::Entry& entry = node.mapped();
      NamedTensor tensor{place.tensor(b), std::move(entry.shape), std::move(entry.data)};
      // Turning needs the right number of rows; with others it passes unchanged to check_lora, which names it.
      const bool fits =
          tensor.shape.size() == 2 && tensor.shape[1] > 0 && (!place.turns || !b || tensor.shape[0] == place.size.out);
      tensors.push_back(fits ? turned(std::move(tensor), place, b, shapes, false) : std::move(tensor));
    }
    if (adapted) drop_base_layer(entries, folder, place, shapes);
  }
  for (auto& [name, entry] : entries) {  // left over: check_lora refuses them by name
    tensors.push_back({name, std::move(entry.shape), std::move(entry.data)});
  }
  return check_lora(folder, std::move(tensors), shapes,
                    [&](const LoraPlace& place, int rank) { return config.alpha(place.module, rank); });
}

}  // namespace spark
