// A model of test/fixtures/models on any backend, with what PyTorch says about it (make_model_fixtures.py there).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "compare.h"
#include "core/gguf.h"
#include "core/safetensors.h"
#include "cpu/cpu_backend.h"
#include "train/engine.h"
#include "train/model.h"

namespace spark_test {

constexpr const char* kFixtureModels[] = {"tied", "untied", "qwen2", "qwen3"};

struct ModelFixture {
  std::string name;
  spark::SafetensorsFile expected;
  std::shared_ptr<spark::Model> model;
  OwnedBatch batch;

  static std::string path(const std::string& file) { return std::string(SPARK_FIXTURES) + "/models/" + file; }

  explicit ModelFixture(const std::string& n, const std::string& recompute = "auto",
                        std::unique_ptr<spark::Backend> backend = std::make_unique<spark::CpuBackend>(2))
      : name(n), expected(spark::SafetensorsFile::read(path(n + ".safetensors"))) {
    spark::ModelOptions options;
    options.recompute = recompute;
    model = spark::make_model(spark::GgufFile::open(path(name + ".gguf")), std::move(backend), options);
    batch.tokens = ints("tokens");
    batch.cu_seqlens = ints("cu_seqlens");
    batch.step_ids = ints("step_ids");
    batch.value_positions = ints("value_positions");
    for (const float x : floats("loss_mask")) batch.loss_mask.push_back(x != 0);
    batch.old_logprobs = floats("old_logprobs");
    batch.ref_logprobs = floats("ref_logprobs");
    batch.advantages = floats("advantages");
    batch.returns = floats("returns");
    const auto choices = spark::SafetensorsFile::read(path(n + "-choices.safetensors"));
    for (const auto& [key, tensor] : choices.tensors) expected.tensors[key] = tensor;
  }
  // The batch with its choices.
  OwnedBatch choosing() const {
    OwnedBatch own = batch;
    own.loss_mask.assign(own.loss_mask.size(), 0);
    own.choice_positions = ints("choice_positions");
    own.choice_offsets = ints("choice_offsets");
    own.choice_tokens = ints("choice_tokens");
    own.choice_targets = floats("choice_targets");
    return own;
  }
  const std::vector<float>& floats(const std::string& key) const { return expected.tensors.at(key).data; }
  std::vector<int32_t> ints(const std::string& key) const { return {floats(key).begin(), floats(key).end()}; }
  std::shared_ptr<spark::Adapter> adapter() const { return model->load_adapter(path(name + "-adapter.gguf")); }
  std::shared_ptr<spark::Critic> critic() const {
    spark::CriticOptions options;
    options.rank = 4, options.alpha = 8, options.hidden = 20;
    auto critic = model->create_critic(options);
    critic->load_state(path(name + "-critic.safetensors"));
    return critic;
  }
  // PyTorch's log-probs where there is a loss, 0 elsewhere.
  std::vector<float> masked(const std::string& key) const {
    std::vector<float> values = floats(key);
    for (size_t i = 0; i < values.size(); ++i) values[i] *= batch.loss_mask[i];
    return values;
  }
};

// The optimizer of the fixtures' ten steps; its clip is at work in every one of them.
inline spark::OptimizerOptions fixture_optimizer() {
  spark::OptimizerOptions options;
  options.learning_rate = 2e-3f, options.epsilon = 5e-4f, options.weight_decay = 0.01f, options.max_grad_norm = 0.1f;
  return options;
}

// What an actor learns from, as the fixtures compute it.
inline double policy_loss(const spark::PolicyMetrics& m, const spark::PolicyOptions& options) {
  return (m.clip_loss_sum + options.kl_coefficient * m.kl_loss_sum) / options.normalizer;
}

}  // namespace spark_test
