// The engine as its users see it, on a model in memory: objectives against their own loss, packing, resume.
#include <doctest/doctest.h>

#include "directions.h"
#include "support.h"
#include "tiny_model.h"

using namespace spark;
using namespace spark_test;

namespace {

constexpr int64_t kVocabulary = 50;

std::shared_ptr<Critic> stirred_critic(Model& model, const OwnedBatch& batch) {
  CriticOptions options;
  options.rank = 3, options.hidden = 9, options.seed = 5;
  auto critic = model.create_critic(options);
  OptimizerOptions step;
  step.learning_rate = 0.05f;
  for (int i = 0; i < 3; ++i) {
    critic->accumulate_value(batch.view(), 1.0 * batch.returns.size(), nullptr);
    critic->optimizer_step(step);
  }
  return critic;
}

}  // namespace

TEST_CASE("each objective's gradient is the slope of the loss it reports") {
  const TemporaryDirectory folder;
  for (const bool tied : {true, false}) {
    CAPTURE(tied);
    TinyShape shape;
    shape.tied = tied;
    auto model = tiny_model(shape);
    const OwnedBatch batch = tiny_batch({17, 1, 9, 40}, kVocabulary);
    auto adapter = model->create_adapter(small_lora());
    stir(*adapter, batch);
    const double n = batch.loss_tokens();
    const std::string state = folder.file("state.safetensors");
    check_direction(*adapter, [&] { return adapter->accumulate_sft(batch.view(), n, nullptr).loss_sum / n; }, state);
    for (const bool step_ratio : {false, true}) {
      CAPTURE(step_ratio);
      // A ratio at the edge of the clip has no slope: keep the old log-probs clear of it.
      OwnedBatch policy = batch;
      const auto now = model->logprobs(batch.view(), adapter.get(), nullptr);
      for (size_t i = 0; i < now.size(); ++i) policy.old_logprobs[i] = now[i] + (policy.step_ids[i] % 3 - 1) * 0.4f;
      PolicyOptions options;
      options.normalizer = n, options.step_ratio = step_ratio;
      const auto loss = [&] {
        const PolicyMetrics m = adapter->accumulate_policy(policy.view(), options, nullptr);
        CHECK(m.clipped_count > 0);
        CHECK(m.clipped_count < m.tokens);
        return (m.clip_loss_sum + options.kl_coefficient * m.kl_loss_sum) / n;
      };
      check_direction(*adapter, loss, state);
    }
    auto critic = stirred_critic(*model, batch);
    const double t = static_cast<double>(batch.returns.size());
    check_direction(*critic, [&] { return critic->accumulate_value(batch.view(), t, nullptr).loss_sum / t; }, state);
  }
}

TEST_CASE("a fresh adapter is the base model, a fresh critic says 0") {
  auto model = tiny_model();
  const OwnedBatch batch = tiny_batch({9, 30}, kVocabulary);
  auto adapter = model->create_adapter(small_lora());
  CHECK(model->logprobs(batch.view(), adapter.get(), nullptr) == model->logprobs(batch.view(), nullptr, nullptr));
  auto critic = model->create_critic({});
  for (const float v : critic->values(batch.view(), nullptr)) CHECK(v == 0.0f);
  // and another seed is another adapter
  LoraOptions other = small_lora();
  other.seed = 4;
  CHECK(model->create_adapter(other)->tensors(false)[0].data != adapter->tensors(false)[0].data);
  CHECK(model->create_adapter(small_lora())->tensors(false)[0].data == adapter->tensors(false)[0].data);
}

TEST_CASE("packed sequences equal the same sequences alone") {
  auto model = tiny_model();
  const std::vector<int> lengths = {17, 1, 70, 9};
  const OwnedBatch packed = tiny_batch(lengths, kVocabulary);
  auto adapter = model->create_adapter(small_lora());
  stir(*adapter, packed);
  const auto together = model->logprobs(packed.view(), adapter.get(), nullptr);
  adapter->accumulate_sft(packed.view(), 10, nullptr);
  const auto gradient = adapter->tensors(true);
  adapter->zero_grad();
  std::vector<float> alone;
  for (size_t s = 0; s < lengths.size(); ++s) {
    OwnedBatch one;
    const auto from = static_cast<size_t>(packed.cu_seqlens[s]), to = static_cast<size_t>(packed.cu_seqlens[s + 1]);
    one.tokens.assign(packed.tokens.begin() + from, packed.tokens.begin() + to);
    one.loss_mask.assign(packed.loss_mask.begin() + from, packed.loss_mask.begin() + to);
    one.cu_seqlens = {0, lengths[s]};
    const auto lp = model->logprobs(one.view(), adapter.get(), nullptr);
    alone.insert(alone.end(), lp.begin(), lp.end());
    adapter->accumulate_sft(one.view(), 10, nullptr);  // gradients of several calls add up
  }
  CHECK(distance(together, alone) < 2e-6);
  const auto summed = adapter->tensors(true);
  for (size_t i = 0; i < gradient.size(); ++i) {
    CAPTURE(gradient[i].name);
    CHECK(distance(summed[i].data, gradient[i].data) < 5e-6);
  }
}

TEST_CASE("training resumes bit by bit from a saved state") {
  const TemporaryDirectory folder;
  auto model = tiny_model();
  const OwnedBatch batch = tiny_batch({33, 20}, kVocabulary);
  OptimizerOptions options;
  options.learning_rate = 1e-2f, options.weight_decay = 0.1f;
  const auto train = [&](Trainable& trainable, int steps) {
    std::vector<double> norms;
    for (int i = 0; i < steps; ++i) {
      if (auto* adapter = dynamic_cast<Adapter*>(&trainable)) adapter->accumulate_sft(batch.view(), 20, nullptr);
      if (auto* critic = dynamic_cast<Critic*>(&trainable)) critic->accumulate_value(batch.view(), 5, nullptr);
      norms.push_back(trainable.optimizer_step(options).grad_norm);
    }
    return norms;
  };
  const auto check = [&](Trainable& first, Trainable& second) {
    const std::string path = folder.file("state.safetensors");
    train(first, 3);
    first.save_state(path);
    const auto norms = train(first, 3);
    second.load_state(path);
    CHECK(train(second, 3) == norms);
    const auto a = first.tensors(false), b = second.tensors(false);
    for (size_t i = 0; i < a.size(); ++i) CHECK(a[i].data == b[i].data);
    CHECK(second.optimizer_step(options).step == 7);
  };
  LoraOptions other = small_lora();
  other.seed = 99;  // load_state must replace everything
  check(*model->create_adapter(small_lora()), *model->create_adapter(other));
  CriticOptions critic;
  critic.hidden = 5;
  check(*model->create_critic(critic), *tiny_model()->create_critic(critic));  // also into another model's critic
}

TEST_CASE("an optimizer step clips by the global norm and leaves no gradient") {
  auto model = tiny_model();
  const OwnedBatch batch = tiny_batch({33}, kVocabulary);
  auto adapter = model->create_adapter(small_lora());
  adapter->accumulate_sft(batch.view(), 0.01, nullptr);
  const double norm = std::sqrt(sum_of_squares(adapter->tensors(true)));
  CHECK(norm > 1);
  CHECK(adapter->optimizer_step({.learning_rate = 1e-3f}).grad_norm == doctest::Approx(norm));
  CHECK(sum_of_squares(adapter->tensors(true)) == 0);
}
