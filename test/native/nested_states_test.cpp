// States nest: s_t is a prefix of s_t+1. So one packed pass over a trajectory must give what the step-by-step
// computation gives, where every state with its action is a sequence of its own, only that action's tokens carry a
// loss, and the value is read at the last token of s_t. Random trajectories, many shapes: log-probs, values and
// gradients of every objective.
#include <doctest/doctest.h>

#include <random>

#include "support.h"
#include "tiny_model.h"

using namespace spark;
using namespace spark_test;

namespace {

// Both sides compute the same sums in fp32. A row of the forward pass does not depend on the rows packed beside it, so
// log-probs and values come out equal to the bit on this machine (200 trajectories); another library may choose its
// kernel by the number of rows, hence not 0 here. A weight's gradient adds its terms per sequence instead of per
// trajectory, in another order: 2.4e-6 of the largest entry, worst of the same 200.
constexpr double kForward = 2e-6, kGradients = 1e-5;

struct Span {
  size_t state_end, end;  // the step's own tokens are [state_end, end)
};

struct Trajectory {
  OwnedBatch whole;  // one sequence
  std::vector<Span> steps;
};

Trajectory random_trajectory(uint32_t seed, int64_t vocabulary) {
  std::mt19937 random(seed);
  const auto between = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  std::normal_distribution<float> normal;
  Trajectory out;
  OwnedBatch& b = out.whole;
  const int count = between(1, 5);
  for (int t = 0; t < count; ++t) {
    const float advantage = normal(random);
    const int state = t == 0 ? between(1, 80) : between(0, 20), own = between(1, 25);  // an observation may be empty
    for (int i = 0; i < state + own; ++i) {
      b.tokens.push_back(between(0, static_cast<int>(vocabulary) - 1));
      b.loss_mask.push_back(i >= state);
      b.step_ids.push_back(t);
      b.advantages.push_back(advantage);
    }
    const size_t end = b.tokens.size();
    out.steps.push_back({end - static_cast<size_t>(own), end});
    b.value_positions.push_back(static_cast<int32_t>(end) - own - 1);
    b.returns.push_back(normal(random));
  }
  b.cu_seqlens = {0, static_cast<int32_t>(b.tokens.size())};
  return out;
}

// Old and reference log-probs around the present ones, so that some ratios are clipped and some are not.
void draw_policies(OwnedBatch& b, const std::vector<float>& now, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (const float lp : now) {
    b.old_logprobs.push_back(lp + 0.3f * normal(random));
    b.ref_logprobs.push_back(lp + 0.4f * normal(random));
  }
}

// Every state with its action as a sequence of its own.
OwnedBatch step_by_step(const Trajectory& trajectory) {
  const OwnedBatch& whole = trajectory.whole;
  OwnedBatch out;
  for (size_t t = 0; t < trajectory.steps.size(); ++t) {
    const Span step = trajectory.steps[t];
    const size_t start = out.tokens.size();
    const auto copy = [&](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.begin() + step.end); };
    copy(out.tokens, whole.tokens);
    copy(out.step_ids, whole.step_ids);
    copy(out.advantages, whole.advantages);
    copy(out.old_logprobs, whole.old_logprobs);
    copy(out.ref_logprobs, whole.ref_logprobs);
    out.loss_mask.resize(start + step.end, 0);
    std::fill(out.loss_mask.begin() + start + step.state_end, out.loss_mask.end(), uint8_t{1});
    out.cu_seqlens.push_back(static_cast<int32_t>(out.tokens.size()));
    out.value_positions.push_back(static_cast<int32_t>(start) + whole.value_positions[t]);
    out.returns.push_back(whole.returns[t]);
  }
  return out;
}

// The entries of tokens that carry a loss, in order: the same tokens in both forms.
std::vector<float> own_tokens(const std::vector<float>& values, const OwnedBatch& b) {
  std::vector<float> out;
  for (size_t i = 0; i < values.size(); ++i)
    if (b.loss_mask[i]) out.push_back(values[i]);
  return out;
}

template <class Accumulate>
void check_gradients(Trainable& trainable, const char* objective, const OwnedBatch& whole, const OwnedBatch& steps,
                     Accumulate accumulate) {
  CAPTURE(objective);
  trainable.zero_grad();
  const double loss = accumulate(whole);
  const auto expected = trainable.tensors(true);
  trainable.zero_grad();
  CHECK(accumulate(steps) == doctest::Approx(loss).epsilon(1e-5));
  const auto got = trainable.tensors(true);
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(expected[i].name);
    CHECK(distance(expected[i].data, std::vector<float>(expected[i].data.size())) > 0.5);  // none is all zeros
    CHECK(distance(got[i].data, expected[i].data) < kGradients);
  }
  trainable.zero_grad();
}

// A trained adapter and critic: with B = 0 half of the gradients vanish, with w2 = 0 every value.
struct Trained {
  std::shared_ptr<Model> model;
  std::shared_ptr<Adapter> adapter;
  std::shared_ptr<Critic> critic;

  explicit Trained(const TinyShape& shape) : model(tiny_model(shape)) {
    const OwnedBatch batch = tiny_batch({40, 21}, shape.vocabulary);
    LoraOptions lora;
    lora.rank = 3, lora.alpha = 6, lora.seed = 3;
    adapter = model->create_adapter(lora);
    CriticOptions options;
    options.rank = 3, options.hidden = 9, options.seed = 5;
    critic = model->create_critic(options);
    for (int i = 0; i < 3; ++i) {
      adapter->accumulate_sft(batch.view(), batch.loss_tokens(), nullptr);
      adapter->optimizer_step({.learning_rate = 0.03f});
      critic->accumulate_value(batch.view(), static_cast<double>(batch.returns.size()), nullptr);
      critic->optimizer_step({.learning_rate = 0.05f});
    }
  }
};

void check_trajectory(const Trained& trained, uint32_t seed, int64_t vocabulary) {
  CAPTURE(seed);
  Trajectory trajectory = random_trajectory(seed, vocabulary);
  OwnedBatch& whole = trajectory.whole;
  const auto lp = trained.model->logprobs(whole.view(), trained.adapter.get(), nullptr);
  draw_policies(whole, lp, seed);
  const OwnedBatch steps = step_by_step(trajectory);

  const auto apart = trained.model->logprobs(steps.view(), trained.adapter.get(), nullptr);
  CHECK(distance(own_tokens(apart, steps), own_tokens(lp, whole)) < kForward);
  const auto values = trained.critic->values(whole.view(), nullptr);
  CHECK(values.size() == trajectory.steps.size());
  CHECK(distance(trained.critic->values(steps.view(), nullptr), values) < kForward);

  const double n = whole.loss_tokens(), t = static_cast<double>(whole.returns.size());
  check_gradients(*trained.adapter, "sft", whole, steps,
                  [&](const OwnedBatch& b) { return trained.adapter->accumulate_sft(b.view(), n, nullptr).loss_sum; });
  for (const bool step_ratio : {false, true}) {
    PolicyOptions options;
    options.normalizer = n, options.step_ratio = step_ratio;
    check_gradients(*trained.adapter, step_ratio ? "step ratio" : "token ratio", whole, steps,
                    [&](const OwnedBatch& b) {
                      const PolicyMetrics m = trained.adapter->accumulate_policy(b.view(), options, nullptr);
                      return m.ratio_sum + m.kl_loss_sum;
                    });
  }
  check_gradients(*trained.critic, "critic", whole, steps,
                  [&](const OwnedBatch& b) { return trained.critic->accumulate_value(b.view(), t, nullptr).loss_sum; });
}

}  // namespace

TEST_CASE("one pass over a trajectory equals the step-by-step computation") {
  // clang-format off
  const TinyShape shapes[] = {
      {},
      {.width = 32, .layers = 1, .heads = 2, .kv_heads = 2, .head_size = 16, .feed_forward = 24, .vocabulary = 33, .tied = false},
      {.width = 20, .layers = 3, .heads = 6, .kv_heads = 3, .head_size = 4, .feed_forward = 36, .vocabulary = 70},
      {.width = 40, .layers = 2, .heads = 5, .kv_heads = 1, .head_size = 10, .feed_forward = 17, .vocabulary = 61, .tied = false},
  };
  // clang-format on
  uint32_t seed = 0;
  for (const TinyShape& shape : shapes) {
    CAPTURE(shape.width);
    const Trained trained(shape);
    for (int i = 0; i < 8; ++i) check_trajectory(trained, ++seed, shape.vocabulary);
  }
}
