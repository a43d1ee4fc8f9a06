// The losses of docs/algorithm.md on the host: metrics from log-probs, and the slopes of the step ratio, which needs
// every log-prob of a step before any gradient exists. Per-token slopes are the backend's policy_backward.
#pragma once

#include <vector>

#include "train/batch.h"
#include "train/engine.h"

namespace spark {

// r_s = exp(mean_j (lp_j − lp_old_j)) of each loss token's step; with `step_ratio` false, of the token alone. (M)
std::vector<double> policy_ratios(const Batch& batch, const LossPositions& losses, const std::vector<float>& lp,
                                  bool step_ratio);

// Sums over the loss tokens; throws not_finite naming the position when a ratio overflows.
PolicyMetrics policy_metrics(const Batch& batch, const LossPositions& losses, const std::vector<float>& lp,
                             const std::vector<double>& ratios, const PolicyOptions& options);

// dlp (M) of the actor's loss with one ratio per step.
std::vector<float> step_ratio_slopes(const Batch& batch, const LossPositions& losses, const std::vector<float>& lp,
                                     const std::vector<double>& ratios, const PolicyOptions& options);

// −Σ target · lp from the lp (J) of a batch's alternatives.
ChoiceMetrics choice_metrics(const Batch& batch, std::vector<float> lp);

}  // namespace spark
