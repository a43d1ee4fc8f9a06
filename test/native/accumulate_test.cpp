// accumulate: the gradient of a caller's own loss by way of its slopes, dlp. Against differences of such losses,
// against the objectives that have their slopes from the engine, and what it refuses. PyTorch's word on two such losses
// is in test/examples.
#include <doctest/doctest.h>

#include <atomic>
#include <cmath>
#include <limits>

#include "backends.h"
#include "cancelling_backend.h"
#include "directions.h"
#include "offloading_backend.h"
#include "ops/objective.h"
#include "support.h"
#include "tiny_model.h"

using namespace spark;
using namespace spark_test;

namespace {

constexpr int64_t kVocabulary = 50;
const std::vector<int> kLengths = {17, 1, 9, 40};

std::vector<float> flat(const std::vector<NamedTensor>& tensors) {
  std::vector<float> all;
  for (const NamedTensor& tensor : tensors) all.insert(all.end(), tensor.data.begin(), tensor.data.end());
  return all;
}

std::vector<float> take_gradients(Adapter& adapter) {
  const auto all = flat(adapter.tensors(true));
  adapter.zero_grad();
  return all;
}

// An adapter with a batch to learn from; nothing is zero.
struct Actor {
  std::shared_ptr<Model> model;
  OwnedBatch batch = tiny_batch(kLengths, kVocabulary);
  std::shared_ptr<Adapter> adapter = model->create_adapter(small_lora());
  double n = batch.loss_tokens();

  explicit Actor(std::shared_ptr<Model> opened) : model(std::move(opened)) { stir(*adapter, batch); }
  std::vector<float> logprobs() const { return model->logprobs(batch.view(), adapter.get(), nullptr); }
  AccumulateMetrics accumulate(const std::vector<float>& dlp) const {
    return adapter->accumulate(batch.view(), dlp, nullptr);
  }
};

// A loss and its slopes, dlp (N).
struct OwnLoss {
  double loss = 0;
  std::vector<float> dlp;
};

// Of two sorts at once, neither of them the engine's: of each sequence the logistic loss of its summed log-prob, as in
// DPO, −log σ(s (S − c)) with s turning from sequence to sequence; of each token a quartic penalty.
OwnLoss own_loss(const std::vector<float>& lp, const OwnedBatch& b) {
  OwnLoss own{0, std::vector<float>(lp.size(), 0.0f)};
  for (size_t q = 0; q + 1 < b.cu_seqlens.size(); ++q) {
    const auto first = static_cast<size_t>(b.cu_seqlens[q]), last = static_cast<size_t>(b.cu_seqlens[q + 1]);
    double sum = 0, tokens = 0;
    for (size_t i = first; i < last; ++i) sum += lp[i], tokens += b.loss_mask[i];
    const double sign = q % 2 ? -0.3 : 0.3, margin = sign * (sum + 4 * tokens);
    own.loss += std::log1p(std::exp(-margin));
    for (size_t i = first; i < last; ++i) {
      if (!b.loss_mask[i]) continue;
      const double off = static_cast<double>(lp[i]) - b.ref_logprobs[i];
      own.loss += 0.002 * off * off * off * off;
      own.dlp[i] = static_cast<float>(-sign / (1 + std::exp(margin)) + 0.008 * off * off * off);
    }
  }
  return own;
}

// The slopes of the engine's own actor loss, computed here from the log-probs.
std::vector<float> policy_slopes(const std::vector<float>& lp, const OwnedBatch& b, const PolicyOptions& options) {
  std::vector<float> dlp(lp.size(), 0.0f);
  for (size_t i = 0; i < lp.size(); ++i) {
    if (!b.loss_mask[i]) continue;
    const double ratio = std::exp(static_cast<double>(lp[i]) - b.old_logprobs[i]);
    double slope = policy_clip_slope(ratio, b.advantages[i], options.clip);
    slope += policy_kl_slope(lp[i], b.ref_logprobs[i], options.kl_coefficient);
    dlp[i] = static_cast<float>(slope * (1.0 / options.normalizer));
  }
  return dlp;
}

// f(tested, actor) on every backend; the op suite looks at orders.
template <class F>
void each_actor(F&& f) {
  each_tested_once(true,
                   [&](const TestedBackend& tested) { f(tested, Actor(make_model(tiny_gguf({}), tested.make()))); });
}

}  // namespace

TEST_CASE("the gradient of a caller's own loss is the slope of that loss") {
  const TemporaryDirectory folder;
  for (const bool tied : {true, false}) {
    CAPTURE(tied);
    TinyShape shape;
    shape.tied = tied;
    const Actor actor(tiny_model(shape));
    const auto loss = [&] {
      const OwnLoss own = own_loss(actor.logprobs(), actor.batch);
      CHECK(actor.accumulate(own.dlp).tokens == static_cast<int64_t>(actor.n));
      return own.loss;
    };
    check_direction(*actor.adapter, loss, folder.file("state"));
  }
}

TEST_CASE("one slope everywhere is SFT, bit by bit") {
  each_actor([](const TestedBackend&, const Actor& actor) {
    const SftMetrics sft = actor.adapter->accumulate_sft(actor.batch.view(), actor.n, nullptr);
    const auto expected = take_gradients(*actor.adapter);
    CHECK(distance(expected, std::vector<float>(expected.size())) > 1e20);  // not all zero
    const std::vector<float> dlp(actor.batch.tokens.size(), static_cast<float>(-1 / actor.n));
    const AccumulateMetrics own = actor.accumulate(dlp);
    CHECK(take_gradients(*actor.adapter) == expected);
    CHECK(own.tokens == sft.tokens);
    double sum = 0;
    for (const float lp : own.logprobs) sum -= lp;
    CHECK(sum == sft.loss_sum);
    // and it is what it says: minus the slope is minus the gradient
    std::vector<float> turned = dlp;
    for (float& x : turned) x = -x;
    actor.accumulate(turned);
    std::vector<float> negative = expected;
    for (float& x : negative) x = -x;
    CHECK(distance(take_gradients(*actor.adapter), negative) < 1e-6);
  });
}

TEST_CASE("the actor's slopes give the actor's gradient") {
  each_actor([](const TestedBackend& tested, const Actor& actor) {
    PolicyOptions options;
    options.normalizer = actor.n;
    const PolicyMetrics policy = actor.adapter->accumulate_policy(actor.batch.view(), options, nullptr);
    CHECK(policy.clipped_count > 0);
    const auto expected = take_gradients(*actor.adapter);
    actor.accumulate(policy_slopes(actor.logprobs(), actor.batch, options));
    const auto got = take_gradients(*actor.adapter);
    // A device has an exponential of its own: a slope's last bit may differ, and what is rounded to bf16 after it.
    if (tested.name == "cuda") {
      CHECK(distance(got, expected) < tested.tolerance.activations);
    } else {
      CHECK(got == expected);
    }
  });
}

TEST_CASE("it says the log-probs of its pass: those of `logprobs`, 0 where there is no loss") {
  each_actor([](const TestedBackend& tested, const Actor& actor) {
    const auto got = actor.accumulate(std::vector<float>(actor.batch.tokens.size(), 0.1f)).logprobs;
    if (tested.name == "cuda") {  // whose library may choose another product for a buffer that lies elsewhere
      CHECK(distance(got, actor.logprobs()) < tested.tolerance.activations);
    } else {
      CHECK(got == actor.logprobs());
    }
  });
}

TEST_CASE("calls over parts of a batch add up, and add to what is there") {
  const Actor actor(tiny_model());
  const std::vector<float> dlp = own_loss(actor.logprobs(), actor.batch).dlp;
  actor.accumulate(dlp);
  const auto once = flat(actor.adapter->tensors(true));
  actor.accumulate(dlp);
  std::vector<float> twice = once;
  for (float& x : twice) x *= 2;
  CHECK(take_gradients(*actor.adapter) == twice);  // doubling is exact
  for (const bool odd : {false, true}) {
    OwnedBatch part = actor.batch;
    for (size_t i = 0; i < part.loss_mask.size(); ++i) part.loss_mask[i] &= static_cast<uint8_t>((i % 2) == odd);
    actor.adapter->accumulate(part.view(), dlp, nullptr);
  }
  CHECK(distance(take_gradients(*actor.adapter), once) < 5e-6);  // sums of a hundred terms in another order
}

TEST_CASE("a slope of 0 is as good as no loss, and what no loss reads may be anything") {
  const Actor actor(tiny_model());
  std::vector<float> dlp = own_loss(actor.logprobs(), actor.batch).dlp;
  OwnedBatch fewer = actor.batch;
  for (size_t i = 0; i < dlp.size(); i += 3) dlp[i] = 0, fewer.loss_mask[i] = 0;
  actor.accumulate(dlp);
  const auto zeros = take_gradients(*actor.adapter);
  for (size_t i = 0; i < dlp.size(); i += 3) dlp[i] = std::numeric_limits<float>::quiet_NaN();
  actor.adapter->accumulate(fewer.view(), dlp, nullptr);
  CHECK(distance(take_gradients(*actor.adapter), zeros) < 5e-6);
  actor.accumulate(std::vector<float>(dlp.size(), 0.0f));
  CHECK(sum_of_squares(actor.adapter->tensors(true)) == 0);
}

TEST_CASE("slopes belong to their tokens in every chunk of logits") {
  class FewLogits final : public CpuBackend {
   public:
    FewLogits() : CpuBackend(2) {}
    int64_t logits_per_chunk() const override { return 1; }  // 128 rows: the fewest
  };
  const OwnedBatch batch = tiny_batch({200, 150}, kVocabulary);
  CHECK(batch.loss_tokens() > 128);
  const TemporaryDirectory folder;
  const std::string state = folder.file("state");  // of one adapter for both: AdamW magnifies rounding
  std::vector<std::vector<float>> expected;
  for (const bool few : {false, true}) {
    CAPTURE(few);
    std::unique_ptr<Backend> backend = std::make_unique<CpuBackend>(2);
    if (few) backend = std::make_unique<FewLogits>();
    const auto model = make_model(tiny_gguf({}), std::move(backend));
    const auto adapter = model->create_adapter(small_lora());
    if (few) {
      adapter->load_state(state);
    } else {
      stir(*adapter, batch);
      adapter->save_state(state);
    }
    const auto lp = model->logprobs(batch.view(), adapter.get(), nullptr);
    adapter->accumulate(batch.view(), own_loss(lp, batch).dlp, nullptr);
    std::vector<std::vector<float>> got = {take_gradients(*adapter)};
    for (const bool step_ratio : {false, true}) {
      PolicyOptions options;
      options.step_ratio = step_ratio;
      adapter->accumulate_policy(batch.view(), options, nullptr);
      got.push_back(take_gradients(*adapter));
    }
    if (!few) expected = got;
    for (size_t i = 0; i < got.size(); ++i) CHECK(distance(got[i], expected[i]) < 5e-6);  // sums in another order
  }
}

TEST_CASE("whatever is computed again, no bit changes") {
  std::vector<float> expected;
  for (const char* recompute : {"none", "cheap", "block", "offload"}) {
    CAPTURE(recompute);
    ModelOptions options;
    options.recompute = recompute;
    const Actor actor(make_model(tiny_gguf({}), std::make_unique<OffloadingCpu>(true), options));
    actor.accumulate(own_loss(actor.logprobs(), actor.batch).dlp);
    const auto gradients = take_gradients(*actor.adapter);
    if (expected.empty()) expected = gradients;
    CHECK(gradients == expected);
  }
}

TEST_CASE("a batch without losses, and one without sequences, is nothing to do") {
  const Actor actor(tiny_model());
  OwnedBatch none = actor.batch;
  none.loss_mask.assign(none.loss_mask.size(), 0);
  const std::vector<float> dlp(none.tokens.size(), 1.0f);
  const AccumulateMetrics m = actor.adapter->accumulate(none.view(), dlp, nullptr);
  CHECK(m.tokens == 0);
  CHECK(m.logprobs == std::vector<float>(none.tokens.size(), 0.0f));
  CHECK(actor.adapter->accumulate(OwnedBatch().view(), {}, nullptr).logprobs.empty());
  CHECK(sum_of_squares(actor.adapter->tensors(true)) == 0);
}

TEST_CASE("slopes are checked before anything is computed") {
  const Actor actor(tiny_model());
  const std::vector<float> good(actor.batch.tokens.size(), 0.1f);
  actor.accumulate(good);
  const auto before = flat(actor.adapter->tensors(true));
  const auto refused = [&](std::vector<float> dlp) {
    const Thrown t = thrown([&] { actor.accumulate(dlp); });
    CAPTURE(t.message);
    CHECK(t.code == "invalid_argument");
    CHECK(flat(actor.adapter->tensors(true)) == before);
    return t;
  };
  CHECK(refused({}).says("dlp: expected 67 values (one for each token), got 0"));
  CHECK(refused(std::vector<float>(68)).says("dlp: expected 67 values (one for each token), got 68"));
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> dlp = good;
    dlp[7] = bad;
    CHECK(refused(dlp).says("dlp[7]: expected a finite number where lossMask is 1, got " + std::to_string(bad)));
  }
  OwnedBatch bad = actor.batch;
  bad.loss_mask.pop_back();
  CHECK(thrown([&] { actor.adapter->accumulate(bad.view(), good, nullptr); }).says("batch.lossMask"));
}

TEST_CASE("a failed or cancelled call leaves the gradients as they were") {
  std::atomic<bool> cancel = false;
  auto made = std::make_unique<CancellingCpu>(&cancel);
  CancellingCpu& backend = *made;
  const Actor actor(make_model(tiny_gguf({}), std::move(made)));
  const auto code = [&](float slope) {
    const std::vector<float> dlp(actor.batch.tokens.size(), slope);
    return thrown([&] { actor.adapter->accumulate(actor.batch.view(), dlp, &cancel); }).code;
  };
  CHECK(code(0.1f) == "nothing thrown");
  const auto before = flat(actor.adapter->tensors(true));
  backend.armed = true;
  CHECK(code(0.1f) == "interrupted");
  backend.armed = false, cancel = false;
  CHECK(code(3e38f) == "not_finite");
  CHECK(flat(actor.adapter->tensors(true)) == before);
}

TEST_CASE("what does not fit is refused with numbers, and a smaller batch goes through") {
  const TinyShape wide{256, 4, 4, 2, 64, 512, 512, 4096, true};
  const auto open = [&](int64_t limit) {
    ModelOptions options;
    options.memory_limit = limit;
    return make_model(tiny_gguf(wide), std::make_unique<CpuBackend>(2), options)->create_adapter({});
  };
  const OwnedBatch batch = tiny_batch(std::vector<int>(8, 64), wide.vocabulary),
                   small = tiny_batch({64}, wide.vocabulary);
  const BatchShape shape{64, 1, 64, static_cast<int64_t>(small.loss_tokens()), 0};
  auto adapter = open(open(0)->plan(shape).total);
  const std::vector<float> dlp(batch.tokens.size(), 0.1f);
  const Thrown refused = thrown([&] { adapter->accumulate(batch.view(), dlp, nullptr); });
  CHECK(refused.code == "memory_limit");
  CHECK(refused.says("512 tokens"));
  CHECK(sum_of_squares(adapter->tensors(true)) == 0);
  CHECK(adapter->accumulate(small.view(), std::span(dlp).first(64), nullptr).tokens == shape.loss_tokens);
}
