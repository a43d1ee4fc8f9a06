#include "train/logprobs.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "core/error.h"

namespace spark {

namespace {

// `name` says what number i is.
std::vector<float> download_finite(EngineCore& core, const float* lp, size_t count, const Batch& batch,
                                   const LoraView* lora, const std::function<std::string(size_t)>& name) {
  std::vector<float> host(count);
  core.backend->download(host.data(), lp, count * sizeof(float));
  for (size_t i = 0; i < count; ++i) {
    if (std::isfinite(host[i])) continue;
    const std::string culprit = core.first_not_finite(batch, lora);
    throw Error("not_finite", name(i) + ": expected a finite number, got " + std::to_string(host[i]) +
                                  (culprit.empty() ? " (output logits)" : "; first bad tensor: " + culprit));
  }
  return host;
}

}  // namespace

std::vector<float> download_logprobs(EngineCore& core, const float* lp, const LossPositions& losses, const Batch& batch,
                                     const LoraView* lora) {
  return download_finite(core, lp, losses.positions.size(), batch, lora, [&](size_t m) {
    return "log-prob at packed position " + std::to_string(losses.positions[m]);
  });
}

std::vector<float> download_choices(EngineCore& core, const float* lp, const Batch& batch, const LoraView* lora) {
  return download_finite(core, lp, batch.choice_tokens.size(), batch, lora, [&](size_t j) {
    const auto& offsets = batch.choice_offsets;
    const auto after = std::upper_bound(offsets.begin(), offsets.end(), static_cast<int32_t>(j));
    const auto g = static_cast<size_t>(after - offsets.begin()) - 1;
    return "log-prob of token " + std::to_string(batch.choice_tokens[j]) + " in the choice at packed position " +
           std::to_string(batch.choice_positions[g]);
  });
}

PolicyLogprobs read_policy(EngineCore& core, const Batch& batch, const LossPositions& losses, const TrunkRows& rows,
                           const Activation* x, const LoraView* lora, Cancel cancel) {
  Backend& backend = *core.backend;
  const int64_t C = core.llama.config().width;
  PolicyLogprobs policy{std::vector<float>(batch.tokens.size(), 0.0f), {}};
  read_rows(backend, core.arena, rows.policy, x, nullptr, 0, C, [&](const Activation* own, Activation*) {
    const Arena::Scope scope(core.arena);
    const LossRows targets = upload_losses(backend, core.arena, losses);
    float* lp = core.arena.floats(losses.count());  // (M)
    output_logprobs(core.llama, core.arena, lp, own, targets, lora, nullptr, nullptr, cancel);
    const std::vector<float> host = download_logprobs(core, lp, losses, batch, lora);
    for (size_t m = 0; m < host.size(); ++m) policy.tokens[static_cast<size_t>(losses.positions[m])] = host[m];
  });
  read_rows(backend, core.arena, rows.choice, x, nullptr, 0, C, [&](const Activation* own, Activation*) {
    const Arena::Scope scope(core.arena);
    ChoiceRows choices = upload_choices(backend, core.arena, batch);
    choices.targets = nullptr;                                                        // nothing learns here
    float* lp = core.arena.floats(static_cast<int64_t>(batch.choice_tokens.size()));  // (J)
    output_choices(core.llama, core.arena, lp, own, choices, lora, nullptr, cancel);
    policy.choices = download_choices(core, lp, batch, lora);
  });
  return policy;
}

PolicyLogprobs policy_logprobs(EngineCore& core, const Batch& batch, const LoraView* lora, Cancel cancel) {
  const LossPositions losses = find_losses(batch);
  if (losses.count() == 0 && batch.choice_positions.empty()) {
    return {std::vector<float>(batch.tokens.size(), 0.0f), {}};
  }
  const auto [packed, rows] = upload_trunk(*core.backend, core.arena, batch, losses, {}, batch.choice_positions);
  const Activation* x = core.llama.forward(core.arena, packed, rows.read, lora, nullptr, cancel);  // (U, C)
  return read_policy(core, batch, losses, rows, x, lora, cancel);
}

}  // namespace spark
