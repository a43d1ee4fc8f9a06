// Adapters whose weights have ranks and alphas of their own, or that are of some layers only, as peft saves them
// (test/fixtures/make_adapter_fixtures.py): log-probs and gradients of PyTorch, both formats there and back, and
// llama.cpp's own conversion of the folder, tensor by tensor.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "backends.h"
#include "model_fixture.h"
#include "support.h"
#include "train/adapter.h"
#include "train/core.h"
#include "train/plan.h"

using namespace spark;
using namespace spark_test;
using nlohmann::json;

namespace {

constexpr double kTight = 1e-5;  // of the largest value of a tensor: our fp32 against float64

struct Kind {
  const char* name;
  const char* model;
  int weights;    // that it adapts
  bool converts;  // convert_lora_to_gguf.py gets its scales right: it knows neither alpha_pattern nor use_rslora
  bool served;    // llama.cpp can apply it
};
constexpr Kind kKinds[] = {{"patterns", "tied", 14, false, true},
                           {"some-layers", "untied", 4, true, true},
                           {"rslora", "qwen2", 6, false, true},
                           {"rslora-ranks", "qwen3", 14, false, true},
                           {"embedding-and-head", "untied", 4, true, true},
                           {"tied-embedding", "tied", 4, false, false}};
constexpr Kind kPatterns = kKinds[0], kEmbeddingAndHead = kKinds[4];

std::string folder_of(const Kind& kind) { return std::string(SPARK_FIXTURES) + "/adapters/" + kind.name; }

struct Fixture : ModelFixture {
  SafetensorsFile kind;
  std::shared_ptr<Adapter> adapter;

  explicit Fixture(const Kind& k, std::unique_ptr<Backend> backend = std::make_unique<CpuBackend>(2))
      : ModelFixture(k.model, "auto", std::move(backend)),
        kind(SafetensorsFile::read(folder_of(k) + "/expected.safetensors")),
        adapter(model->load_adapter(folder_of(k))) {}
  std::vector<float> logprobs(Adapter& of) const { return model->logprobs(batch.view(), &of, nullptr); }
  // PyTorch's, where there is a loss.
  std::vector<float> expected_logprobs() const {
    std::vector<float> values = kind.tensors.at("logprobs").data;
    for (size_t i = 0; i < values.size(); ++i) values[i] *= batch.loss_mask[i];
    return values;
  }
  // Of the last accumulate call, by name: those of `sort`, grad or choice.
  void check_gradients(const std::string& sort, double tolerance) const {
    const auto tensors = adapter->tensors(true);
    CHECK(2 * tensors.size() + 2 == kind.tensors.size());
    for (const NamedTensor& t : tensors) {
      CAPTURE(t.name);
      const auto& theirs = kind.tensors.at(sort + "." + t.name);
      CHECK(t.shape == theirs.shape);
      CHECK(distance(t.data, theirs.data) < tolerance);
    }
    adapter->zero_grad();
  }
  void check_all(double logprobs_within, double gradients_within) const {
    CHECK(distance(logprobs(*adapter), expected_logprobs()) < logprobs_within);
    adapter->accumulate_sft(batch.view(), batch.loss_tokens(), nullptr);
    check_gradients("grad", gradients_within);
    const OwnedBatch choices = choosing();
    const auto& expected_choices = kind.tensors.at("choice.logprobs").data;
    CHECK(distance(model->choice_logprobs(choices.view(), adapter.get(), nullptr), expected_choices) < logprobs_within);
    const auto metrics = adapter->accumulate_sft(choices.view(), 1, nullptr);
    CHECK(distance(metrics.choices->logprobs, expected_choices) < logprobs_within);
    check_gradients("choice", gradients_within);
  }
};

std::map<std::string, NamedTensor> by_name(const std::vector<NamedTensor>& tensors) {
  std::map<std::string, NamedTensor> named;
  for (const NamedTensor& tensor : tensors) named[tensor.name] = tensor;
  return named;
}

std::map<std::string, NamedTensor> tensors_of(const GgufFile& file) {
  std::map<std::string, NamedTensor> named;
  for (const GgufTensor& tensor : file.tensors()) {
    REQUIRE(tensor.type == TensorType::F32);
    const auto* data = reinterpret_cast<const float*>(tensor.data);
    named[tensor.name] = {tensor.name, tensor.shape, {data, data + tensor.shape[0] * tensor.shape[1]}};
  }
  return named;
}

void check_merged(const Kind& kind) {
  const Fixture f(kind);
  const TemporaryDirectory dir;
  f.model->save(dir.file("merged.gguf"), {.type = "F32", .adapter = f.adapter.get()}, nullptr);
  ModelOptions options;
  options.path = dir.file("merged.gguf"), options.backend = "cpu";
  const auto merged = Model::open(options);
  CHECK(distance(merged->logprobs(f.batch.view(), nullptr, nullptr), f.expected_logprobs()) < kTight);
}

json config_of(const std::string& folder) { return json::parse(std::ifstream(folder + "/adapter_config.json")); }

}  // namespace

TEST_CASE("PyTorch's log-probs and gradients, with every kind of adapter") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    const Fixture f(kind);
    CHECK(f.adapter->weights().size() == static_cast<size_t>(kind.weights));
    CHECK(distance(f.model->logprobs(f.batch.view(), nullptr, nullptr), f.expected_logprobs()) > 0.05);
    f.check_all(kTight, kTight);
  }
}

TEST_CASE("the same in bf16 and on the emulated device") {
  for (const Kind& kind : {kPatterns, kEmbeddingAndHead}) {
    CAPTURE(kind.name);
    each_tested([&](const TestedBackend& tested) {
      const Fixture f(kind, tested.make());
      // Else twice what PyTorch's own bf16 is off on the worst of the models (bf16_test.cpp).
      const bool exact = f.model->info().compute == "f32";
      f.check_all(exact ? kTight : 2 * 0.0102, exact ? kTight : 2 * 0.0699);
    });
  }
}

TEST_CASE("the same whatever is computed again") {
  for (const Kind& kind : {kPatterns, kEmbeddingAndHead}) {
    for (const char* recompute : {"none", "cheap", "block"}) {
      CAPTURE(recompute);
      const ModelFixture base(kind.model, recompute);
      auto adapter = base.model->load_adapter(folder_of(kind));
      adapter->accumulate_sft(base.batch.view(), base.batch.loss_tokens(), nullptr);
      const auto expected = SafetensorsFile::read(folder_of(kind) + "/expected.safetensors");
      for (const NamedTensor& t : adapter->tensors(true)) {
        CHECK(distance(t.data, expected.tensors.at("grad." + t.name).data) < kTight);
      }
    }
  }
}

TEST_CASE("a pass takes what was planned for it, whatever the tokens are") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    const Fixture f(kind);
    const EngineCore& core = static_cast<LoraAdapter&>(*f.adapter).trained().core();
    for (const OwnedBatch& batch : {f.batch, f.choosing()}) {
      const MemoryPlan plan = f.adapter->plan(shape_of(batch.view(), {Pass::Policy}, true));
      f.adapter->accumulate_sft(batch.view(), 1, nullptr);
      CHECK(core.arena.peak() <= static_cast<size_t>(plan.activations));
      CHECK(2 * core.arena.peak() > static_cast<size_t>(plan.activations));
    }
  }
}

TEST_CASE("a PEFT folder of it reads back as the very same adapter, with peft's settings") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    const Fixture f(kind);
    const TemporaryDirectory dir;
    f.adapter->save_peft(dir.file("peft"));
    auto back = f.model->load_adapter(dir.file("peft"));
    CHECK(back->weights() == f.adapter->weights());
    const auto was = f.adapter->tensors(false), is = back->tensors(false);
    REQUIRE(is.size() == was.size());
    for (size_t i = 0; i < is.size(); ++i) CHECK(is[i].data == was[i].data);
    const json theirs = config_of(folder_of(kind)), ours = config_of(dir.file("peft"));
    CHECK(ours["use_rslora"] == theirs["use_rslora"]);
    for (const char* key : {"r", "lora_alpha"}) {
      if (kind.served && std::string(kind.name) != "patterns") CHECK(ours[key] == theirs[key]);  // not the most common
    }
  }
}

TEST_CASE("a GGUF of it computes the same, and is what llama.cpp's script makes of the folder") {
  for (const Kind& kind : kKinds) {
    CAPTURE(kind.name);
    const Fixture f(kind);
    const TemporaryDirectory dir;
    if (!kind.served) {
      const Thrown e = thrown([&] { f.adapter->save_gguf(dir.file("a.gguf")); });
      CHECK(e.code == "invalid_argument");
      CHECK(e.says("save it as PEFT"));
      continue;
    }
    f.adapter->save_gguf(dir.file("a.gguf"));
    auto back = f.model->load_adapter(dir.file("a.gguf"));
    CHECK(distance(f.logprobs(*back), f.logprobs(*f.adapter)) < 1e-6);

    const auto ours = GgufFile::open(dir.file("a.gguf")), theirs = GgufFile::open(folder_of(kind) + "/converted.gguf");
    auto got = tensors_of(*ours);
    const auto expected = tensors_of(*theirs);
    const double alpha = ours->get_float("adapter.lora.alpha", 0);
    if (kind.converts) CHECK(alpha == theirs->get_float("adapter.lora.alpha", 0));
    CHECK(got.size() == expected.size());
    for (const LoraWeight& weight : f.adapter->weights()) {
      CAPTURE(weight.name);
      const double factor = weight.alpha / alpha;  // what the file's one alpha leaves to lora_b
      if (kind.converts) CHECK(factor == 1);
      const std::string a = weight.name + ".lora_a", b = weight.name + ".lora_b";
      CHECK(got[a].shape == expected.at(a).shape);
      CHECK(got[a].data == expected.at(a).data);
      CHECK(got[b].shape == expected.at(b).shape);
      std::vector<float> scaled = expected.at(b).data;
      for (float& value : scaled) value = static_cast<float>(factor * value);
      CHECK(got[b].data == scaled);
    }
  }
}

TEST_CASE("its training state goes on exactly, and is refused where the alphas are others") {
  const Fixture f(kPatterns);
  const TemporaryDirectory dir;
  const auto step = [&](Adapter& adapter) {
    adapter.accumulate_sft(f.batch.view(), f.batch.loss_tokens(), nullptr);
    adapter.optimizer_step(fixture_optimizer());
  };
  step(*f.adapter);
  f.adapter->save_state(dir.file("state"));
  step(*f.adapter);
  auto other = f.model->load_adapter(folder_of(kPatterns));
  other->load_state(dir.file("state"));
  step(*other);
  const auto was = by_name(f.adapter->tensors(false));
  for (const NamedTensor& t : other->tensors(false)) CHECK(t.data == was.at(t.name).data);
  f.adapter->save_gguf(dir.file("a.gguf"));  // one alpha for all weights
  auto folded = f.model->load_adapter(dir.file("a.gguf"));
  CHECK(thrown([&] { folded->load_state(dir.file("state")); }).code == "adapter_mismatch");
}

TEST_CASE("merged into its base it computes the same") {
  for (const Kind& kind : {kPatterns, kEmbeddingAndHead}) check_merged(kind);
  const Fixture f(kKinds[5]);
  const TemporaryDirectory dir;
  CHECK(thrown([&] {
          f.model->save(dir.file("merged.gguf"), {.type = "F32", .adapter = f.adapter.get()}, nullptr);
        }).code == "adapter_mismatch");
}
