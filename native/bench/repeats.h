// One repeat of each kind of training: what a user's step does, upload of the batch, accumulate calls and optimizer
// step included. src/train/sft.ts and ppo.ts in miniature.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "measure.h"
#include "train/engine.h"
#include "work.h"

namespace spark::bench {

// The losses a repeat saw, {sft}, {value} or {policy, value}, and the milliseconds of its parts where it has several.
struct Outcome {
  nlohmann::json losses, parts_ms;
};
using Repeat = std::function<Outcome()>;

inline Batch view(const Work& work) {
  Batch batch;
  batch.tokens = work.tokens, batch.cu_seqlens = work.cu, batch.loss_mask = work.loss_mask;
  batch.value_positions = work.value_positions, batch.returns = work.returns;
  return batch;
}

inline OptimizerOptions optimizer_options(const Recipe& recipe) {
  return {.learning_rate = recipe.learning_rate, .max_grad_norm = recipe.max_grad_norm};
}

inline Repeat sft_repeat(const Work& work, const Recipe& recipe, std::shared_ptr<Adapter> adapter) {
  return [&work, &recipe, adapter] {
    const SftMetrics metrics = adapter->accumulate_sft(view(work), static_cast<double>(work.loss_tokens()), nullptr);
    adapter->optimizer_step(optimizer_options(recipe));
    return Outcome{{{"sft", metrics.loss_sum / static_cast<double>(metrics.tokens)}}, {}};
  };
}

inline Repeat critic_repeat(const Work& work, const Recipe& recipe, std::shared_ptr<Critic> critic) {
  return [&work, &recipe, critic] {
    const double count = static_cast<double>(work.returns.size());
    const ValueMetrics metrics = critic->accumulate_value(view(work), count, nullptr);
    critic->optimizer_step(optimizer_options(recipe));
    return Outcome{{{"value", metrics.loss_sum / count}}, {}};
  };
}

// The packed batch of one optimizer step of PPO, and what an iteration holds on to.
struct PpoBatch {
  Work work;
  std::vector<float> old_logprobs, reference, advantages;  // (N)

  Batch fields() const {
    Batch batch = view(work);
    batch.old_logprobs = old_logprobs, batch.ref_logprobs = reference, batch.advantages = advantages;
    return batch;
  }
};

inline std::vector<PpoBatch> split(const Work& work, int64_t trajectories) {
  std::vector<PpoBatch> batches;
  for (int64_t first = 0; first < work.sequences(); first += trajectories) {
    const int64_t last = std::min(first + trajectories, work.sequences());
    const int32_t begin = work.cu[static_cast<size_t>(first)], end = work.cu[static_cast<size_t>(last)];
    PpoBatch batch;
    batch.work.tokens.assign(work.tokens.begin() + begin, work.tokens.begin() + end);
    batch.work.loss_mask.assign(work.loss_mask.begin() + begin, work.loss_mask.begin() + end);
    for (int64_t s = first + 1; s <= last; ++s) batch.work.cu.push_back(work.cu[static_cast<size_t>(s)] - begin);
    for (const Step& step : work.steps) {
      if (step.sequence < first || step.sequence >= last) continue;
      batch.work.steps.push_back({static_cast<int32_t>(step.sequence - first), step.begin - begin, step.end - begin,
                                  step.value_at - begin, step.reward});
      batch.work.value_positions.push_back(step.value_at - begin);
      batch.work.returns.push_back(step.reward);
    }
    batch.advantages.assign(batch.work.tokens.size(), 0.0f);
    batches.push_back(std::move(batch));
  }
  return batches;
}

// What stays fixed during an iteration: log-probs of the policy and of the reference (no adapter), values, advantages.
inline void take_buffers(std::vector<PpoBatch>& batches, Model& model, Adapter& actor, Critic& critic) {
  for (PpoBatch& batch : batches) {
    const Batch fields = batch.fields();
    LogprobsAndValues old = model.logprobs_and_values(fields, &actor, critic, nullptr);
    batch.old_logprobs = std::move(old.logprobs);
    batch.reference = model.logprobs(fields, nullptr, nullptr);
    for (size_t t = 0; t < old.values.size(); ++t) {
      const Step& step = batch.work.steps[t];
      std::fill(batch.advantages.begin() + step.begin, batch.advantages.begin() + step.end,
                step.reward - old.values[t]);
    }
  }
}

// One epoch of updates, actor and critic; the losses.
inline nlohmann::json update(const std::vector<PpoBatch>& batches, const Recipe& recipe, Adapter& actor,
                             Critic& critic) {
  double policy = 0, value = 0;
  for (const PpoBatch& batch : batches) {
    const double tokens = static_cast<double>(batch.work.loss_tokens()),
                 steps = static_cast<double>(batch.work.returns.size());
    PolicyOptions options{.normalizer = tokens, .clip = recipe.clip, .kl_coefficient = recipe.kl_coefficient};
    options.value = {&critic, steps, 0.1f};
    const PolicyMetrics p = actor.accumulate_policy(batch.fields(), options, nullptr);
    actor.optimizer_step(optimizer_options(recipe));
    critic.optimizer_step(optimizer_options(recipe));
    policy += (p.clip_loss_sum + recipe.kl_coefficient * p.kl_loss_sum) / tokens;
    value += p.value->loss_sum / steps;
  }
  const double count = static_cast<double>(batches.size());
  return {{"policy", policy / count}, {"value", value / count}};
}

inline Repeat ppo_repeat(std::vector<PpoBatch>& batches, const Recipe& recipe, std::shared_ptr<Model> model,
                         std::shared_ptr<Adapter> actor, std::shared_ptr<Critic> critic) {
  return [&batches, &recipe, model, actor, critic] {
    const double start = now();
    take_buffers(batches, *model, *actor, *critic);
    const double taken = now();
    nlohmann::json losses = update(batches, recipe, *actor, *critic);
    return Outcome{std::move(losses), {{"buffers", (taken - start) * 1e3}, {"epoch", (now() - taken) * 1e3}}};
  };
}

}  // namespace spark::bench
