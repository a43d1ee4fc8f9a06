// Hugging Face PEFT's own files: the folder that peft's save_pretrained wrote (test/fixtures/make_model_fixtures.py)
// loads here with PyTorch's log-probs, and what we export from it is that folder again.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "compare.h"
#include "core/safetensors.h"
#include "support.h"
#include "train/engine.h"

using namespace spark;
using nlohmann::json;
using spark_test::distance;
using spark_test::OwnedBatch;
using spark_test::TemporaryDirectory;

namespace {

constexpr const char* kModels[] = {"tied", "qwen2"};  // rows of q and k permuted in the GGUF, and not

std::string path(const std::string& file) { return std::string(SPARK_FIXTURES) + "/models/" + file; }

std::shared_ptr<Model> open_model(const std::string& name) {
  ModelOptions options;
  options.path = path(name + ".gguf"), options.backend = "cpu", options.threads = 2;
  return Model::open(options);
}

json config_of(const std::string& folder) { return json::parse(std::ifstream(folder + "/adapter_config.json")); }

std::set<std::string> names_of(const json& list) { return {list.begin(), list.end()}; }

// What peft writes and an adapter is the same without: a way of starting or training it, or a version.
const std::set<std::string> kOnlyTheirs = {"init_lora_weights", "megatron_core", "peft_version", "qalora_group_size"};

}  // namespace

TEST_CASE("an adapter made by peft loads with PyTorch's log-probs") {
  for (const char* name : kModels) {
    CAPTURE(name);
    const SafetensorsFile expected = SafetensorsFile::read(path(name + std::string(".safetensors")));
    const auto floats = [&](const char* key) { return expected.tensors.at(key).data; };
    OwnedBatch batch;
    for (const float x : floats("tokens")) batch.tokens.push_back(static_cast<int32_t>(x));
    batch.cu_seqlens.clear();
    for (const float x : floats("cu_seqlens")) batch.cu_seqlens.push_back(static_cast<int32_t>(x));
    for (const float x : floats("loss_mask")) batch.loss_mask.push_back(x != 0);
    std::vector<float> logprobs = floats("logprobs.adapter");
    for (size_t i = 0; i < logprobs.size(); ++i) logprobs[i] *= batch.loss_mask[i];

    auto model = open_model(name);
    auto adapter = model->load_adapter(path(name + std::string("-peft")));
    CHECK(distance(model->logprobs(batch.view(), adapter.get(), nullptr), logprobs) < 1e-5);
    CHECK(distance(model->logprobs(batch.view(), nullptr, nullptr), logprobs) > 0.1);  // it does something
    auto same = model->load_adapter(path(name + std::string("-adapter.gguf")));
    const auto a = adapter->tensors(false), b = same->tensors(false);
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) CHECK(a[i].data == b[i].data);
  }
}

TEST_CASE("what we export is what peft saved: names, shapes, values, config") {
  for (const char* name : kModels) {
    CAPTURE(name);
    const TemporaryDirectory folder;
    const std::string theirs = path(name + std::string("-peft")), ours = folder.file("peft");
    open_model(name)->load_adapter(path(name + std::string("-adapter.gguf")))->save_peft(ours);

    const SafetensorsFile expected = SafetensorsFile::read(theirs + "/adapter_model.safetensors");
    const SafetensorsFile got = SafetensorsFile::read(ours + "/adapter_model.safetensors");
    CHECK(got.tensors.size() == expected.tensors.size());
    CHECK(got.metadata == expected.metadata);
    for (const auto& [tensor, entry] : expected.tensors) {
      CAPTURE(tensor);
      REQUIRE(got.tensors.contains(tensor));
      CHECK(got.tensors.at(tensor).shape == entry.shape);
      CHECK(got.tensors.at(tensor).data == entry.data);
    }

    const json config = config_of(ours), saved = config_of(theirs);
    for (const auto& [key, value] : config.items()) {
      CAPTURE(key);
      REQUIRE(saved.contains(key));
      if (key == "target_modules") {
        CHECK(names_of(value) == names_of(saved[key]));  // a set to peft
      } else {
        CHECK(value == saved[key]);
      }
    }
    for (const auto& [key, value] : saved.items()) {
      CAPTURE(key);
      if (config.contains(key) || kOnlyTheirs.contains(key)) continue;
      CHECK((value.is_null() || value == false || (value.is_structured() && value.empty())));  // absent says the same
    }
  }
}
