#include "train/adapter.h"

#include <cmath>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "model/adapter_io.h"
#include "train/critic.h"
#include "train/logprobs.h"
#include "train/objectives.h"
#include "train/trunk_rows.h"

namespace spark {

namespace {

LoraShapes shapes_of(const Llama& model) {
  const LlamaConfig& c = model.config();
  LoraShapes shapes;
  shapes.vocabulary = c.vocabulary, shapes.tied = !model.weights().file->find(kHeadWeight);
  shapes.layers = c.layers, shapes.width = c.width, shapes.heads = c.heads, shapes.kv_heads = c.kv_heads;
  shapes.head_size = c.head_size, shapes.feed_forward = c.feed_forward;
  shapes.architecture = c.architecture, shapes.interleaved_rope = !c.rope_halves, shapes.base_name = c.name;
  return shapes;
}

std::unique_ptr<TrainedParameters> make_parameters(std::shared_ptr<EngineCore> core, const LoraOptions& options) {
  ParameterLayout layout;
  const LlamaConfig& config = core->llama.config();
  add_lora_parameters(layout, config, lora_spec(options, config.layers));
  return std::make_unique<TrainedParameters>(std::move(core), "adapter", options, std::move(layout));
}

LoraTensors tensors_of(TrainedParameters& trained) {
  const LoraOptions& options = trained.options();
  return {options.rank, options.alpha, options.targets, trained.tensors(false),
          lora_weights(options, trained.core().llama.config().layers)};
}

void check_policy(const PolicyOptions& options) {
  check_normalizer(options.normalizer);
  const auto require = [](const char* name, float value) {
    if (std::isfinite(value) && value >= 0) return;
    throw Error("invalid_argument",
                std::string(name) + ": expected a number of at least 0, got " + std::to_string(value));
  };
  require("clip", options.clip);
  require("klCoefficient", options.kl_coefficient);
  if (!options.value.critic) return;
  check_normalizer(options.value.normalizer);
  require("value.coefficient", options.value.coefficient);
}

bool needs_reference(const Batch& batch, const PolicyOptions& options) {
  return options.kl_coefficient > 0 || !batch.ref_logprobs.empty();
}

// (N) from lp (M): each at its token, 0 elsewhere.
std::vector<float> at_tokens(const Batch& batch, const LossPositions& losses, const std::vector<float>& lp) {
  std::vector<float> all(batch.tokens.size(), 0.0f);
  for (size_t m = 0; m < lp.size(); ++m) all[static_cast<size_t>(losses.positions[m])] = lp[m];
  return all;
}

}  // namespace

std::shared_ptr<LoraAdapter> LoraAdapter::blank(std::shared_ptr<EngineCore> core, const LoraOptions& options) {
  return std::make_shared<LoraAdapter>(make_parameters(std::move(core), options));
}

std::shared_ptr<LoraAdapter> LoraAdapter::create(std::shared_ptr<EngineCore> core, const LoraOptions& options) {
  core->begin_call();
  auto adapter = std::make_shared<LoraAdapter>(make_parameters(std::move(core), options));
  initialize_lora(adapter->trained().parameters(), options.seed);
  return adapter;
}

std::shared_ptr<LoraAdapter> LoraAdapter::load(std::shared_ptr<EngineCore> core, const std::string& path) {
  core->begin_call();
  const LoraTensors file = load_lora(path, shapes_of(core->llama));
  LoraOptions options;
  options.rank = file.rank, options.alpha = file.alpha, options.targets = file.targets;
  options.weights = file.weights;
  // Where it says no more than rank, alpha and targets do, it is the same adapter as one that was made of these.
  LoraOptions uniform = options;
  uniform.weights = {};
  const bool plain = !uniform.targets.empty() && lora_weights(uniform, core->llama.config().layers) == file.weights;
  if (plain) options = uniform;
  auto adapter = std::make_shared<LoraAdapter>(make_parameters(std::move(core), options));
  std::unordered_map<std::string, const NamedTensor*> by_name;
  for (const NamedTensor& tensor : file.tensors) by_name[tensor.name] = &tensor;
  ParameterSet& parameters = adapter->trained().parameters();
  const std::vector<Parameter>& all = parameters.layout().parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    parameters.upload(ParameterSet::Value, static_cast<int>(i), by_name.at(all[i].name)->data.data());
  }
  return adapter;
}

void LoraAdapter::logprob_loss(float* lp, const Batch& batch, const LossPositions& losses, const LossRows& rows,
                               const Slopes& slopes, const Activation* x, Activation* dx, Cancel cancel) {
  EngineCore& core = trained_->core();
  const auto project = [&](const LogprobGradient& gradient) {
    output_logprobs(core.llama, core.arena, lp, x, rows, &trained_->lora(), dx, gradient, cancel);
  };
  if (!slopes.at_once) return project(slopes.by_chunk);
  project(nullptr);
  const std::vector<float> all = slopes.at_once(download_logprobs(core, lp, losses, batch, &trained_->lora()));
  const float* dlp = upload_floats(*core.backend, core.arena, all.data(), losses.count());  // (M)
  project([&](float*, const float*, int64_t first, int64_t) { return dlp + first; });
}

LoraAdapter::Passed LoraAdapter::run(const Batch& batch, const LossPositions& losses, const Slopes& slopes,
                                     const ValueTerm& value, Cancel cancel) {
  EngineCore& core = trained_->core();
  Backend& backend = *core.backend;
  LoraCritic* critic = critic_of(value);
  const int64_t C = core.llama.config().width;
  trained_->begin_gradients();
  if (critic) critic->trained().begin_gradients();
  Passed passed;
  if (critic) passed.value.emplace();
  const std::span<const int32_t> values = critic ? batch.value_positions : std::span<const int32_t>();
  if (losses.count() == 0 && values.empty() && batch.choice_positions.empty()) return passed;
  const TrunkBatch trunk = upload_trunk(backend, core.arena, batch, losses, values, batch.choice_positions);
  const TrunkRows& rows = trunk.rows;
  const LossRows targets = upload_losses(backend, core.arena, losses);
  const ChoiceRows choices = upload_choices(backend, core.arena, batch);
  const int64_t U = rows.read.count;
  float* lp = core.arena.floats(losses.count());                                           // (M)
  float* v = core.arena.floats(rows.value.count);                                          // (T)
  float* choice_lp = core.arena.floats(static_cast<int64_t>(batch.choice_tokens.size()));  // (J)
  Activation* dx = core.arena.activations(U * C);                                          // (U, C)
  SavedActivations saved{core.recompute, {}};
  const Activation* x =
      core.llama.forward(core.arena, trunk.packed, rows.read, &trained_->lora(), &saved, cancel);  // (U, C)
  backend.zero(dx, U * C);
  read_rows(backend, core.arena, rows.policy, x, dx, 1, C, [&](const Activation* own, Activation* down) {
    logprob_loss(lp, batch, losses, targets, slopes, own, down, cancel);
  });
  read_rows(backend, core.arena, rows.value, x, dx, value.coefficient, C, [&](const Activation* own, Activation* down) {
    critic->value_loss(v, batch, value.normalizer, own, down);
  });
  read_rows(backend, core.arena, rows.choice, x, dx, 1, C, [&](const Activation* own, Activation* down) {
    output_choices(core.llama, core.arena, choice_lp, own, choices, &trained_->lora(), down, cancel);
  });
  core.llama.backward(core.arena, trunk.packed, trained_->lora(), saved, dx, cancel);
  // Downloads wait for the device: they come after the backward pass is issued, so that it does not idle in between.
  passed.lp = download_logprobs(core, lp, losses, batch, &trained_->lora());
  if (critic) passed.value = critic->value_metrics(v, batch);
  if (choices.count() > 0) {
    passed.choices = choice_metrics(batch, download_choices(core, choice_lp, batch, &trained_->lora()));
  }
  return passed;
}

AccumulateMetrics LoraAdapter::accumulate(const Batch& given, std::span<const float> dlp, Cancel cancel) {
  EngineCore& core = trained_->core();
  const Batch batch = with_choice_losses(given);
  check_batch(batch, core.llama.config(), {.loss_mask = true, .choices = true, .choice_targets = true});
  check_slopes(dlp, batch);
  core.begin_pass({Pass::Accumulate, &lora()}, batch);
  const LossPositions losses = find_losses(batch);
  AccumulateMetrics metrics{losses.count(), at_tokens(batch, losses, {}), {}};
  if (metrics.tokens == 0 && batch.choice_positions.empty()) return metrics;
  const float* slopes = upload_at(*core.backend, core.arena, dlp, losses);  // (M)
  const auto by_chunk = [&](float*, const float*, int64_t first, int64_t) { return slopes + first; };
  Passed passed = run(batch, losses, {by_chunk, nullptr}, {}, cancel);
  metrics.logprobs = at_tokens(batch, losses, passed.lp);
  metrics.choices = std::move(passed.choices);
  commit_gradients({trained_.get()});
  return metrics;
}

// L = −(1 / N_a) Σ lp, so dL / dlp = −1 / N_a for every token.
SftMetrics LoraAdapter::accumulate_sft(const Batch& batch, double normalizer, Cancel cancel) {
  check_normalizer(normalizer);
  const std::vector<float> dlp(batch.tokens.size(), static_cast<float>(-1.0 / normalizer));  // (N)
  AccumulateMetrics pass = accumulate(batch, dlp, cancel);
  SftMetrics metrics;
  metrics.tokens = pass.tokens;
  metrics.choices = std::move(pass.choices);
  for (const float lp : pass.logprobs) metrics.loss_sum -= lp;  // lp is 0 where lossMask is 0
  return metrics;
}

LoraCritic* LoraAdapter::critic_of(const ValueTerm& value) const {
  if (!value.critic) return nullptr;
  auto* critic = dynamic_cast<LoraCritic*>(value.critic);
  const bool ours = critic && &critic->trained().core() == &trained_->core();
  if (ours && (!critic->trunk() || critic->trunk() == this)) return critic;
  throw Error("invalid_argument",
              std::string("value.critic: expected a critic over this adapter's trunk or with a LoRA of its own, got ") +
                  (ours ? "one over another adapter's trunk" : "another model's"));
}

// A critic with a LoRA of its own gets its own pass after the actor's. The gradients of both are committed together at
// the end, so that a failure in either pass changes neither.
PolicyMetrics LoraAdapter::accumulate_policy(const Batch& given, const PolicyOptions& options, Cancel cancel) {
  check_policy(options);
  const Batch batch = with_choice_losses(given);
  LoraCritic* critic = critic_of(options.value);
  check_batch(batch, trained_->core().llama.config(),
              {.loss_mask = true,
               .old_logprobs = true,
               .ref_logprobs = needs_reference(batch, options),
               .advantages = true,
               .step_ids = options.step_ratio,
               .value_positions = critic != nullptr,
               .returns = critic != nullptr,
               .choices = true,
               .choice_targets = true});
  PolicyOptions actor = options;
  if (critic && !critic->trunk()) actor.value = {};
  PolicyMetrics metrics = policy_pass(batch, actor, cancel);
  if (!critic) {
    commit_gradients({trained_.get()});
    return metrics;
  }
  if (!critic->trunk()) metrics.value = critic->value_pass(batch, options.value.normalizer, cancel);
  commit_gradients({trained_.get(), &critic->trained()});
  return metrics;
}

PolicyMetrics LoraAdapter::policy_pass(const Batch& batch, const PolicyOptions& options, Cancel cancel) {
  EngineCore& core = trained_->core();
  const LoraCritic* critic = critic_of(options.value);
  const Pass::Kind kind = options.step_ratio ? Pass::PolicyBySteps : Pass::Policy;
  core.begin_pass({kind, &lora(), critic ? critic->hidden() : 0, critic != nullptr}, batch);
  const LossPositions losses = find_losses(batch);
  Backend& backend = *core.backend;
  const float* old_lp = upload_at(backend, core.arena, batch.old_logprobs, losses);  // (M)
  const float* ref_lp =
      needs_reference(batch, options) ? upload_at(backend, core.arena, batch.ref_logprobs, losses) : nullptr;
  const float* advantage = upload_at(backend, core.arena, batch.advantages, losses);
  const PolicyCoefficients c{options.clip, options.kl_coefficient, 1.0 / options.normalizer};
  Slopes slopes;
  slopes.by_chunk = [&](float* dlp, const float* lp, int64_t first, int64_t count) {
    backend.policy_backward(dlp, lp, old_lp + first, ref_lp ? ref_lp + first : nullptr, advantage + first, c, count);
    return dlp;
  };
  if (options.step_ratio) {
    slopes.at_once = [&](const std::vector<float>& lp) {
      return step_ratio_slopes(batch, losses, lp, policy_ratios(batch, losses, lp, true), options);
    };
  }
  Passed passed = run(batch, losses, slopes, options.value, cancel);
  PolicyMetrics metrics =
      policy_metrics(batch, losses, passed.lp, policy_ratios(batch, losses, passed.lp, options.step_ratio), options);
  metrics.logprobs = at_tokens(batch, losses, passed.lp);
  metrics.value = passed.value;
  metrics.choices = std::move(passed.choices);
  return metrics;
}

// Plans the policy's pass, as it holds a little more than those of the other losses.
MemoryPlan LoraAdapter::plan(const BatchShape& shape) {
  trained_->core().begin_call();
  return trained_->core().plan({Pass::Policy, &lora()}, shape);
}

void LoraAdapter::save_gguf(const std::string& path) {
  save_gguf_lora(path, tensors_of(*trained_), shapes_of(trained_->core().llama));
}

void LoraAdapter::save_peft(const std::string& folder) {
  spark::save_peft(folder, tensors_of(*trained_), shapes_of(trained_->core().llama));
}

}  // namespace spark
