#include "train/critic.h"

#include <cmath>
#include <utility>

#include "core/error.h"

namespace spark {

std::shared_ptr<LoraCritic> LoraCritic::blank(std::shared_ptr<EngineCore> core, const CriticOptions& options) {
  constexpr int64_t kLargestHidden = 1 << 16;
  if (options.hidden < 0 || options.hidden > kLargestHidden) {
    throw Error("invalid_argument", "hidden: expected 1 to " + std::to_string(kLargestHidden) +
                                        ", or 0 for the model's width, got " + std::to_string(options.hidden));
  }
  const int64_t width = core->llama.config().width, hidden = options.hidden ? options.hidden : width;
  ParameterLayout layout;
  add_lora_parameters(layout, core->llama.config(), lora_spec(options));
  const int head = static_cast<int>(layout.parameters().size());
  add_value_head_parameters(layout, width, hidden);
  auto trained = std::make_unique<TrainedParameters>(std::move(core), "critic", options, std::move(layout));
  return std::make_shared<LoraCritic>(std::move(trained), head, hidden);
}

std::shared_ptr<LoraCritic> LoraCritic::create(std::shared_ptr<EngineCore> core, const CriticOptions& options) {
  core->begin_call();
  auto critic = blank(std::move(core), options);
  initialize_lora(critic->trained().parameters(), options.seed);
  initialize_value_head(critic->trained().parameters(), options.seed);
  return critic;
}

LoraCritic::LoraCritic(std::unique_ptr<TrainedParameters> trained, int head, int64_t hidden)
    : TrainableOver(std::move(trained)), head_(trained_->parameters(), head, hidden), hidden_(hidden) {}

MemoryPlan LoraCritic::plan(const BatchShape& shape) {
  trained_->core().begin_call();
  return trained_->core().plan({Pass::Value, &lora(), hidden_}, shape);
}

std::vector<float> LoraCritic::download_values(const float* v, const Batch& batch, const SavedActivations& saved,
                                               const Activation* x) const {
  EngineCore& core = trained_->core();
  std::vector<float> host(batch.value_positions.size());
  core.backend->download(host.data(), v, host.size() * sizeof(float));
  for (size_t t = 0; t < host.size(); ++t) {
    if (std::isfinite(host[t])) continue;
    std::string culprit = core.llama.first_not_finite(saved, x, static_cast<int64_t>(host.size()),
                                                      static_cast<int64_t>(batch.tokens.size()));
    throw Error("not_finite", "value at packed position " + std::to_string(batch.value_positions[t]) +
                                  ": expected a finite number, got " + std::to_string(host[t]) +
                                  "; first bad tensor: " + (culprit.empty() ? "value_head output" : culprit));
  }
  return host;
}

std::vector<float> LoraCritic::values(const Batch& batch, Cancel cancel) {
  EngineCore& core = trained_->core();
  check_batch(batch, core.llama.config(), {.value_positions = true});
  core.begin_pass({Pass::Values, &lora(), hidden_}, batch);
  const int64_t T = static_cast<int64_t>(batch.value_positions.size());
  if (T == 0) return {};
  const PackedTokens packed = upload_tokens(*core.backend, core.arena, batch);
  const RowsRead rows{T, upload_ints(*core.backend, core.arena, batch.value_positions.data(), T)};
  float* v = core.arena.floats(T);  // (T)
  const Activation* x = core.llama.forward(core.arena, packed, rows, &trained_->lora(), nullptr, cancel);
  head_.forward(core.llama, core.arena, v, x, T);
  return download_values(v, batch, {}, x);
}

ValueMetrics LoraCritic::accumulate_value(const Batch& batch, double normalizer, Cancel cancel) {
  EngineCore& core = trained_->core();
  check_normalizer(normalizer);
  check_batch(batch, core.llama.config(), {.value_positions = true, .returns = true});
  core.begin_pass({Pass::Value, &lora(), hidden_}, batch);
  const int64_t T = static_cast<int64_t>(batch.value_positions.size()), C = core.llama.config().width;
  ValueMetrics metrics;
  metrics.count = T;
  if (metrics.count == 0) return metrics;
  Backend& backend = *core.backend;
  trained_->begin_gradients();
  const PackedTokens packed = upload_tokens(backend, core.arena, batch);
  const RowsRead rows{T, upload_ints(backend, core.arena, batch.value_positions.data(), T)};
  float* v = core.arena.floats(T);                 // (T)
  Activation* dx = core.arena.activations(T * C);  // (T, C)
  SavedActivations saved{core.recompute, {}};
  const Activation* x = core.llama.forward(core.arena, packed, rows, &trained_->lora(), &saved, cancel);
  const ValueHead::Saved head = head_.forward(core.llama, core.arena, v, x, T);
  std::vector<float> slopes = download_values(v, batch, saved, x);
  for (size_t t = 0; t < slopes.size(); ++t) {
    const double error = static_cast<double>(slopes[t]) - batch.returns[t];
    metrics.loss_sum += error * error;
    slopes[t] = static_cast<float>(2.0 * error / normalizer);
  }
  const float* dv = upload_floats(backend, core.arena, slopes.data(), T);
  backend.zero(dx, T * C);
  head_.backward(core.llama, core.arena, dx, dv, head, T);
  core.llama.backward(core.arena, packed, trained_->lora(), saved, dx, cancel);
  trained_->commit_gradients();
  return metrics;
}

}  // namespace spark
