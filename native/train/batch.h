// A batch from outside: checked rule by rule, then placed on the backend. The rules are those of Batch in
// src/engine/batch.ts, and errors use its field names, because that is what users wrote.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/llama.h"
#include "model/output_head.h"
#include "ops/buffer.h"
#include "train/engine.h"

namespace spark {

// The fields that a call reads beside tokens and cuSeqlens.
struct BatchNeeds {
  bool loss_mask = false, old_logprobs = false, ref_logprobs = false, advantages = false, step_ids = false;
  bool value_positions = false, returns = false;
  bool choices = false, choice_targets = false;
};

// Throws invalid_argument naming the field, what was expected and what came; context_overflow for a sequence longer
// than the model's context.
void check_batch(const Batch& batch, const LlamaConfig& config, const BatchNeeds& needs);
// dlp (N) must be as long as the batch and finite where lossMask, checked before, is 1; else invalid_argument.
void check_slopes(std::span<const float> dlp, const Batch& batch);
void check_normalizer(double normalizer);  // positive and finite, else invalid_argument

// The batch as a call sees it that reads no choices, or those with a loss alone: none where it has no targets.
Batch without_choices(Batch batch);
Batch with_choice_losses(const Batch& batch);

// The loss tokens of a batch, on the host, by their packed positions.
struct LossPositions {
  std::vector<int32_t> positions;   // (M) where lossMask is 1
  std::vector<int32_t> predictors;  // (M) positions − 1: what is computed there predicts the token
  std::vector<int32_t> targets;     // (M) tokens at the positions
  int64_t count() const { return static_cast<int64_t>(positions.size()); }
};
LossPositions find_losses(const Batch& batch);

// Copies from the host into the arena, which owns what is returned. The first `prefix` tokens of all sequences, which
// must be the same and have others after them, are there once (train/prefix.h).
PackedTokens upload_tokens(Backend& backend, Arena& arena, const Batch& batch, int64_t prefix = 0);
LossRows upload_losses(Backend& backend, Arena& arena, const LossPositions& losses);
// `offsets` stay those of the batch. With its targets, where it has some.
ChoiceRows upload_choices(Backend& backend, Arena& arena, const Batch& batch);
const int32_t* upload_ints(Backend& backend, Arena& arena, const int32_t* host, int64_t count);  // (count)
float* upload_floats(Backend& backend, Arena& arena, const float* host, int64_t count);          // (count)
// (M): of values (N), those at the loss tokens
float* upload_at(Backend& backend, Arena& arena, std::span<const float> values, const LossPositions& losses);

}  // namespace spark
