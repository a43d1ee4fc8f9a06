// What the policy says about a batch: log-probs of its tokens with a loss, and of the alternatives of its choices.
#pragma once

#include <vector>

#include "train/batch.h"
#include "train/core.h"
#include "train/trunk_rows.h"

namespace spark {

struct PolicyLogprobs {
  std::vector<float> tokens;   // (N) where lossMask is 1, 0 elsewhere
  std::vector<float> choices;  // (J)
};

// One forward pass; none where the batch has neither. `lora` null: the base model. Throws not_finite, interrupted.
PolicyLogprobs policy_logprobs(EngineCore& core, const Batch& batch, const LoraView* lora, Cancel cancel);
// The same from x (U, C), the rows of a pass.
PolicyLogprobs read_policy(EngineCore& core, const Batch& batch, const LossPositions& losses, const TrunkRows& rows,
                           const Activation* x, const LoraView* lora, Cancel cancel);

// Return what lies on the backend, lp (M) of the tokens with a loss or lp (J) of the alternatives, on the host. When
// one is not finite they throw not_finite naming its position and the first activation that is not finite.
std::vector<float> download_logprobs(EngineCore& core, const float* lp, const LossPositions& losses, const Batch& batch,
                                     const LoraView* lora);
std::vector<float> download_choices(EngineCore& core, const float* lp, const Batch& batch, const LoraView* lora);

}  // namespace spark
