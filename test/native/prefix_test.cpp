// What sequences begin with alike is computed once. The same batch on a backend that cannot do that must give the same
// log-probs, values and gradients, whatever is read and whatever is computed again.
#include "train/prefix.h"

#include <doctest/doctest.h>

#include <functional>
#include <random>

#include "model/projections.h"
#include "support.h"
#include "tiny_model.h"
#include "train/adapter.h"
#include "train/batch.h"
#include "train/core.h"
#include "train/trained.h"

using namespace spark;
using namespace spark_test;

namespace {

// Both sides sum the same terms in fp32, grouped otherwise: by rows that are there once, or once a sequence.
constexpr double kForward = 2e-6, kGradients = 1e-5;

// Notes how many rows it was given, and shares a prefix or not.
class Rows final : public CpuBackend {
 public:
  explicit Rows(Compute compute) : CpuBackend(2, compute) {}
  bool shares_prefix() const override { return shares; }
  void attention_forward(Activation* o, float* lse, const Activation* q, const Activation* k, const Activation* v,
                         const Packing& packing, const AttentionShape& shape) override {
    tokens = packing.tokens, prefix = packing.prefix;
    CpuBackend::attention_forward(o, lse, q, k, v, packing, shape);
  }
  bool shares = true;
  int64_t tokens = 0, prefix = 0;
};

struct Trained {
  Rows* backend;
  std::shared_ptr<Model> model;
  std::shared_ptr<Adapter> adapter;
  std::shared_ptr<Critic> own, shared;  // a critic with a LoRA of its own, one over the adapter's trunk

  Trained(const OwnedBatch& batch, const std::string& recompute, Compute compute) {
    auto made = std::make_unique<Rows>(compute);
    backend = made.get();
    ModelOptions options;
    options.recompute = recompute;
    model = make_model(tiny_gguf({.kv_heads = 2}), std::move(made), options);
    LoraOptions lora;
    lora.rank = 3, lora.alpha = 6, lora.seed = 3;
    lora.weights = lora_weights(lora, 2);
    lora.weights.push_back({kEmbeddingWeight, 3, 6});
    adapter = model->create_adapter(lora);
    CriticOptions critic;
    critic.rank = 3, critic.hidden = 9, critic.seed = 5;
    own = model->create_critic(critic);
    critic.trunk = adapter;
    shared = model->create_critic(critic);
    // So that no gradient vanishes: with B = 0 half of them do, with w2 = 0 every value.
    for (int i = 0; i < 3; ++i) {
      adapter->accumulate_sft(batch.view(), batch.loss_tokens(), nullptr);
      adapter->optimizer_step({.learning_rate = 0.03f});
      for (Critic* trained : {own.get(), shared.get()}) {
        trained->accumulate_value(batch.view(), static_cast<double>(batch.returns.size()), nullptr);
        trained->optimizer_step({.learning_rate = 0.05f});
      }
    }
  }
};

// Sequences that begin with the same `same` tokens, and lose, value and choose only behind them.
OwnedBatch batch_of(int same, const std::vector<int>& rest, int64_t vocabulary) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  const auto token = [&] { return static_cast<int32_t>(random() % static_cast<uint32_t>(vocabulary)); };
  std::vector<int32_t> first;
  for (int i = 0; i < same; ++i) first.push_back(token());
  OwnedBatch b;
  b.choice_offsets = {0};
  for (size_t s = 0; s < rest.size(); ++s) {
    for (int i = 0; i < same + rest[s]; ++i) {
      const auto at = static_cast<int32_t>(b.tokens.size());
      // The first tokens that differ do so: what is the same by chance would be shared as well.
      b.tokens.push_back(i < same ? first[static_cast<size_t>(i)] : i == same ? static_cast<int32_t>(s) : token());
      const bool acts = i > same && i % 3 == 0;
      b.loss_mask.push_back(acts);
      b.step_ids.push_back(static_cast<int32_t>(s));
      b.advantages.push_back(normal(random));
      if (i > same && i % 7 == 2) b.value_positions.push_back(at), b.returns.push_back(normal(random));
      if (i > same && i % 5 == 1) {
        b.choice_positions.push_back(at);
        for (int j = 0; j < 3; ++j) b.choice_tokens.push_back(2 * j), b.choice_targets.push_back(0.2f + 0.1f * j);
        b.choice_offsets.push_back(static_cast<int32_t>(b.choice_tokens.size()));
      }
    }
    b.cu_seqlens.push_back(static_cast<int32_t>(b.tokens.size()));
  }
  return b;
}

// Everything that a pass over the batch reads.
std::vector<float> forward(const Trained& t, const OwnedBatch& b) {
  std::vector<float> all = t.model->logprobs(b.view(), t.adapter.get(), nullptr);
  const auto append = [&](const std::vector<float>& part) { all.insert(all.end(), part.begin(), part.end()); };
  append(t.own->values(b.view(), nullptr)), append(t.shared->values(b.view(), nullptr));
  const LogprobsAndValues both = t.model->logprobs_and_values(b.view(), t.adapter.get(), *t.shared, nullptr);
  append(both.logprobs), append(both.choices), append(both.values);
  return all;
}

std::vector<NamedTensor> gradients(const Trained& t, const std::function<void(const Trained&)>& accumulate) {
  for (Trainable* trainable : {static_cast<Trainable*>(t.adapter.get()), static_cast<Trainable*>(t.own.get()),
                               static_cast<Trainable*>(t.shared.get())}) {
    trainable->zero_grad();
  }
  accumulate(t);
  std::vector<NamedTensor> all = t.adapter->tensors(true);
  for (Critic* critic : {t.own.get(), t.shared.get()})
    for (NamedTensor& tensor : critic->tensors(true)) all.push_back(std::move(tensor));
  return all;
}

// `work` with a prefix that is there once, then once a sequence.
template <class Work>
auto both_ways(const Trained& t, Work&& work) {
  t.backend->shares = true;
  auto once = work();
  CHECK(t.backend->prefix == 128);
  t.backend->shares = false;
  auto each = work();
  CHECK(t.backend->prefix == 0);
  return std::pair(std::move(once), std::move(each));
}

void check_gradients(const Trained& t, const char* objective, const std::function<void(const Trained&)>& accumulate) {
  CAPTURE(objective);
  const auto [once, each] = both_ways(t, [&] { return gradients(t, accumulate); });
  REQUIRE(once.size() == each.size());
  int moved = 0;
  for (size_t i = 0; i < once.size(); ++i) {
    CAPTURE(each[i].name);
    moved += distance(each[i].data, std::vector<float>(each[i].data.size())) > 0.5;  // not all zeros
    CHECK(distance(once[i].data, each[i].data) < kGradients);
  }
  CHECK(moved >= 5);
}

int64_t prefix_of(const OwnedBatch& b, const std::vector<int32_t>& read) { return shared_prefix(b.view(), read); }

}  // namespace

TEST_CASE("prefix: whole units that all sequences begin with, go on after, and in which nothing is read") {
  const OwnedBatch b = batch_of(150, {9, 4, 30}, 50);  // 150 tokens that are the same
  const int32_t second = b.cu_seqlens[1], third = b.cu_seqlens[2];
  CHECK(prefix_of(b, {}) == 128);
  CHECK(prefix_of(b, {128, second + 140, third + 128}) == 128);
  CHECK(prefix_of(b, {128, second + 127, third + 150}) == 64);
  CHECK(prefix_of(b, {5, second + 140}) == 0);
  CHECK(prefix_of(b, {third + 63}) == 0);
  CHECK(prefix_of(batch_of(64, {1, 1}, 50), {}) == 64);
  CHECK(prefix_of(batch_of(63, {9, 9}, 50), {}) == 0);
  CHECK(prefix_of(batch_of(150, {9}, 50), {}) == 0);
  OwnedBatch alike;  // one of them would have nothing of its own
  alike.tokens.assign(64 + 70, 3), alike.cu_seqlens = {0, 64, 134};
  CHECK(prefix_of(alike, {}) == 0);
  alike.cu_seqlens = {0, 70, 134};
  CHECK(prefix_of(alike, {}) == 0);
  alike.cu_seqlens = {0, 65, 134};
  CHECK(prefix_of(alike, {}) == 64);
}

TEST_CASE("prefix: the rows behind it lie as the sequences do") {
  const OwnedBatch b = batch_of(150, {9, 4, 30}, 50);
  const int32_t second = b.cu_seqlens[1], third = b.cu_seqlens[2];
  CHECK(rows_after(0, b.view(), std::vector<int32_t>{0, second, third}) == std::vector<int32_t>{0, second, third});
  // 128 rows of all, then 31 of the first, 26 of the second, 52 of the third
  CHECK(rows_after(128, b.view(), std::vector<int32_t>{128, second - 1, second + 128, third + 128, third + 179}) ==
        std::vector<int32_t>{128, 158, 159, 185, 236});
}

TEST_CASE("prefix: every pass is planned as it is, with the prefix once") {
  OwnedBatch b = batch_of(150, {9, 40, 3, 70}, 50);
  b.old_logprobs.resize(b.tokens.size()), b.ref_logprobs.resize(b.tokens.size());
  for (const char* recompute : {"none", "cheap", "block"}) {
    CAPTURE(recompute);
    const Trained t(b, recompute, Compute::F32);
    EngineCore& core = static_cast<LoraAdapter&>(*t.adapter).trained().core();
    const double steps = static_cast<double>(b.returns.size());
    PolicyOptions with_critic;
    with_critic.value = {t.shared.get(), steps, 1};
    const std::pair<Pass, std::function<void()>> passes[] = {
        {{Pass::Logprobs, &t.adapter->lora()}, [&] { t.model->logprobs(b.view(), t.adapter.get(), nullptr); }},
        {{Pass::Values, &t.own->lora(), 9}, [&] { t.own->values(b.view(), nullptr); }},
        {{Pass::LogprobsAndValues, &t.adapter->lora(), 9, true},
         [&] { t.model->logprobs_and_values(b.view(), t.adapter.get(), *t.shared, nullptr); }},
        {{Pass::Accumulate, &t.adapter->lora()}, [&] { t.adapter->accumulate_sft(b.view(), 1, nullptr); }},
        {{Pass::Value, &t.own->lora(), 9}, [&] { t.own->accumulate_value(b.view(), 1, nullptr); }},
        {{Pass::Policy, &t.adapter->lora(), 9, true},
         [&] { t.adapter->accumulate_policy(b.view(), with_critic, nullptr); }}};
    for (const auto& [pass, run] : passes) {
      CAPTURE(pass.kind);
      Batch read = b.view();
      // Log-probs alone and values are computed without choices.
      const bool alone = pass.kind == Pass::Logprobs || !pass.reads_logprobs();
      if (alone) read = without_choices(read);
      const BatchShape shape = shape_of(read, pass, true), whole = shape_of(read, pass, false);
      CHECK(shape.prefix == 128);
      CHECK(whole.prefix == 0);
      run();
      CHECK(core.arena.peak() <= static_cast<size_t>(core.plan(pass, shape).activations));
      CHECK(core.arena.peak() < static_cast<size_t>(core.plan(pass, whole).activations));
    }
  }
}

TEST_CASE("prefix: computed once, it changes no log-prob, value or gradient") {
  for (const char* recompute : {"none", "cheap", "block"}) {
    CAPTURE(recompute);
    OwnedBatch b = batch_of(150, {9, 40, 3, 70}, 50);
    const Trained trained(b, recompute, Compute::F32);
    CHECK(trained.backend->tokens == 128 + 4 * (150 - 128) + 9 + 40 + 3 + 70);
    const auto lp = trained.model->logprobs(b.view(), trained.adapter.get(), nullptr);
    b.old_logprobs = b.ref_logprobs = lp;
    for (size_t i = 0; i < lp.size(); ++i) b.old_logprobs[i] += i % 2 ? 0.3f : -0.2f, b.ref_logprobs[i] += 0.1f;
    const auto [once, each] = both_ways(trained, [&] { return forward(trained, b); });
    CHECK(distance(once, each) < kForward);

    const double n = b.loss_tokens(), t = static_cast<double>(b.returns.size());
    check_gradients(trained, "sft", [&](const Trained& s) { s.adapter->accumulate_sft(b.view(), n, nullptr); });
    check_gradients(trained, "critic", [&](const Trained& s) { s.own->accumulate_value(b.view(), t, nullptr); });
    PolicyOptions options;
    options.normalizer = n, options.value = {trained.shared.get(), t, 0.5f};
    check_gradients(trained, "policy and critic on one trunk",
                    [&](const Trained& s) { s.adapter->accumulate_policy(b.view(), options, nullptr); });
    options.value = {}, options.step_ratio = true;
    check_gradients(trained, "policy by steps",
                    [&](const Trained& s) { s.adapter->accumulate_policy(b.view(), options, nullptr); });
  }
}
