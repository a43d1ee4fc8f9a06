// A critic over an adapter's trunk: one pass for policy and values against the two passes of a critic with a LoRA of
// its own that holds the same numbers, and against the slope of L_actor + c_v L_v. Then such a critic in the policy's
// call, whose passes are two.
#include <doctest/doctest.h>

#include <atomic>
#include <limits>

#include "backends.h"
#include "core/safetensors.h"
#include "directions.h"
#include "support.h"
#include "tiny_model.h"

using namespace spark;
using namespace spark_test;

namespace {

constexpr int64_t kVocabulary = 50;
const std::vector<int> kLengths = {17, 1, 9, 40};

CriticOptions over(std::shared_ptr<Adapter> trunk) {
  CriticOptions options;
  options.hidden = 9, options.seed = 5, options.trunk = std::move(trunk);
  return options;
}

// With a LoRA like the adapter's, and a head like that of `over`.
CriticOptions beside() {
  CriticOptions options = over(nullptr);
  static_cast<LoraOptions&>(options) = small_lora();
  return options;
}

// One trunk with a critic over it, and beside them a critic of its own with the same LoRA and head. Nothing is zero.
struct Twins {
  std::shared_ptr<Model> model;
  OwnedBatch batch = tiny_batch(kLengths, kVocabulary);
  std::shared_ptr<Adapter> adapter;
  std::shared_ptr<Critic> shared, own;
  double n = batch.loss_tokens(), t = static_cast<double>(batch.returns.size());

  explicit Twins(std::shared_ptr<Model> opened, const LoraOptions& lora = small_lora()) : model(std::move(opened)) {
    const TemporaryDirectory folder;
    own = model->create_critic(beside());
    for (int i = 0; i < 3; ++i) {
      own->accumulate_value(batch.view(), t, nullptr);
      own->optimizer_step({.learning_rate = 0.05f});
    }
    own->save_state(folder.file("own"));
    adapter = model->create_adapter(lora);
    shared = model->create_critic(over(adapter));
    load_part(*adapter, folder, "adapter", false);
    load_part(*shared, folder, "critic", true);
  }

  // Into `part` the head's or the LoRA's tensors of the state of `own`.
  static void load_part(Trainable& part, const TemporaryDirectory& folder, const std::string& kind, bool head) {
    const SafetensorsFile state = SafetensorsFile::read(folder.file("own"));
    SafetensorsWriter writer;
    writer.metadata = state.metadata;
    writer.metadata["kind"] = kind;
    if (head) writer.metadata.erase("rank"), writer.metadata.erase("alpha");
    for (const auto& [name, entry] : state.tensors) {
      if ((name.find("value_head") != std::string::npos) == head)
        writer.tensors.push_back({name, entry.shape, entry.data});
    }
    writer.write(folder.file(kind), false);
    part.load_state(folder.file(kind));
  }

  PolicyMetrics combined(float coefficient, bool step_ratio = false) {
    PolicyOptions options;
    options.normalizer = n, options.step_ratio = step_ratio;
    options.value = {shared.get(), t, coefficient};
    return adapter->accumulate_policy(batch.view(), options, nullptr);
  }
  PolicyMetrics two_passes(float coefficient) {
    PolicyOptions options;
    options.normalizer = n, options.value = {own.get(), t, coefficient};
    return adapter->accumulate_policy(batch.view(), options, nullptr);
  }
  LogprobsAndValues read(Critic& critic) {
    return model->logprobs_and_values(batch.view(), adapter.get(), critic, nullptr);
  }
};

std::vector<float> flat(const std::vector<NamedTensor>& tensors, const std::string& part = "") {
  std::vector<float> all;
  for (const NamedTensor& tensor : tensors) {
    if (tensor.name.find(part) != std::string::npos) all.insert(all.end(), tensor.data.begin(), tensor.data.end());
  }
  return all;
}

std::vector<float> gradients(Trainable& trainable, const std::string& part = "") {
  const auto all = flat(trainable.tensors(true), part);
  trainable.zero_grad();
  return all;
}

}  // namespace

TEST_CASE("one pass gives the actor's gradient plus c_v times that of the values, and the head its own") {
  each_tested_once(false, [](const TestedBackend& tested) {
    const double tolerance = tested.tolerance.activations * 4;
    Twins twins(make_model(tiny_gguf({}), tested.make()));
    Adapter& adapter = *twins.adapter;
    CHECK(distance(twins.shared->values(twins.batch.view(), nullptr), twins.own->values(twins.batch.view(), nullptr)) <
          tolerance);
    PolicyOptions options;
    options.normalizer = twins.n;
    const PolicyMetrics policy = adapter.accumulate_policy(twins.batch.view(), options, nullptr);
    CHECK_FALSE(policy.value);
    const auto actor = gradients(adapter);
    const ValueMetrics value = twins.own->accumulate_value(twins.batch.view(), twins.t, nullptr);
    const auto through_trunk = flat(twins.own->tensors(true), "lora_"), head = gradients(*twins.own, "value_head");
    CHECK(distance(through_trunk, std::vector<float>(through_trunk.size())) > 1e20);  // not all zero
    for (const float c : {0.0f, 0.5f, 3.0f}) {
      CAPTURE(c);
      if (tested.slow && c != 0.5f) continue;
      const PolicyMetrics both = twins.combined(c);
      CHECK(both.clip_loss_sum == doctest::Approx(policy.clip_loss_sum).epsilon(tolerance));
      REQUIRE(both.value);
      CHECK(both.value->count == value.count);
      CHECK(both.value->loss_sum == doctest::Approx(value.loss_sum).epsilon(tolerance));
      std::vector<float> expected = actor;
      for (size_t i = 0; i < expected.size(); ++i) expected[i] += c * through_trunk[i];
      CHECK(distance(gradients(adapter), expected) < tolerance);
      CHECK(distance(gradients(*twins.shared), head) < tolerance);
    }
    // The head alone, without a backward pass: its gradient is the same, the adapter's stays as it is.
    CHECK(twins.shared->accumulate_value(twins.batch.view(), twins.t, nullptr).loss_sum ==
          doctest::Approx(value.loss_sum).epsilon(tolerance));
    CHECK(distance(gradients(*twins.shared), head) < tolerance);
    CHECK(sum_of_squares(adapter.tensors(true)) == 0);
  });
}

TEST_CASE("the one pass's gradient is the slope of L_actor + c_v L_v") {
  const TemporaryDirectory folder;
  for (const bool step_ratio : {false, true}) {
    CAPTURE(step_ratio);
    Twins twins(tiny_model());
    // A ratio at the edge of the clip has no slope: keep the old log-probs clear of it.
    const auto now = twins.model->logprobs(twins.batch.view(), twins.adapter.get(), nullptr);
    for (size_t i = 0; i < now.size(); ++i) {
      twins.batch.old_logprobs[i] = now[i] + static_cast<float>(twins.batch.step_ids[i] % 3 - 1) * 0.4f;
    }
    constexpr float kCoefficient = 0.7f;
    const auto parts = [&] {
      const PolicyMetrics m = twins.combined(kCoefficient, step_ratio);
      CHECK(m.clipped_count > 0);
      const double actor = (m.clip_loss_sum + PolicyOptions().kl_coefficient * m.kl_loss_sum) / twins.n;
      return std::pair(actor, m.value->loss_sum / twins.t);
    };
    const auto trunk_loss = [&] {
      const auto [actor, value] = parts();
      return actor + static_cast<double>(kCoefficient) * value;
    };
    check_direction(*twins.adapter, trunk_loss, folder.file("adapter"));
    check_direction(*twins.shared, [&] { return parts().second; }, folder.file("critic"));
  }
}

TEST_CASE("log-probs and values come at once, of one pass or of two") {
  Twins twins(tiny_model());
  const auto lp = twins.model->logprobs(twins.batch.view(), twins.adapter.get(), nullptr);
  const auto values = twins.own->values(twins.batch.view(), nullptr);
  const LogprobsAndValues one = twins.read(*twins.shared);
  CHECK(distance(one.logprobs, lp) < 2e-6);
  CHECK(distance(one.values, values) < 2e-6);
  const LogprobsAndValues two = twins.read(*twins.own);
  CHECK(two.logprobs == lp);
  CHECK(two.values == values);
  // Where the critic reads another trunk than the log-probs are of: each says its own.
  const auto base = twins.model->logprobs_and_values(twins.batch.view(), nullptr, *twins.shared, nullptr);
  CHECK(base.logprobs == twins.model->logprobs(twins.batch.view(), nullptr, nullptr));
  CHECK(base.values == twins.shared->values(twins.batch.view(), nullptr));
}

TEST_CASE("one pass for both is half the forward work") {
  class Counting final : public CpuBackend {
   public:
    explicit Counting(int64_t* passes) : CpuBackend(2), passes_(passes) {}
    void embedding(Activation* y, const Weight& table, const int32_t* tokens, int64_t N) override {
      ++*passes_;
      CpuBackend::embedding(y, table, tokens, N);
    }

   private:
    int64_t* passes_;
  };
  int64_t passes = 0;
  Twins twins(make_model(tiny_gguf({}), std::make_unique<Counting>(&passes)));
  const auto counted = [&](auto&& call) {
    passes = 0;
    call();
    return passes;
  };
  CHECK(counted([&] { twins.read(*twins.shared); }) == 1);
  CHECK(counted([&] { twins.read(*twins.own); }) == 2);
  CHECK(counted([&] { twins.combined(0.5f); }) == 1);
  CHECK(counted([&] { twins.two_passes(0.5f); }) == 2);
}

TEST_CASE("a critic with a LoRA of its own learns in the policy's call what it learns in one of its own") {
  each_tested_once(true, [](const TestedBackend& tested) {
    Twins twins(make_model(tiny_gguf({}), tested.make()));
    PolicyOptions options;
    options.normalizer = twins.n;
    const PolicyMetrics policy = twins.adapter->accumulate_policy(twins.batch.view(), options, nullptr);
    const ValueMetrics value = twins.own->accumulate_value(twins.batch.view(), twins.t, nullptr);
    const auto actor = gradients(*twins.adapter), critic = gradients(*twins.own);
    for (const float c : {0.0f, 3.0f}) {  // the coefficient is not used
      if (tested.slow && c > 0) continue;
      const PolicyMetrics both = twins.two_passes(c);
      CHECK(both.clip_loss_sum == policy.clip_loss_sum);
      REQUIRE(both.value);
      CHECK(both.value->count == value.count);
      CHECK(both.value->loss_sum == value.loss_sum);
      CHECK(gradients(*twins.adapter) == actor);
      CHECK(gradients(*twins.own) == critic);
    }
    const OwnedBatch whole = twins.batch;
    twins.batch.loss_mask.assign(whole.loss_mask.size(), 0);
    CHECK(twins.two_passes(0).tokens == 0);
    CHECK(sum_of_squares(twins.adapter->tensors(true)) == 0);
    CHECK(gradients(*twins.own) == critic);
    twins.batch.loss_mask = whole.loss_mask;
    twins.batch.value_positions.clear(), twins.batch.returns.clear();
    CHECK(twins.two_passes(0).value->count == 0);
    CHECK(gradients(*twins.adapter) == actor);
    CHECK(sum_of_squares(twins.own->tensors(true)) == 0);
  });
}

TEST_CASE("a pass without losses, without values, without either") {
  each_tested_once(true, [](const TestedBackend& tested) {
    Twins twins(make_model(tiny_gguf({}), tested.make()));
    const OwnedBatch whole = twins.batch;
    twins.own->accumulate_value(whole.view(), twins.t, nullptr);
    const auto through_trunk = flat(twins.own->tensors(true), "lora_");
    twins.batch.loss_mask.assign(whole.loss_mask.size(), 0);
    PolicyMetrics m = twins.combined(1);
    CHECK(m.tokens == 0);
    CHECK(m.value->count == static_cast<int64_t>(whole.returns.size()));
    CHECK(distance(gradients(*twins.adapter), through_trunk) < tested.tolerance.activations * 4);
    CHECK(twins.read(*twins.shared).values.size() == whole.returns.size());
    twins.shared->zero_grad();
    twins.batch.value_positions.clear(), twins.batch.returns.clear();
    m = twins.combined(1);
    CHECK(m.value->count == 0);
    CHECK(sum_of_squares(twins.adapter->tensors(true)) == 0);
    CHECK(twins.read(*twins.shared).values.empty());
    twins.batch.loss_mask = whole.loss_mask;
    CHECK(twins.combined(1).tokens > 0);
    CHECK(sum_of_squares(twins.adapter->tensors(true)) > 0);
    CHECK(sum_of_squares(twins.shared->tensors(true)) == 0);
  });
}

TEST_CASE("one trunk resumes bit by bit from the two states") {
  const TemporaryDirectory folder;
  const auto train = [](Twins& twins) {
    for (int i = 0; i < 3; ++i) {
      twins.combined(0.5f);
      twins.adapter->optimizer_step({.learning_rate = 1e-2f, .weight_decay = 0.1f});
      twins.shared->optimizer_step({.learning_rate = 1e-2f});
    }
  };
  Twins first(tiny_model()), second(tiny_model());
  train(first);
  first.adapter->save_state(folder.file("adapter")), first.shared->save_state(folder.file("critic"));
  train(first);
  second.adapter->load_state(folder.file("adapter")), second.shared->load_state(folder.file("critic"));
  train(second);
  CHECK(flat(second.adapter->tensors(false)) == flat(first.adapter->tensors(false)));
  CHECK(flat(second.shared->tensors(false)) == flat(first.shared->tensors(false)));
}

TEST_CASE("the critic keeps its trunk alive, and trains the head alone") {
  Twins twins(tiny_model());
  const auto before = twins.shared->values(twins.batch.view(), nullptr);
  CHECK(twins.shared->lora().rank == small_lora().rank);
  CHECK(twins.shared->parameter_count() == 9 * 24 + 9 + 9 + 1);
  twins.adapter.reset();
  CHECK(twins.shared->values(twins.batch.view(), nullptr) == before);
  CHECK(twins.shared->accumulate_value(twins.batch.view(), twins.t, nullptr).count > 0);
}

TEST_CASE("what does not belong together is refused") {
  const TemporaryDirectory folder;
  Twins twins(tiny_model());
  const auto policy = [&](const ValueTerm& value) {
    PolicyOptions options;
    options.value = value;
    return thrown([&] { twins.adapter->accumulate_policy(twins.batch.view(), options, nullptr); });
  };
  auto foreign = tiny_model()->create_critic(beside());
  CHECK(policy({foreign.get(), 1, 0}).says("got another model's"));
  auto other = twins.model->create_critic(over(twins.model->create_adapter(small_lora())));
  CHECK(policy({other.get(), 1, 0}).says("got one over another adapter's trunk"));
  for (const float bad : {-0.1f, std::numeric_limits<float>::quiet_NaN()}) {
    const Thrown t = policy({twins.shared.get(), 1, bad});
    CHECK(t.code == "invalid_argument");
    CHECK(t.says("value.coefficient"));
  }
  CHECK(policy({twins.shared.get(), 0, 0}).says("normalizer"));
  const OwnedBatch whole = twins.batch;
  twins.batch.returns.clear();
  CHECK(policy({twins.shared.get(), 1, 0}).says("batch.returns"));
  twins.batch = whole;
  twins.batch.value_positions[0] = -1;
  CHECK(thrown([&] { twins.read(*twins.own); }).says("batch.valuePositions[0]"));
  twins.batch = whole;
  CHECK(thrown([&] { twins.read(*foreign); }).code == "adapter_mismatch");
  CHECK(thrown([&] { tiny_model()->create_critic(over(twins.adapter)); }).code == "adapter_mismatch");
  // The state of the other sort.
  twins.own->save_state(folder.file("own")), twins.shared->save_state(folder.file("shared"));
  const Thrown one = thrown([&] { twins.shared->load_state(folder.file("own")); });
  CHECK(one.code == "adapter_mismatch");
  CHECK(one.says("expected the state of a value head over an adapter's trunk, got that of a critic with a LoRA"));
  const Thrown two = thrown([&] { twins.own->load_state(folder.file("shared")); });
  CHECK(two.code == "adapter_mismatch");
  CHECK(two.says("expected the state of a critic with a LoRA of its own, got that of a value head"));
}

namespace {

// Cancels a call in the middle of a backward pass, when what comes before has its gradients already.
class Cancelling final : public CpuBackend {
 public:
  explicit Cancelling(std::atomic<bool>* flag) : CpuBackend(2), flag_(flag) {}
  void rope_backward(Activation* dx, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) override {
    if (--left == 0) *flag_ = true;
    CpuBackend::rope_backward(dx, rope, packing, heads, D);
  }
  int64_t left = 0;  // turns until the one that cancels: two in each block

 private:
  std::atomic<bool>* flag_;
};

}  // namespace

TEST_CASE("two passes: a failure in either leaves the gradients of both as they were") {
  std::atomic<bool> cancel = false;
  auto made = std::make_unique<Cancelling>(&cancel);
  Cancelling& backend = *made;
  Twins twins(make_model(tiny_gguf({}), std::move(made)));
  twins.two_passes(1);
  const auto actor = flat(twins.adapter->tensors(true)), critic = flat(twins.own->tensors(true));
  PolicyOptions options;
  options.value = {twins.own.get(), 1, 0};
  const auto code = [&](const OwnedBatch& batch, int64_t turns = 0) {
    backend.left = turns;
    const Thrown t = thrown([&] { twins.adapter->accumulate_policy(batch.view(), options, &cancel); });
    cancel = false;
    CHECK(flat(twins.adapter->tensors(true)) == actor);
    CHECK(flat(twins.own->tensors(true)) == critic);
    return t.code;
  };
  const int64_t turns = 2 * TinyShape().layers;  // of a backward pass
  CHECK(code(twins.batch, 1) == "interrupted");
  CHECK(code(twins.batch, turns) == "interrupted");      // between the two passes
  CHECK(code(twins.batch, turns + 1) == "interrupted");  // the policy's is complete
  OwnedBatch far = twins.batch;
  far.old_logprobs[7] = -2000;  // a ratio that overflows
  CHECK(code(far) == "not_finite");
  OwnedBatch huge = twins.batch;
  for (float& r : huge.returns) r = 3e38f;
  options.value.normalizer = 1e-30;  // the critic's gradients overflow, the actor's do not
  CHECK(code(huge) == "not_finite");
}

TEST_CASE("a failed or cancelled pass leaves the gradients of both as they were") {
  std::atomic<bool> cancel = false;
  auto made = std::make_unique<Cancelling>(&cancel);
  Cancelling& backend = *made;
  Twins twins(make_model(tiny_gguf({}), std::move(made)));
  twins.combined(1);
  const auto actor = flat(twins.adapter->tensors(true)), head = flat(twins.shared->tensors(true));
  PolicyOptions options;
  options.value = {twins.shared.get(), 1, 1};
  const auto code = [&](const OwnedBatch& batch) {
    const Thrown t = thrown([&] { twins.adapter->accumulate_policy(batch.view(), options, &cancel); });
    CHECK(flat(twins.adapter->tensors(true)) == actor);
    CHECK(flat(twins.shared->tensors(true)) == head);
    return t.code;
  };
  backend.left = 1;  // the head and the last layer have theirs already
  CHECK(code(twins.batch) == "interrupted");
  cancel = false;
  OwnedBatch far = twins.batch;
  far.old_logprobs[7] = -2000;  // a ratio that overflows is found after the backward pass
  CHECK(code(far) == "not_finite");
  // The actor's gradients are finite, the head's are not: neither joins.
  options.value = {twins.shared.get(), 1e-30, 0};
  OwnedBatch huge = twins.batch;
  for (float& r : huge.returns) r = 3e38f;
  CHECK(code(huge) == "not_finite");
  // The head's are finite, those through the trunk are not.
  options.value = {twins.shared.get(), 1, 3e38f};
  for (float& r : huge.returns) r = 1e9f;
  CHECK(code(huge) == "not_finite");
}
