// What the engine says when choices are wrong or fail, that nothing changes then, and what they are planned to take.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <limits>

#include "cancelling_backend.h"
#include "choices.h"
#include "directions.h"
#include "support.h"
#include "tiny_model.h"

using namespace spark;
using namespace spark_test;

TEST_CASE("every rule of choices is checked, by the name of its field") {
  const Chooser chooser(tiny_model());
  OwnedBatch good = tiny_batch({12, 9}, kChooserVocabulary);
  add_choices(good, {2, 11, 20}, {3, 2, 4}, kChooserVocabulary);
  chooser.accumulate(good);
  const auto before = chooser.adapter->tensors(true);
  const auto check = [&](const std::function<void(OwnedBatch&)>& damage, const std::string& message, bool read = true) {
    OwnedBatch bad = good;
    damage(bad);
    CAPTURE(message);
    for (const bool reads : {false, true}) {
      if (reads && !read) continue;
      const Thrown t = thrown([&] { reads ? void(chooser.logprobs(bad)) : void(chooser.accumulate(bad)); });
      CAPTURE(t.message);
      CHECK(t.code == "invalid_argument");
      CHECK(t.says(message));
    }
  };
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  check([](OwnedBatch& b) { b.choice_positions[0] = -1; }, "batch.choicePositions[0]: expected a position below 21");
  check([](OwnedBatch& b) { b.choice_positions[2] = 21; }, "batch.choicePositions[2]: expected a position below 21");
  check([](OwnedBatch& b) { b.choice_positions[1] = 2; }, "batch.choicePositions[1]: expected more than");
  check([](OwnedBatch& b) { b.choice_positions.pop_back(); }, "batch.choiceOffsets: expected 3 values");
  check([](OwnedBatch& b) { b.choice_offsets.clear(); }, "batch.choiceOffsets: expected 4 values");
  check([](OwnedBatch& b) { b.choice_offsets[0] = 1; }, "batch.choiceOffsets[0]: expected 0, got 1");
  check([](OwnedBatch& b) { b.choice_offsets[2] = 4; }, "batch.choiceOffsets[2]: expected at least 2 more than");
  check([](OwnedBatch& b) { b.choice_offsets[1] = std::numeric_limits<int32_t>::min(); }, "batch.choiceOffsets[1]");
  check([](OwnedBatch& b) { b.choice_offsets[3] = 10; }, "batch.choiceTokens: expected 10 values");
  check([](OwnedBatch& b) { b.choice_tokens.pop_back(); }, "batch.choiceTokens: expected 9 values");
  check([](OwnedBatch& b) { b.choice_tokens[4] = 50; }, "batch.choiceTokens[4]: expected a token below");
  check([](OwnedBatch& b) { b.choice_tokens[4] = -1; }, "batch.choiceTokens[4]: expected a token below");
  check([](OwnedBatch& b) { b.choice_tokens[8] = b.choice_tokens[5]; },
        "batch.choiceTokens[8]: expected another token");
  check([](OwnedBatch& b) { b.choice_targets.pop_back(); }, "batch.choiceTargets: expected 9 values", false);
  check([](OwnedBatch& b) { b.choice_targets[3] = kNaN; }, "batch.choiceTargets[3]: expected a finite", false);
  check([](OwnedBatch& b) { b.choice_targets[3] = -0.5f; }, "batch.choiceTargets[3]: expected a finite", false);
  check([](OwnedBatch& b) { b.choice_positions.clear(), b.choice_offsets.clear(), b.choice_tokens.clear(); },
        "batch.choiceTargets: expected 0 values", false);
  for (size_t i = 0; i < before.size(); ++i) CHECK(chooser.adapter->tensors(true)[i].data == before[i].data);
  // The same token may stand in several choices, and what a call does not read may be anything.
  good.choice_tokens[3] = good.choice_tokens[0];
  if (good.choice_tokens[4] == good.choice_tokens[3]) good.choice_tokens[4] = good.choice_tokens[1];
  CHECK(chooser.logprobs(good).size() == 9);
  good.choice_targets[3] = kNaN;
  CHECK(chooser.logprobs(good).size() == 9);
  good.choice_offsets.clear();
  CHECK(chooser.model->logprobs(good.view(), nullptr, nullptr).size() == 21);
  CHECK(chooser.model->create_critic({})->values(good.view(), nullptr).size() == good.value_positions.size());
}

TEST_CASE("a failed or cancelled call with choices leaves the gradients as they were") {
  std::atomic<bool> cancel = false;
  auto made = std::make_unique<CancellingCpu>(&cancel);
  CancellingCpu& backend = *made;
  const Chooser chooser(make_model(tiny_gguf({}), std::move(made)));
  const std::vector<float> dlp(chooser.batch.tokens.size());
  chooser.accumulate(chooser.batch);
  const auto before = chooser.adapter->tensors(true);
  const auto call = [&](const OwnedBatch& batch) {
    const Thrown t = thrown([&] { chooser.adapter->accumulate(batch.view(), dlp, &cancel); });
    const auto after = chooser.adapter->tensors(true);
    for (size_t i = 0; i < before.size(); ++i) CHECK(after[i].data == before[i].data);
    return t;
  };
  backend.armed = true;
  CHECK(call(chooser.batch).code == "interrupted");
  backend.armed = false, cancel = true;
  CHECK(call(chooser.batch).code == "interrupted");
  cancel = false;
  OwnedBatch huge = chooser.batch;
  for (float& t : huge.choice_targets) t = 3e38f;
  const Thrown t = call(huge);
  CHECK(t.code == "not_finite");
  CHECK(t.says("gradient of blk."));
}

TEST_CASE("a log-prob that is not finite names its choice and what spoilt it") {
  auto file = tiny_gguf({});
  std::vector<float> bad(40 * 24, 0.1f);
  bad[5] = std::numeric_limits<float>::quiet_NaN();
  file->add("blk.1.ffn_up.weight", {40, 24}, bad);
  const auto model = make_model(file, std::make_unique<CpuBackend>(2));
  OwnedBatch batch = tiny_batch({9}, kChooserVocabulary);
  add_choices(batch, {4, 6}, {2, 3}, kChooserVocabulary);
  const Thrown t = thrown([&] { model->choice_logprobs(batch.view(), nullptr, nullptr); });
  CHECK(t.code == "not_finite");
  CHECK(t.says("log-prob of token " + std::to_string(batch.choice_tokens[0]) + " in the choice at packed position 4"));
  CHECK(t.says("blk.1.ffn_up"));
}

TEST_CASE("choices are planned: more of them take more, impossible ones are refused by name") {
  const auto adapter = tiny_model()->create_adapter(small_lora());
  BatchShape shape{40, 2, 25, 10, 0};
  const int64_t without = adapter->plan(shape).activations;
  shape.choices = 20, shape.alternatives = 40;
  const int64_t some = adapter->plan(shape).activations;
  CHECK(some > without);
  shape.alternatives = 400;
  CHECK(adapter->plan(shape).activations > some);
  const auto refused = [&](int64_t choices, int64_t alternatives) {
    shape.choices = choices, shape.alternatives = alternatives;
    return thrown([&] { adapter->plan(shape); });
  };
  CHECK(refused(41, 100).says("shape.choices: expected 0 to 40, got 41"));
  CHECK(refused(3, 5).says("shape.alternatives: expected 6 to 150, got 5"));
  CHECK(refused(3, 151).says("shape.alternatives: expected 6 to 150, got 151"));
  CHECK(refused(0, 1).says("shape.alternatives: expected 0 to 0, got 1"));
}
