// Choices among a few tokens, through the engine: their log-probs and the gradient of their loss against a sequence for
// each alternative, whose log-probs are of the whole vocabulary; beside other losses in one pass. PyTorch's word on
// them is in pytorch_test, what is refused in choices_errors_test.
#include <doctest/doctest.h>

#include "backends.h"
#include "bench/random_gguf.h"
#include "choices.h"
#include "directions.h"
#include "offloading_backend.h"
#include "support.h"
#include "tiny_model.h"

using namespace spark;
using namespace spark_test;

namespace {

// Between the two ways in fp32. A logit is a sum of C terms either way; those of the whole vocabulary lose a bit more
// where the log of their sum is taken off. Gradients add their terms per sequence, in another order (nested_states_test
// derives the same two).
constexpr double kForward = 2e-6, kGradients = 1e-5;
// The same where attention is nearly even, as in models of random weights: gradients of q and k are small differences
// there, ds_j = p_j (dp_j - Σ p dp), and what rounding leaves of them depends on the order of every sum before: on the
// wide model 1.2e-5 to 2.7e-5 of the largest by level of vectors, on the quantised fixtures 7.4e-6 to 1.1e-5.
constexpr double kEvenAttention = 6e-5;

std::vector<float> sum(std::vector<float> a, const std::vector<float>& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

// The choices of `batch` against a sequence for each alternative.
void check_against_sequences(const Chooser& chooser, double forward, double gradients) {
  const OwnedBatch& batch = chooser.batch;
  const OwnedBatch each = one_sequence_each(batch);
  const auto whole = chooser.model->logprobs(each.view(), chooser.adapter.get(), nullptr);
  const std::vector<double> expected = among_themselves(batch, each, whole);  // (J)
  CHECK(distance(chooser.logprobs(batch), expected) < forward);
  const AccumulateMetrics metrics = chooser.accumulate(batch);
  CHECK(metrics.tokens == 0);
  REQUIRE(metrics.choices);
  CHECK(metrics.choices->groups == static_cast<int64_t>(batch.choice_positions.size()));
  CHECK(metrics.choices->loss_sum == doctest::Approx(chooser.loss(expected)).epsilon(forward * 4));
  CHECK(distance(metrics.choices->logprobs, expected) < forward);
  const auto got = chooser.adapter->tensors(true);
  chooser.adapter->zero_grad();
  chooser.adapter->accumulate(each.view(), slopes_of_each(batch, each, expected), nullptr);
  const auto wanted = chooser.adapter->tensors(true);
  chooser.adapter->zero_grad();
  for (size_t i = 0; i < wanted.size(); ++i) {
    CAPTURE(wanted[i].name);
    CHECK(distance(wanted[i].data, std::vector<float>(wanted[i].data.size())) > 0.5);  // not all zero
    CHECK(distance(got[i].data, wanted[i].data) < gradients);
  }
}

// Fewer values unpacked, and fewer logits made, at a time: 128 rows, the fewest.
class FewLogits final : public CpuBackend {
 public:
  FewLogits() : CpuBackend(2) {}
  int64_t logits_per_chunk() const override { return 1; }
};

}  // namespace

TEST_CASE("a choice says and learns what a sequence for each alternative does") {
  each_tested_once(true, [](const TestedBackend& tested) {
    const bool f32 = tested.make()->compute() == Compute::F32;
    // In bf16 the way over the vocabulary rounds its gradients of logits, whose large parts cancel among a choice's
    // sequences.
    const double forward = f32 ? kForward : tested.tolerance.activations;
    const double gradients = f32 ? kGradients : 4 * tested.tolerance.activations;
    const Chooser chooser(make_model(tiny_gguf({}), tested.make()),
                          tested.slow ? std::vector<int>{7, 4} : kChooserLengths);
    check_against_sequences(chooser, forward, gradients);
  });
}

TEST_CASE("output projections of every sort, of their own or the embedding's") {
  for (const bool tied : {true, false}) {
    CAPTURE(tied);
    TinyShape shape;
    shape.tied = tied;
    check_against_sequences(Chooser(tiny_model(shape)), kForward, kGradients);
    bench::Shape large = bench::find_shape("30m");  // 256 divides its rows
    large.L = 1, large.V = 256, large.F = 512, large.tied = tied;
    for (const char* type : {"bf16", "Q8_0", "Q4_K", "Q4_K_M"}) {
      CAPTURE(type);
      const auto file = std::make_shared<bench::RandomGguf>(large, type, 1);
      const Chooser chooser(make_model(file, std::make_unique<CpuBackend>(2)), {7, 4});
      check_against_sequences(chooser, kForward, kEvenAttention);
    }
  }
  for (const char* name : {"f16", "q4_k", "q6_k"}) {
    CAPTURE(name);
    ModelOptions options;
    options.path = std::string(SPARK_FIXTURES) + "/quantised/" + name + ".gguf";
    options.backend = "cpu", options.threads = 2;
    check_against_sequences(Chooser(Model::open(options), {7, 4}), kForward, kEvenAttention);
  }
}

TEST_CASE("the gradient of choices is the slope of their loss") {
  const TemporaryDirectory folder;
  for (const bool tied : {true, false}) {
    CAPTURE(tied);
    TinyShape shape;
    shape.tied = tied;
    const Chooser chooser(tiny_model(shape));
    check_direction(
        *chooser.adapter, [&] { return chooser.accumulate(chooser.batch).choices->loss_sum; }, folder.file("state"));
  }
}

TEST_CASE("a choice in a sequence is the choice at the end of what leads to it, in any order of sequences") {
  const Chooser chooser(tiny_model());
  const OwnedBatch& batch = chooser.batch;
  OwnedBatch turned;  // the last choice first, each a sequence of its own
  for (size_t g = batch.choice_positions.size(); g-- > 0;) {
    const int32_t position = batch.choice_positions[g];
    const int32_t first = *(std::upper_bound(batch.cu_seqlens.begin(), batch.cu_seqlens.end(), position) - 1);
    turned.tokens.insert(turned.tokens.end(), batch.tokens.begin() + first, batch.tokens.begin() + position + 1);
    turned.cu_seqlens.push_back(static_cast<int32_t>(turned.tokens.size()));
    turned.choice_positions.push_back(turned.cu_seqlens.back() - 1);
    const auto begin = batch.choice_offsets[g], end = batch.choice_offsets[g + 1];
    const auto copy = [&](auto& to, const auto& from) {
      to.insert(to.end(), from.begin() + begin, from.begin() + end);
    };
    copy(turned.choice_tokens, batch.choice_tokens);
    copy(turned.choice_targets, batch.choice_targets);
    if (turned.choice_offsets.empty()) turned.choice_offsets = {0};
    turned.choice_offsets.push_back(static_cast<int32_t>(turned.choice_tokens.size()));
  }
  turned.loss_mask.assign(turned.tokens.size(), 0);
  const auto lp = chooser.logprobs(batch), apart = chooser.logprobs(turned);
  std::vector<float> back;
  for (size_t g = batch.choice_positions.size(); g-- > 0;) {
    back.insert(back.end(), apart.begin() + turned.choice_offsets[g], apart.begin() + turned.choice_offsets[g + 1]);
  }
  CHECK(distance(back, lp) < kForward);
  CHECK(distance(chooser.gradients(turned), chooser.gradients(batch)) < kGradients);
}

TEST_CASE("choices in several chunks are the same choices") {
  const TemporaryDirectory folder;
  const std::string state = folder.file("state");  // of one adapter for both: AdamW magnifies rounding
  std::vector<float> lp, gradients;
  for (const bool few : {false, true}) {
    std::unique_ptr<Backend> backend = std::make_unique<CpuBackend>(2);
    if (few) backend = std::make_unique<FewLogits>();
    Chooser chooser(make_model(tiny_gguf({}), std::move(backend)), {90, 60});
    CHECK(chooser.batch.choice_tokens.size() > 2 * 128);
    if (few) {
      chooser.adapter->load_state(state);
      CHECK(chooser.logprobs(chooser.batch) == lp);
      CHECK(chooser.gradients(chooser.batch) == gradients);
    } else {
      chooser.adapter->save_state(state);
      lp = chooser.logprobs(chooser.batch), gradients = chooser.gradients(chooser.batch);
    }
  }
}

TEST_CASE("a choice of all tokens is the log-prob of each") {
  const Chooser chooser(tiny_model());
  OwnedBatch batch = tiny_batch({12}, kChooserVocabulary);
  batch.loss_mask.assign(12, 1), batch.loss_mask[0] = 0;
  std::vector<int32_t> positions(11);
  std::iota(positions.begin(), positions.end(), 0);
  add_choices(batch, positions, std::vector<int>(11, kChooserVocabulary), kChooserVocabulary);
  const auto lp = chooser.model->logprobs(batch.view(), chooser.adapter.get(), nullptr);
  const auto choices = chooser.logprobs(batch);
  std::vector<float> own;
  for (size_t i = 1; i < 12; ++i) {
    const auto begin = batch.choice_tokens.begin() + static_cast<int64_t>(i - 1) * kChooserVocabulary;
    const auto at = std::find(begin, begin + kChooserVocabulary, batch.tokens[i]) - batch.choice_tokens.begin();
    own.push_back(choices[static_cast<size_t>(at)]);
  }
  CHECK(distance(own, std::vector<float>(lp.begin() + 1, lp.end())) < kForward);
}

TEST_CASE("one pass for a policy, values and choices is the sum of its parts") {
  each_tested_once(true, [](const TestedBackend& tested) {
    const double tolerance = tested.tolerance.activations * 4;
    const Chooser chooser(make_model(tiny_gguf({}), tested.make()),
                          tested.slow ? std::vector<int>{9, 7} : kChooserLengths);
    Adapter& adapter = *chooser.adapter;
    CriticOptions over;
    over.hidden = 9, over.seed = 5, over.trunk = chooser.adapter;
    const auto critic = chooser.model->create_critic(over);
    OwnedBatch all = tiny_batch(tested.slow ? std::vector<int>{9, 7} : kChooserLengths, kChooserVocabulary);
    critic->accumulate_value(all.view(), 1, nullptr);
    critic->optimizer_step({.learning_rate = 0.05f});
    PolicyOptions options;
    options.normalizer = all.loss_tokens();
    options.value = {critic.get(), static_cast<double>(all.returns.size()), 0.5f};
    const PolicyMetrics policy = adapter.accumulate_policy(all.view(), options, nullptr);
    CHECK_FALSE(policy.choices);
    const auto without = take_gradients(adapter), head = take_gradients(*critic);
    const auto choices = chooser.gradients(chooser.batch);
    const auto lp = chooser.logprobs(chooser.batch);
    add_many_choices(all, kChooserVocabulary);
    const PolicyMetrics both = adapter.accumulate_policy(all.view(), options, nullptr);
    CHECK(both.clip_loss_sum == doctest::Approx(policy.clip_loss_sum).epsilon(tolerance));
    CHECK(both.value->loss_sum == doctest::Approx(policy.value->loss_sum).epsilon(tolerance));
    REQUIRE(both.choices);
    CHECK(distance(both.choices->logprobs, lp) < tolerance);
    CHECK(distance(take_gradients(adapter), sum(without, choices)) < tolerance);
    CHECK(distance(take_gradients(*critic), head) < tolerance);
    if (tested.slow) return;
    options.value = {}, options.step_ratio = true;
    const auto by_steps = [&](const OwnedBatch& b) {
      adapter.accumulate_policy(b.view(), options, nullptr);
      return take_gradients(adapter);
    };
    const auto steps = by_steps(tiny_batch(kChooserLengths, kChooserVocabulary));
    CHECK(distance(by_steps(all), sum(steps, choices)) < tolerance);
    const SftMetrics sft = adapter.accumulate_sft(tiny_batch(kChooserLengths, kChooserVocabulary).view(), 7, nullptr);
    const auto likelihood = take_gradients(adapter);
    const SftMetrics joined = adapter.accumulate_sft(all.view(), 7, nullptr);
    CHECK(joined.loss_sum == doctest::Approx(sft.loss_sum).epsilon(tolerance));
    CHECK(joined.choices->loss_sum == doctest::Approx(both.choices->loss_sum).epsilon(tolerance));
    CHECK(distance(take_gradients(adapter), sum(likelihood, choices)) < tolerance);
  });
}

TEST_CASE("log-probs, values and choices come at once, of one pass or of two") {
  class Counting final : public CpuBackend {
   public:
    explicit Counting(int64_t* passes) : CpuBackend(2), passes_(passes) {}
    void rope_forward(Activation* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) override {
      ++*passes_;
      CpuBackend::rope_forward(x, rope, packing, heads, D);
    }

   private:
    int64_t* passes_;
  };
  int64_t turns = 0;
  const Chooser chooser(make_model(tiny_gguf({}), std::make_unique<Counting>(&turns)));
  OwnedBatch all = tiny_batch(kChooserLengths, kChooserVocabulary);
  const auto policy = chooser.model->logprobs(all.view(), chooser.adapter.get(), nullptr);
  const auto lp = chooser.logprobs(chooser.batch);
  add_many_choices(all, kChooserVocabulary);
  CHECK(chooser.model->logprobs(all.view(), chooser.adapter.get(), nullptr) == policy);
  CHECK(chooser.logprobs(all) == lp);
  CriticOptions over;
  over.hidden = 9, over.trunk = chooser.adapter;
  const int64_t once = 2 * TinyShape().layers;  // turns of q and k
  for (const bool shared : {true, false}) {
    CAPTURE(shared);
    if (!shared) over.trunk = nullptr;
    const auto critic = chooser.model->create_critic(over);
    const auto values = critic->values(all.view(), nullptr);
    turns = 0;
    const auto got = chooser.model->logprobs_and_values(all.view(), chooser.adapter.get(), *critic, nullptr);
    CHECK(turns == (shared ? once : 2 * once));
    CHECK(distance(got.logprobs, policy) < kForward);
    CHECK(distance(got.choices, lp) < kForward);
    CHECK(got.values.size() == values.size());
  }
  turns = 0;
  chooser.logprobs(all);
  CHECK(turns == once);
  turns = 0;
  chooser.accumulate(all, 0.1f);
  CHECK(turns == once);
}

TEST_CASE("choices are read where they have targets, and none are nothing to do") {
  const Chooser chooser(tiny_model());
  OwnedBatch untargeted = chooser.batch;
  untargeted.choice_targets.clear();
  CHECK(chooser.logprobs(untargeted) == chooser.logprobs(chooser.batch));
  CHECK_FALSE(chooser.accumulate(untargeted).choices);
  CHECK(sum_of_squares(chooser.adapter->tensors(true)) == 0);
  OwnedBatch zeros = chooser.batch;
  zeros.choice_targets.assign(zeros.choice_targets.size(), 0);
  CHECK(chooser.accumulate(zeros).choices->loss_sum == 0);
  CHECK(sum_of_squares(chooser.adapter->tensors(true)) == 0);
  OwnedBatch none = chooser.batch;
  drop_choices(none);
  CHECK(chooser.logprobs(none).empty());
  none.choice_offsets = {0};
  CHECK(chooser.logprobs(none).empty());
  CHECK_FALSE(chooser.accumulate(none).choices);
  CHECK(chooser.logprobs(OwnedBatch()).empty());
}

TEST_CASE("whatever is computed again, choices change no bit") {
  std::vector<float> expected;
  for (const char* recompute : {"none", "cheap", "block", "offload"}) {
    CAPTURE(recompute);
    ModelOptions options;
    options.recompute = recompute;
    const Chooser chooser(make_model(tiny_gguf({}), std::make_unique<OffloadingCpu>(true), options));
    const auto gradients = chooser.gradients(chooser.batch);
    if (expected.empty()) expected = gradients;
    CHECK(gradients == expected);
  }
}
