// Our engine against PyTorch (transformers + peft), from the fixtures of test/fixtures/make_model_fixtures.py:
// log-probs, values, every gradient by name, and ten AdamW steps of each objective. Four models of three families: see
// the script.
#include <doctest/doctest.h>

#include <string>

#include "model_fixture.h"
#include "offloading_backend.h"

using namespace spark;
using namespace spark_test;

namespace {

constexpr double kTight = 1e-5;     // of the largest value of a tensor: our fp32 against float64
constexpr double kTenSteps = 1e-5;  // losses: rounding carried through ten updates
constexpr double kNorms = 2e-5;     // gradient norms on the way: Adam magnifies rounding in gradients near zero

void check_gradients(const ModelFixture& f, Trainable& trainable, const std::string& key) {
  const auto tensors = trainable.tensors(true);
  CHECK(tensors.size() >= 28);
  for (const NamedTensor& t : tensors) {
    CAPTURE(t.name);
    const auto& expected = f.expected.tensors.at(key + "." + t.name);
    CHECK(t.shape == expected.shape);
    CHECK(distance(t.data, expected.data) < kTight);
  }
}

// `accumulate` returns the loss before each update.
template <class Accumulate>
void check_ten_steps(const ModelFixture& f, Trainable& trainable, const std::string& key, Accumulate accumulate) {
  const OptimizerOptions options = fixture_optimizer();
  std::vector<double> losses, norms;
  for (int step = 0; step < 10; ++step) {
    losses.push_back(accumulate());
    const OptimizerMetrics metrics = trainable.optimizer_step(options);
    CHECK(metrics.step == step + 1);
    CHECK(metrics.grad_norm > options.max_grad_norm);  // the clip is at work in every step
    norms.push_back(metrics.grad_norm);
  }
  CHECK(distance(losses, f.floats(key + ".losses")) < kTenSteps);
  CHECK(distance(norms, f.floats(key + ".norms")) < kNorms);
  CHECK(f.floats(key + ".losses").back() < f.floats(key + ".losses").front());
}

void check_actor(const ModelFixture& f, bool step_ratio) {
  const std::string key = step_ratio ? "step" : "token";
  auto adapter = f.adapter();
  PolicyOptions options;
  options.normalizer = f.batch.loss_tokens();
  options.step_ratio = step_ratio;
  const PolicyMetrics metrics = adapter->accumulate_policy(f.batch.view(), options, nullptr);
  check_gradients(f, *adapter, key);
  CHECK(metrics.tokens == static_cast<int64_t>(f.batch.loss_tokens()));
  CHECK(metrics.clipped_count == static_cast<int64_t>(f.floats(key + ".clipped_count")[0]));
  CHECK(distance(std::vector<double>{metrics.ratio_sum, metrics.ratio_max}, f.floats(key + ".ratios")) < kTight);
  CHECK(metrics.clipped_count > 0);
  CHECK(metrics.clipped_count < metrics.tokens);
  CHECK(distance(std::vector<double>{metrics.k1_sum, metrics.k2_sum, metrics.k3_sum}, f.floats("kl_sums")) < kTight);
  CHECK(metrics.kl_loss_sum == doctest::Approx(metrics.k2_sum));
  adapter->zero_grad();
  check_ten_steps(f, *adapter, key,
                  [&] { return policy_loss(adapter->accumulate_policy(f.batch.view(), options, nullptr), options); });
}

}  // namespace

TEST_CASE("log-probs of base and adapter") {
  for (const char* name : kFixtureModels) {
    CAPTURE(name);
    const ModelFixture f(name);
    CHECK(distance(f.model->logprobs(f.batch.view(), nullptr, nullptr), f.masked("logprobs.base")) < kTight);
    auto adapter = f.adapter();
    CHECK(distance(f.model->logprobs(f.batch.view(), adapter.get(), nullptr), f.masked("logprobs.adapter")) < kTight);
  }
}

TEST_CASE("SFT: gradients and ten steps") {
  for (const char* name : kFixtureModels) {
    CAPTURE(name);
    const ModelFixture f(name);
    auto adapter = f.adapter();
    const double n = f.batch.loss_tokens();
    adapter->accumulate_sft(f.batch.view(), n, nullptr);
    check_gradients(f, *adapter, "sft");
    adapter->zero_grad();
    check_ten_steps(f, *adapter, "sft",
                    [&] { return adapter->accumulate_sft(f.batch.view(), n, nullptr).loss_sum / n; });
  }
}

TEST_CASE("whatever is computed again in the backward pass, the gradients are PyTorch's") {
  for (const char* name : kFixtureModels) {
    for (const char* recompute : {"none", "cheap", "block", "offload"}) {
      CAPTURE(name);
      CAPTURE(recompute);
      const ModelFixture f(name, recompute, std::make_unique<OffloadingCpu>(true));
      auto adapter = f.adapter();
      adapter->accumulate_sft(f.batch.view(), f.batch.loss_tokens(), nullptr);
      check_gradients(f, *adapter, "sft");
      auto critic = f.critic();
      critic->accumulate_value(f.batch.view(), static_cast<double>(f.batch.returns.size()), nullptr);
      check_gradients(f, *critic, "value");
    }
  }
}

TEST_CASE("actor, one ratio per token: gradients and ten steps") {
  for (const char* name : kFixtureModels) check_actor(ModelFixture(name), false);
}

TEST_CASE("actor, one ratio per step: gradients and ten steps") {
  for (const char* name : kFixtureModels) check_actor(ModelFixture(name), true);
}

TEST_CASE("choices: log-probs, gradients and ten steps") {
  for (const char* name : kFixtureModels) {
    CAPTURE(name);
    const ModelFixture f(name);
    auto adapter = f.adapter();
    const OwnedBatch batch = f.choosing();
    const std::vector<float> slopes(batch.tokens.size());
    const auto accumulate = [&] { return *adapter->accumulate(batch.view(), slopes, nullptr).choices; };
    CHECK(distance(f.model->choice_logprobs(batch.view(), adapter.get(), nullptr), f.floats("choice.logprobs")) <
          kTight);
    CHECK(distance(accumulate().logprobs, f.floats("choice.logprobs")) < kTight);
    check_gradients(f, *adapter, "choice");
    adapter->zero_grad();
    check_ten_steps(f, *adapter, "choice", [&] { return accumulate().loss_sum; });
  }
}

TEST_CASE("critic: values, gradients and ten steps") {
  for (const char* name : kFixtureModels) {
    CAPTURE(name);
    const ModelFixture f(name);
    auto critic = f.critic();
    CHECK(distance(critic->values(f.batch.view(), nullptr), f.floats("values")) < kTight);
    const double n = static_cast<double>(f.batch.returns.size());
    critic->accumulate_value(f.batch.view(), n, nullptr);
    check_gradients(f, *critic, "value");
    critic->zero_grad();
    check_ten_steps(f, *critic, "value",
                    [&] { return critic->accumulate_value(f.batch.view(), n, nullptr).loss_sum / n; });
  }
}
