#include "train/objectives.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "ops/objective.h"

namespace spark {

namespace {

struct StepSum {
  double value = 0;
  int64_t tokens = 0;
};

}  // namespace

std::vector<double> policy_ratios(const Batch& batch, const LossPositions& losses, const std::vector<float>& lp,
                                  bool step_ratio) {
  std::vector<double> log_ratio(lp.size());
  std::unordered_map<int32_t, StepSum> steps;
  for (size_t m = 0; m < lp.size(); ++m) {
    const size_t position = static_cast<size_t>(losses.positions[m]);
    log_ratio[m] = static_cast<double>(lp[m]) - batch.old_logprobs[position];
    if (step_ratio) {
      StepSum& step = steps[batch.step_ids[position]];
      step.value += log_ratio[m];
      ++step.tokens;
    }
  }
  std::vector<double> ratios(lp.size());
  for (size_t m = 0; m < lp.size(); ++m) {
    if (step_ratio) {
      const StepSum& step = steps[batch.step_ids[static_cast<size_t>(losses.positions[m])]];
      log_ratio[m] = step.value / static_cast<double>(step.tokens);
    }
    ratios[m] = std::exp(log_ratio[m]);
  }
  return ratios;
}

PolicyMetrics policy_metrics(const Batch& batch, const LossPositions& losses, const std::vector<float>& lp,
                             const std::vector<double>& ratios, const PolicyOptions& options) {
  PolicyMetrics metrics;
  metrics.tokens = losses.count();
  for (size_t m = 0; m < lp.size(); ++m) {
    const size_t position = static_cast<size_t>(losses.positions[m]);
    const double ratio = ratios[m], advantage = batch.advantages[position];
    if (!std::isfinite(ratio)) {
      throw Error("not_finite", "ratio at packed position " + std::to_string(position) +
                                    ": expected a finite number, got exp(" + std::to_string(lp[m]) + " - " +
                                    std::to_string(batch.old_logprobs[position]) +
                                    "); oldLogprobs do not belong to these tokens, or the learning rate is too high");
    }
    metrics.clip_loss_sum += policy_clip_loss(ratio, advantage, options.clip);
    metrics.clipped_count += policy_is_clipped(ratio, advantage, options.clip);
    metrics.ratio_sum += ratio;
    metrics.ratio_max = std::max(metrics.ratio_max, ratio);
    if (batch.ref_logprobs.empty()) continue;
    const double delta = static_cast<double>(batch.ref_logprobs[position]) - lp[m];
    metrics.k1_sum -= delta;
    metrics.k2_sum += 0.5 * delta * delta;
    metrics.k3_sum += std::expm1(delta) - delta;
    metrics.kl_loss_sum += 0.5 * delta * delta;
  }
  return metrics;
}

// With n tokens in step s and g_j the slope of token j's loss by log r_s: d log r_s / d lp_k = 1 / n, so every token of
// the step receives the mean of the g_j.
std::vector<float> step_ratio_slopes(const Batch& batch, const LossPositions& losses, const std::vector<float>& lp,
                                     const std::vector<double>& ratios, const PolicyOptions& options) {
  std::unordered_map<int32_t, StepSum> steps;
  for (size_t m = 0; m < lp.size(); ++m) {
    const size_t position = static_cast<size_t>(losses.positions[m]);
    StepSum& step = steps[batch.step_ids[position]];
    step.value += policy_clip_slope(ratios[m], batch.advantages[position], options.clip);
    ++step.tokens;
  }
  std::vector<float> slopes(lp.size());
  for (size_t m = 0; m < lp.size(); ++m) {
    const size_t position = static_cast<size_t>(losses.positions[m]);
    const StepSum& step = steps[batch.step_ids[position]];
    double slope = step.value / static_cast<double>(step.tokens);
    if (!batch.ref_logprobs.empty()) {
      slope += policy_kl_slope(lp[m], batch.ref_logprobs[position], options.kl_coefficient);
    }
    slopes[m] = static_cast<float>(slope / options.normalizer);
  }
  return slopes;
}

ChoiceMetrics choice_metrics(const Batch& batch, std::vector<float> lp) {
  ChoiceMetrics metrics;
  metrics.groups = static_cast<int64_t>(batch.choice_positions.size());
  for (size_t j = 0; j < lp.size(); ++j) metrics.loss_sum -= static_cast<double>(batch.choice_targets[j]) * lp[j];
  metrics.logprobs = std::move(lp);
  return metrics;
}

}  // namespace spark
