#include "train/batch.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>

#include "core/error.h"

namespace spark {

namespace {

[[noreturn]] void refuse_argument(const std::string& name, const std::string& expected, const std::string& got) {
  throw Error("invalid_argument", name + ": expected " + expected + ", got " + got);
}

[[noreturn]] void refuse(const std::string& field, const std::string& expected, const std::string& got) {
  refuse_argument("batch." + field, expected, got);
}

std::string at(const std::string& field, size_t index) { return field + "[" + std::to_string(index) + "]"; }

void require_length(const std::string& name, size_t got, size_t expected, const std::string& what) {
  if (got == expected) return;
  refuse_argument(name, std::to_string(expected) + " values (" + what + ")", std::to_string(got));
}

void check_sequences(const Batch& batch, const LlamaConfig& config) {
  const auto& cu = batch.cu_seqlens;
  if (cu.empty()) refuse("cuSeqlens", "B + 1 values starting with 0", "none");
  if (cu.front() != 0) refuse("cuSeqlens[0]", "0", std::to_string(cu.front()));
  for (size_t i = 1; i < cu.size(); ++i) {
    if (cu[i] <= cu[i - 1]) {
      refuse(at("cuSeqlens", i), "more than the value before it, " + std::to_string(cu[i - 1]), std::to_string(cu[i]));
    }
    if (static_cast<size_t>(cu[i]) > batch.tokens.size()) {
      refuse(at("cuSeqlens", i), "at most the number of tokens, " + std::to_string(batch.tokens.size()),
             std::to_string(cu[i]));
    }
    if (cu[i] - cu[i - 1] > config.context_length) {
      throw Error("context_overflow", "sequence " + std::to_string(i - 1) + ": expected at most " +
                                          std::to_string(config.context_length) + " tokens, the model's context, got " +
                                          std::to_string(cu[i] - cu[i - 1]) + "; shorten the trajectory");
    }
  }
  if (static_cast<size_t>(cu.back()) != batch.tokens.size()) {
    refuse(at("cuSeqlens", cu.size() - 1), "the number of tokens, " + std::to_string(batch.tokens.size()),
           std::to_string(cu.back()));
  }
}

void check_loss_mask(const Batch& batch) {
  require_length("batch.lossMask", batch.loss_mask.size(), batch.tokens.size(), "one for each token");
  for (size_t i = 0; i < batch.loss_mask.size(); ++i) {
    if (batch.loss_mask[i] > 1) refuse(at("lossMask", i), "0 or 1", std::to_string(batch.loss_mask[i]));
  }
  for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
    const size_t first = static_cast<size_t>(batch.cu_seqlens[s]);
    if (batch.loss_mask[first]) refuse(at("lossMask", first), "0 at the first token of a sequence", "1");
  }
}

// `values` (N) are read only where lossMask is 1; elsewhere they may be anything.
void check_token_floats(const std::string& name, std::span<const float> values, const Batch& batch) {
  require_length(name, values.size(), batch.tokens.size(), "one for each token");
  for (size_t i = 0; i < values.size(); ++i) {
    if (batch.loss_mask[i] && !std::isfinite(values[i])) {
      refuse_argument(at(name, i), "a finite number where lossMask is 1", std::to_string(values[i]));
    }
  }
}

// The tokens of a step share one ratio, and a step lies in one sequence: an id in two sequences is a packing mistake.
void check_steps(const Batch& batch) {
  require_length("batch.stepIds", batch.step_ids.size(), batch.tokens.size(), "one for each token");
  std::unordered_map<int32_t, size_t> sequence_of;
  for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
    for (size_t i = static_cast<size_t>(batch.cu_seqlens[s]); i < static_cast<size_t>(batch.cu_seqlens[s + 1]); ++i) {
      if (!batch.loss_mask[i]) continue;
      const auto [entry, fresh] = sequence_of.try_emplace(batch.step_ids[i], s);
      if (!fresh && entry->second != s) {
        refuse(at("stepIds", i), "an id unique over the batch",
               std::to_string(batch.step_ids[i]) + ", which sequence " + std::to_string(entry->second) + " has too");
      }
    }
  }
}

// Packed positions at which something is read, in order.
void check_positions(const std::string& field, std::span<const int32_t> positions, const Batch& batch) {
  for (size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] < 0 || static_cast<size_t>(positions[i]) >= batch.tokens.size()) {
      refuse(at(field, i), "a position below " + std::to_string(batch.tokens.size()), std::to_string(positions[i]));
    }
    if (i && positions[i] <= positions[i - 1]) {
      refuse(at(field, i), "more than the position before it, " + std::to_string(positions[i - 1]),
             std::to_string(positions[i]));
    }
  }
}

void check_values(const Batch& batch, bool returns) {
  check_positions("valuePositions", batch.value_positions, batch);
  if (!returns) return;
  require_length("batch.returns", batch.returns.size(), batch.value_positions.size(), "one for each of valuePositions");
  for (size_t i = 0; i < batch.returns.size(); ++i) {
    if (!std::isfinite(batch.returns[i])) {
      refuse(at("returns", i), "a finite number", std::to_string(batch.returns[i]));
    }
  }
}

// Where the alternatives of each choice begin, up to the number of tokens.
void check_choice_offsets(const Batch& batch) {
  const auto& offsets = batch.choice_offsets;
  require_length("batch.choiceOffsets", offsets.size(), batch.choice_positions.size() + 1,
                 "one more than choicePositions");
  if (offsets.front() != 0) refuse("choiceOffsets[0]", "0", std::to_string(offsets.front()));
  for (size_t g = 1; g < offsets.size(); ++g) {
    // In 64 bits: an offset may be as small as there are.
    if (int64_t{offsets[g]} - offsets[g - 1] < 2) {
      refuse(at("choiceOffsets", g),
             "at least 2 more than the one before it, " + std::to_string(offsets[g - 1]) + ", as one is no choice",
             std::to_string(offsets[g]));
    }
  }
  require_length("batch.choiceTokens", batch.choice_tokens.size(), static_cast<size_t>(offsets.back()),
                 "the last of choiceOffsets");
}

void check_choice_tokens(const Batch& batch, const LlamaConfig& config) {
  const auto& tokens = batch.choice_tokens;
  std::unordered_map<int32_t, size_t> choice_of;  // each token's last choice
  for (size_t g = 0; g < batch.choice_positions.size(); ++g) {
    for (auto j = static_cast<size_t>(batch.choice_offsets[g]); j < static_cast<size_t>(batch.choice_offsets[g + 1]);
         ++j) {
      if (tokens[j] < 0 || tokens[j] >= config.vocabulary) {
        refuse(at("choiceTokens", j), "a token below the vocabulary's size " + std::to_string(config.vocabulary),
               std::to_string(tokens[j]));
      }
      const auto [entry, fresh] = choice_of.try_emplace(tokens[j], g);
      if (!fresh && entry->second == g) {
        refuse(at("choiceTokens", j), "another token than the alternatives before it", std::to_string(tokens[j]));
      }
      entry->second = g;
    }
  }
}

void check_choices(const Batch& batch, const LlamaConfig& config, bool targets) {
  if (!batch.choice_positions.empty() || !batch.choice_offsets.empty() || !batch.choice_tokens.empty()) {
    check_positions("choicePositions", batch.choice_positions, batch);
    check_choice_offsets(batch);
    check_choice_tokens(batch, config);
  }
  if (!targets) return;
  require_length("batch.choiceTargets", batch.choice_targets.size(), batch.choice_tokens.size(),
                 "one for each of choiceTokens");
  for (size_t j = 0; j < batch.choice_targets.size(); ++j) {
    const float target = batch.choice_targets[j];
    if (!std::isfinite(target) || target < 0) {
      refuse(at("choiceTargets", j), "a finite number of at least 0", std::to_string(target));
    }
  }
}

}  // namespace

void check_batch(const Batch& batch, const LlamaConfig& config, const BatchNeeds& needs) {
  check_sequences(batch, config);
  for (size_t i = 0; i < batch.tokens.size(); ++i) {
    if (batch.tokens[i] < 0 || batch.tokens[i] >= config.vocabulary) {
      refuse(at("tokens", i), "a token below the vocabulary's size " + std::to_string(config.vocabulary),
             std::to_string(batch.tokens[i]));
    }
  }
  if (needs.loss_mask) check_loss_mask(batch);
  if (needs.old_logprobs) check_token_floats("batch.oldLogprobs", batch.old_logprobs, batch);
  if (needs.ref_logprobs) check_token_floats("batch.refLogprobs", batch.ref_logprobs, batch);
  if (needs.advantages) check_token_floats("batch.advantages", batch.advantages, batch);
  if (needs.step_ids) check_steps(batch);
  if (needs.value_positions) check_values(batch, needs.returns);
  if (needs.choices) check_choices(batch, config, needs.choice_targets);
}

void check_slopes(std::span<const float> dlp, const Batch& batch) { check_token_floats("dlp", dlp, batch); }

void check_normalizer(double normalizer) {
  if (std::isfinite(normalizer) && normalizer > 0) return;
  throw Error("invalid_argument", "normalizer: expected a positive number, got " + std::to_string(normalizer));
}

Batch without_choices(Batch batch) {
  batch.choice_positions = {}, batch.choice_offsets = {}, batch.choice_tokens = {}, batch.choice_targets = {};
  return batch;
}

Batch with_choice_losses(const Batch& batch) { return batch.choice_targets.empty() ? without_choices(batch) : batch; }

LossPositions find_losses(const Batch& batch) {
  LossPositions losses;
  for (size_t i = 0; i < batch.loss_mask.size(); ++i) {
    if (!batch.loss_mask[i]) continue;
    losses.positions.push_back(static_cast<int32_t>(i));
    losses.predictors.push_back(static_cast<int32_t>(i) - 1);
    losses.targets.push_back(batch.tokens[i]);
  }
  return losses;
}

const int32_t* upload_ints(Backend& backend, Arena& arena, const int32_t* host, int64_t count) {
  int32_t* memory = arena.ints(count);
  backend.upload(memory, host, static_cast<size_t>(count) * sizeof(int32_t));
  return memory;
}

float* upload_floats(Backend& backend, Arena& arena, const float* host, int64_t count) {
  float* memory = arena.floats(count);
  backend.upload(memory, host, static_cast<size_t>(count) * sizeof(float));
  return memory;
}

float* upload_at(Backend& backend, Arena& arena, std::span<const float> values, const LossPositions& losses) {
  std::vector<float> chosen;
  chosen.reserve(losses.positions.size());
  for (const int32_t position : losses.positions) chosen.push_back(values[static_cast<size_t>(position)]);
  return upload_floats(backend, arena, chosen.data(), losses.count());
}

PackedTokens upload_tokens(Backend& backend, Arena& arena, const Batch& batch, int64_t prefix) {
  const auto P = static_cast<int32_t>(prefix);
  PackedTokens packed;
  Packing& packing = packed.packing;
  std::vector<int32_t> positions, cu_seqlens{P};
  const auto append = [&](int32_t sequence, int32_t from, int32_t to) {
    for (int32_t i = from; i < to; ++i) {
      packed.on_host.push_back(batch.tokens[static_cast<size_t>(sequence + i)]);
      positions.push_back(i);
    }
  };
  append(0, 0, P);
  for (size_t s = 0; s + 1 < batch.cu_seqlens.size(); ++s) {
    const int32_t first = batch.cu_seqlens[s], length = batch.cu_seqlens[s + 1] - first;
    packing.longest = std::max<int64_t>(packing.longest, length);
    append(first, P, length);
    cu_seqlens.push_back(static_cast<int32_t>(positions.size()));
  }
  packing.tokens = std::ssize(positions);
  packing.sequences = std::ssize(batch.cu_seqlens) - 1;
  packing.prefix = prefix;
  packing.cu_seqlens = upload_ints(backend, arena, cu_seqlens.data(), std::ssize(cu_seqlens));
  packing.positions = upload_ints(backend, arena, positions.data(), packing.tokens);
  packed.tokens = upload_ints(backend, arena, packed.on_host.data(), packing.tokens);
  return packed;
}

LossRows upload_losses(Backend& backend, Arena& arena, const LossPositions& losses) {
  return {losses.count(), upload_ints(backend, arena, losses.targets.data(), losses.count())};
}

ChoiceRows upload_choices(Backend& backend, Arena& arena, const Batch& batch) {
  const int64_t J = static_cast<int64_t>(batch.choice_tokens.size());
  ChoiceRows choices;
  choices.offsets = batch.choice_offsets, choices.tokens_on_host = batch.choice_tokens;
  choices.on_device =
      upload_ints(backend, arena, batch.choice_offsets.data(), static_cast<int64_t>(batch.choice_offsets.size()));
  choices.tokens = upload_ints(backend, arena, batch.choice_tokens.data(), J);
  if (!batch.choice_targets.empty()) {
    choices.targets = upload_floats(backend, arena, batch.choice_targets.data(), J);
  }
  return choices;
}

}  // namespace spark
