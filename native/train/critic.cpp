#include "train/critic.h"

#include <cmath>
#include <utility>

#include "core/error.h"
#include "train/logprobs.h"
#include "train/trunk_rows.h"

namespace spark {

std::shared_ptr<LoraCritic> LoraCritic::blank(std::shared_ptr<EngineCore> core, const CriticOptions& options) {
  constexpr int64_t kLargestHidden = 1 << 16;
  if (options.hidden < 0 || options.hidden > kLargestHidden) {
    throw Error("invalid_argument", "hidden: expected 1 to " + std::to_string(kLargestHidden) +
                                        ", or 0 for the model's width, got " + std::to_string(options.hidden));
  }
  const int64_t width = core->llama.config().width, hidden = options.hidden ? options.hidden : width;
  auto trunk = std::dynamic_pointer_cast<LoraAdapter>(options.trunk);
  std::optional<LoraOptions> lora;
  if (!trunk) lora = options;
  ParameterLayout layout;
  const LlamaConfig& config = core->llama.config();
  if (lora) add_lora_parameters(layout, config, lora_spec(*lora, config.layers));
  const int head = static_cast<int>(layout.parameters().size());
  add_value_head_parameters(layout, width, hidden);
  auto trained = std::make_unique<TrainedParameters>(std::move(core), "critic", std::move(lora), std::move(layout));
  return std::make_shared<LoraCritic>(std::move(trained), std::move(trunk), head, hidden);
}

std::shared_ptr<LoraCritic> LoraCritic::create(std::shared_ptr<EngineCore> core, const CriticOptions& options) {
  core->begin_call();
  auto critic = blank(std::move(core), options);
  if (!critic->trunk()) initialize_lora(critic->trained().parameters(), options.seed);
  initialize_value_head(critic->trained().parameters(), options.seed);
  return critic;
}

LoraCritic::LoraCritic(std::unique_ptr<TrainedParameters> trained, std::shared_ptr<LoraAdapter> trunk, int head,
                       int64_t hidden)
    : TrainableOver(std::move(trained)),
      trunk_(std::move(trunk)),
      head_(trained_->parameters(), head, hidden),
      hidden_(hidden) {}

// Plans the pass that holds the most: with a trunk, the policy's with a value term.
MemoryPlan LoraCritic::plan(const BatchShape& shape) {
  trained_->core().begin_call();
  return trained_->core().plan({trunk_ ? Pass::Policy : Pass::Value, &lora(), hidden_, trunk_ != nullptr}, shape);
}

std::vector<float> LoraCritic::download_values(const float* v, const Batch& batch) const {
  EngineCore& core = trained_->core();
  std::vector<float> host(batch.value_positions.size());
  core.backend->download(host.data(), v, host.size() * sizeof(float));
  for (size_t t = 0; t < host.size(); ++t) {
    if (std::isfinite(host[t])) continue;
    const std::string culprit = core.first_not_finite(batch, &view());
    throw Error("not_finite", "value at packed position " + std::to_string(batch.value_positions[t]) +
                                  ": expected a finite number, got " + std::to_string(host[t]) +
                                  "; first bad tensor: " + (culprit.empty() ? "value_head output" : culprit));
  }
  return host;
}

std::vector<float> LoraCritic::values(const Batch& batch, Cancel cancel) {
  EngineCore& core = trained_->core();
  check_batch(batch, core.llama.config(), {.value_positions = true});
  core.begin_pass({Pass::Values, &lora(), hidden_, trunk_ != nullptr}, without_choices(batch));
  const int64_t T = static_cast<int64_t>(batch.value_positions.size());
  if (T == 0) return {};
  const auto [packed, rows] = upload_trunk(*core.backend, core.arena, batch, {}, batch.value_positions, {});
  float* v = core.arena.floats(T);  // (T)
  const Activation* x = core.llama.forward(core.arena, packed, rows.read, &view(), nullptr, cancel);
  head_.forward(core.llama, core.arena, v, x, T);
  return download_values(v, batch);
}

void LoraCritic::value_loss(float* v, const Batch& batch, double normalizer, const Activation* x, Activation* dx) {
  EngineCore& core = trained_->core();
  const int64_t T = static_cast<int64_t>(batch.value_positions.size());
  const Arena::Scope scope(core.arena);
  const float* returns = upload_floats(*core.backend, core.arena, batch.returns.data(), T);  // (T)
  float* dv = core.arena.floats(T);                                                          // (T)
  const ValueHead::Saved head = head_.forward(core.llama, core.arena, v, x, T);
  core.backend->value_backward(dv, v, returns, static_cast<float>(2.0 / normalizer), T);
  head_.backward(core.llama, core.arena, dx, dv, head, T);
}

ValueMetrics LoraCritic::value_metrics(const float* v, const Batch& batch) const {
  const std::vector<float> values = download_values(v, batch);  // (T)
  ValueMetrics metrics;
  metrics.count = static_cast<int64_t>(values.size());
  for (size_t t = 0; t < values.size(); ++t) {
    const double error = static_cast<double>(values[t]) - batch.returns[t];
    metrics.loss_sum += error * error;
  }
  return metrics;
}

ValueMetrics LoraCritic::accumulate_value(const Batch& batch, double normalizer, Cancel cancel) {
  check_normalizer(normalizer);
  check_batch(batch, trained_->core().llama.config(), {.value_positions = true, .returns = true});
  const ValueMetrics metrics = value_pass(batch, normalizer, cancel);
  commit_gradients({trained_.get()});
  return metrics;
}

ValueMetrics LoraCritic::value_pass(const Batch& batch, double normalizer, Cancel cancel) {
  EngineCore& core = trained_->core();
  core.begin_pass({Pass::Value, &lora(), hidden_, trunk_ != nullptr}, without_choices(batch));
  const int64_t T = static_cast<int64_t>(batch.value_positions.size()), C = core.llama.config().width;
  trained_->begin_gradients();
  if (T == 0) return {};
  Backend& backend = *core.backend;
  const auto [packed, rows] = upload_trunk(backend, core.arena, batch, {}, batch.value_positions, {});
  float* v = core.arena.floats(T);                 // (T)
  Activation* dx = core.arena.activations(T * C);  // (T, C)
  SavedActivations saved{core.recompute, {}};
  const Activation* x =
      core.llama.forward(core.arena, packed, rows.read, &view(), trunk_ ? nullptr : &saved, cancel);  // (T, C)
  backend.zero(dx, T * C);
  value_loss(v, batch, normalizer, x, dx);
  if (!trunk_) core.llama.backward(core.arena, packed, trained_->lora(), saved, dx, cancel);
  return value_metrics(v, batch);
}

LogprobsAndValues LoraCritic::logprobs_and_values(const Batch& batch, Cancel cancel) {
  EngineCore& core = trained_->core();
  check_batch(batch, core.llama.config(), {.loss_mask = true, .value_positions = true, .choices = true});
  core.begin_pass({Pass::LogprobsAndValues, &lora(), hidden_, true}, batch);
  const LossPositions losses = find_losses(batch);
  const int64_t T = static_cast<int64_t>(batch.value_positions.size());
  LogprobsAndValues all{std::vector<float>(batch.tokens.size(), 0.0f), {}, {}};
  if (losses.count() + T == 0 && batch.choice_positions.empty()) return all;
  Backend& backend = *core.backend;
  const int64_t C = core.llama.config().width;
  const TrunkBatch trunk =
      upload_trunk(backend, core.arena, batch, losses, batch.value_positions, batch.choice_positions);
  const Activation* x =
      core.llama.forward(core.arena, trunk.packed, trunk.rows.read, &view(), nullptr, cancel);  // (U, C)
  PolicyLogprobs policy = read_policy(core, batch, losses, trunk.rows, x, &view(), cancel);
  all.logprobs = std::move(policy.tokens), all.choices = std::move(policy.choices);
  read_rows(backend, core.arena, trunk.rows.value, x, nullptr, 0, C, [&](const Activation* own, Activation*) {
    float* v = core.arena.floats(T);  // (T)
    head_.forward(core.llama, core.arena, v, own, T);
    all.values = download_values(v, batch);
  });
  return all;
}

}  // namespace spark
