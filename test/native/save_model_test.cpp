// A model written anew: what must not change is the same to the byte, a merged adapter gives the adapter's log-probs,
// every type keeps its promise, and nothing is left behind when it fails.
#include <doctest/doctest.h>

#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "compare.h"
#include "core/gguf.h"
#include "model/save_model.h"
#include "support.h"
#include "train/engine.h"

using namespace spark;
using namespace spark_test;

namespace {

// Of the largest log-prob: fp32 sums in another order. Measured worst: 5e-7.
constexpr double kRounding = 3e-6;

std::string fixture(const std::string& name) { return std::string(SPARK_FIXTURES) + "/" + name; }

std::shared_ptr<Model> open_model(const std::string& path) {
  ModelOptions options;
  options.path = path;
  options.backend = "cpu";
  options.threads = 2;
  return Model::open(options);
}

OwnedBatch batch_for(const Model& model) {
  OwnedBatch batch;
  for (int i = 0; i < 40; ++i) {
    batch.tokens.push_back(static_cast<int32_t>((i * 37 + 11) % model.info().vocabulary));
    batch.loss_mask.push_back(i > 0);
  }
  batch.cu_seqlens.push_back(40);
  return batch;
}

std::vector<float> logprobs(Model& model, Adapter* adapter) {
  return model.logprobs(batch_for(model).view(), adapter, nullptr);
}

std::vector<float> logprobs(const std::string& path) { return logprobs(*open_model(path), nullptr); }

std::vector<float> values_of(const GgufTensor& tensor) {
  int64_t count = 1;
  for (const int64_t d : tensor.shape) count *= d;
  std::vector<float> values(static_cast<size_t>(count));
  dequantize(tensor.type, tensor.data, values.data(), count);
  return values;
}

std::string bytes_of(const GgufEntry& entry) {
  return {reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size()};
}

// Same keys in the same order; the entries that differ, by key.
std::vector<std::string> changed_entries(const std::string& before, const std::string& after) {
  const auto a = GgufFile::open(before), b = GgufFile::open(after);
  REQUIRE(b->entries().size() == a->entries().size());
  std::vector<std::string> changed;
  for (size_t i = 0; i < a->entries().size(); ++i) {
    CHECK(b->entries()[i].key == a->entries()[i].key);
    if (bytes_of(a->entries()[i]) != bytes_of(b->entries()[i])) changed.push_back(a->entries()[i].key);
  }
  return changed;
}

struct Merge {
  const char *base, *adapter, *type;  // type: what `keep` writes merged matrices in
  double off;                         // of the largest log-prob, that this type may differ
};

// What rounding weights to a type does to these small random models' log-probs, with room of four.
constexpr double kF16 = 1e-3, kBf16 = 1.5e-2, kQ8 = 1.5e-2;

constexpr Merge kMerges[] = {
    {"models/tied.gguf", "models/tied-adapter.gguf", "F32", kRounding},
    {"models/untied.gguf", "models/untied-adapter.gguf", "F32", kRounding},
    {"models/qwen2.gguf", "models/qwen2-adapter.gguf", "F32", kRounding},
    {"models/qwen3.gguf", "models/qwen3-adapter.gguf", "F32", kRounding},
    {"quantised/f16.gguf", "quantised/narrow-adapter.gguf", "F16", kF16},
    {"quantised/bf16.gguf", "quantised/narrow-adapter.gguf", "BF16", kBf16},
    {"quantised/q8_0.gguf", "quantised/wide-adapter.gguf", "Q8_0", kQ8},
    {"quantised/q4_0.gguf", "quantised/wide-adapter.gguf", "F16", kF16},
    {"quantised/q4_k.gguf", "quantised/wide-adapter.gguf", "F16", kF16},
    {"quantised/q4_k_m.gguf", "quantised/wide-adapter.gguf", "F16", kF16},
};

}  // namespace

TEST_CASE("kept without an adapter, a file's contents are the same to the byte") {
  for (const Merge& c : kMerges) {
    CAPTURE(c.base);
    TemporaryDirectory dir;
    const SaveReport report = open_model(fixture(c.base))->save(dir.file("m.gguf"), {}, nullptr);
    CHECK(report.merged == 0);
    CHECK(report.bytes == static_cast<int64_t>(read_bytes(dir.file("m.gguf")).size()));
    CHECK(changed_entries(fixture(c.base), dir.file("m.gguf")).empty());
    const auto before = GgufFile::open(fixture(c.base)), after = GgufFile::open(dir.file("m.gguf"));
    REQUIRE(after->tensors().size() == before->tensors().size());
    for (size_t i = 0; i < before->tensors().size(); ++i) {
      const GgufTensor &x = before->tensors()[i], &y = after->tensors()[i];
      CAPTURE(x.name);
      CHECK(y.name == x.name);
      CHECK(y.shape == x.shape);
      REQUIRE(y.bytes == x.bytes);
      CHECK(std::memcmp(x.data, y.data, x.bytes) == 0);
    }
    CHECK(dir.entries() == 1);
  }
}

TEST_CASE("a merged model's base is the adapter on the old base") {
  for (const Merge& c : kMerges) {
    CAPTURE(c.base);
    TemporaryDirectory dir;
    auto model = open_model(fixture(c.base));
    auto adapter = model->load_adapter(fixture(c.adapter));
    const auto expected = logprobs(*model, adapter.get());
    CHECK(distance(logprobs(*model, nullptr), expected) > 2 * kQ8);

    SaveOptions options;
    options.adapter = adapter.get();
    const SaveReport kept = model->save(dir.file("keep.gguf"), options, nullptr);
    const int merged = static_cast<int>(adapter->tensors(false).size() / 2);
    CHECK(kept.merged == merged);
    CHECK((kept.unpacked > 0) == (std::string(c.base).find("/q4") != std::string::npos));
    std::set<std::string> targets;
    for (const NamedTensor& t : adapter->tensors(false)) targets.insert(t.name.substr(0, t.name.rfind('.')));
    const auto file = GgufFile::open(dir.file("keep.gguf"));
    CHECK(std::string(tensor_type_name(static_cast<uint32_t>(file->find("blk.0.attn_q.weight")->type))) == c.type);
    CHECK(distance(logprobs(dir.file("keep.gguf")), expected) < c.off);
    const auto base = GgufFile::open(fixture(c.base));
    for (const GgufTensor& before : base->tensors()) {
      if (targets.contains(before.name)) continue;
      const GgufTensor* after = file->find(before.name);
      REQUIRE(after->bytes == before.bytes);
      CHECK(std::memcmp(after->data, before.data, before.bytes) == 0);
    }
    for (const std::string& key : changed_entries(fixture(c.base), dir.file("keep.gguf"))) {
      CHECK((key == "general.name" || (key == "general.file_type" && kept.unpacked > 0)));
    }

    options.type = "F32";
    const SaveReport plain = model->save(dir.file("f32.gguf"), options, nullptr);
    CHECK(plain.tensor_types.size() == 1);
    CHECK(distance(logprobs(dir.file("f32.gguf")), expected) < kRounding);
  }
}

TEST_CASE("each type: matrices in it, vectors as they were, values off by no more than its step") {
  struct Type {
    const char* name;
    int64_t file_type;
    double step;  // of a tensor's largest value
  };
  // F32; half of its matrices have rows of 48 values, which Q8_0 cannot hold and which then are most of the file.
  const std::string base = fixture("parity.gguf");
  const auto before = GgufFile::open(base);
  for (const Type& type :
       {Type{"F32", 0, 0}, {"F16", 1, 0x1p-11}, {"BF16", 32, 0x1p-8}, {"Q8_0", 1, 0.5 / 127 + 0x1p-11}}) {
    CAPTURE(type.name);
    TemporaryDirectory dir;
    SaveOptions options;
    options.type = type.name;
    const SaveReport report = open_model(base)->save(dir.file("m.gguf"), options, nullptr);
    const auto after = GgufFile::open(dir.file("m.gguf"));
    std::map<std::string, int> types;
    for (const GgufTensor& x : before->tensors()) {
      CAPTURE(x.name);
      const GgufTensor* y = after->find(x.name);
      REQUIRE(y);
      const std::string written = tensor_type_name(static_cast<uint32_t>(y->type));
      const bool cut = std::string(type.name) == "Q8_0" && x.shape.back() % 32 != 0;
      CHECK(written == (x.shape.size() == 1 ? "F32" : cut ? "F16" : type.name));
      CHECK(distance(values_of(*y), values_of(x)) <= (x.shape.size() == 1 ? 0 : type.step));
      ++types[written];
    }
    CHECK(report.tensor_types == types);
    CHECK(types.contains(type.name));
    CHECK(after->require_int("general.file_type") == type.file_type);
    CHECK(after->get_int("general.quantization_version", 0) == (types.contains("Q8_0") ? 2 : 0));
    CHECK(after->require_string("general.name") == "parity");
    CHECK(distance(logprobs(dir.file("m.gguf")), logprobs(base)) < (type.file_type == 0 ? kRounding : kQ8));
  }
}

TEST_CASE("with F32 nothing stays packed, whatever the file had") {
  for (const char* name : {"f16", "bf16", "q8_0", "q4_0", "q4_k", "q5_k", "q6_k", "q4_k_m"}) {
    CAPTURE(name);
    TemporaryDirectory dir;
    const std::string base = fixture(std::string("quantised/") + name + ".gguf");
    SaveOptions options;
    options.type = "F32";
    open_model(base)->save(dir.file("m.gguf"), options, nullptr);
    const auto before = GgufFile::open(base), after = GgufFile::open(dir.file("m.gguf"));
    for (const GgufTensor& x : before->tensors()) {
      CAPTURE(x.name);
      CHECK(after->find(x.name)->type == TensorType::F32);
      CHECK(values_of(*after->find(x.name)) == values_of(x));
    }
    CHECK(after->require_int("general.file_type") == 0);
  }
}

TEST_CASE("what cannot be saved is refused with its code, and leaves nothing") {
  TemporaryDirectory dir;
  auto model = open_model(fixture("models/tied.gguf"));
  auto other = open_model(fixture("models/tied.gguf"));
  auto foreign = other->load_adapter(fixture("models/tied-adapter.gguf"));
  const auto saving = [&](const std::string& path, const SaveOptions& options, Cancel cancel = nullptr) {
    return thrown([&] { model->save(path, options, cancel); });
  };
  const std::string path = dir.file("m.gguf");
  SaveOptions options;
  options.adapter = foreign.get();
  CHECK(saving(path, options).code == "adapter_mismatch");
  options = {};
  options.type = "Q4_K";
  const Thrown type = saving(path, options);
  CHECK(type.code == "invalid_argument");
  CHECK(type.says("keep, F32, F16, BF16 or Q8_0, got Q4_K"));
  std::atomic<bool> cancel{true};
  CHECK(saving(path, {}, &cancel).code == "interrupted");
  options.type = "F16";
  CHECK(saving(path, options, &cancel).code == "interrupted");
  CHECK(saving(dir.file("absent/m.gguf"), {}).code == "io_error");
  CHECK(dir.entries() == 0);
  write_bytes(path, "another's");
  CHECK(saving(path, {}).code == "invalid_argument");
  CHECK(read_bytes(path) == "another's");
  CHECK(dir.entries() == 1);
}

TEST_CASE("values that a type cannot hold are refused by the tensor's name") {
  TemporaryDirectory dir;
  auto model = open_model(fixture("models/tied.gguf"));
  LoraOptions lora;
  lora.rank = 1, lora.alpha = 1e30f, lora.targets = {"v"};
  auto adapter = model->create_adapter(lora);
  // B starts at zero: one step moves it.
  const OwnedBatch batch = batch_for(*model);
  adapter->accumulate_sft(batch.view(), 1, nullptr);
  OptimizerOptions step;
  step.learning_rate = 1;
  adapter->optimizer_step(step);
  SaveOptions options;
  options.adapter = adapter.get();
  options.type = "F16";
  const Thrown t = thrown([&] { model->save(dir.file("m.gguf"), options, nullptr); });
  CHECK(t.code == "not_finite");
  CHECK(t.says("blk.0.attn_v.weight"));
  CHECK(t.says("F32 or BF16"));
  CHECK(dir.entries() == 0);
  options.type = "BF16";
  CHECK(model->save(dir.file("m.gguf"), options, nullptr).merged == static_cast<int>(model->info().layers));
}

TEST_CASE("a disk without room is said before anything is written") {
  TemporaryDirectory dir;
  struct statvfs disk{};
  REQUIRE(statvfs(dir.file("").c_str(), &disk) == 0);
  const uint64_t free = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
  // A file with a hole: a matrix that takes half of the free space as bf16, and none on the disk.
  const uint64_t rows = free / 4096 + 1024, columns = 1024;
  const auto le = [](auto value) { return std::string(reinterpret_cast<const char*>(&value), sizeof value); };
  std::string header = "GGUF" + le(3u) + le(uint64_t{1}) + le(uint64_t{0}) + le(uint64_t{1}) + "w" + le(2u) +
                       le(columns) + le(rows) + le(30u) + le(uint64_t{0});
  header.resize((header.size() + 31) / 32 * 32, '\0');
  write_bytes(dir.file("base.gguf"), header);
  if (truncate(dir.file("base.gguf").c_str(), static_cast<off_t>(header.size() + rows * columns * 2)) != 0) {
    MESSAGE("skipped: this file system has no files of that size");
    return;
  }
  const auto base = GgufFile::open(dir.file("base.gguf"));
  const Thrown t = thrown([&] { save_model(dir.file("m.gguf"), *base, "F32", {}, nullptr); });
  CHECK(t.code == "disk_full");
  CHECK(t.says(std::to_string(header.size() + rows * columns * 4)));
  CHECK(dir.entries() == 1);
}
