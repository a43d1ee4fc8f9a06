// Exports on Adapter and Critic handles; signatures in addon.cpp.
#include "trainable.h"

#include <optional>
#include <utility>

#include "arguments.h"
#include "core/error.h"
#include "handles.h"
#include "worker.h"

namespace spark_node {

namespace {

void set_number(Napi::Object& object, const char* key, double value) {
  object.Set(key, Napi::Number::New(object.Env(), value));
}

std::shared_ptr<spark::Adapter> live_adapter(const TrainableState& state) {
  state.trainable();  // throws when disposed
  return state.adapter;
}

std::shared_ptr<spark::Critic> live_critic(const TrainableState& state) {
  state.trainable();
  return state.critic;
}

Napi::Object value_object(Napi::Env env, const spark::ValueMetrics& m) {
  Napi::Object object = Napi::Object::New(env);
  set_number(object, "count", static_cast<double>(m.count));
  set_number(object, "lossSum", m.loss_sum);
  return object;
}

// As `choices` where the call's batch had some with a loss.
void set_choices(Napi::Object& object, std::optional<spark::ChoiceMetrics>&& m) {
  if (!m) return;
  Napi::Object choices = Napi::Object::New(object.Env());
  set_number(choices, "groups", static_cast<double>(m->groups));
  set_number(choices, "lossSum", m->loss_sum);
  choices.Set("logprobs", float_array(object.Env(), std::move(m->logprobs)));
  object.Set("choices", choices);
}

}  // namespace

Napi::Value trainable_info(const Napi::CallbackInfo& info) {
  const auto state = require_trainable(info[0]);
  const auto trainable = state->trainable();
  const spark::LoraOptions& lora = trainable->lora();
  Napi::Object object = Napi::Object::New(info.Env());
  set_number(object, "rank", lora.rank);
  set_number(object, "alpha", static_cast<double>(lora.alpha));
  set_number(object, "parameterCount", static_cast<double>(trainable->parameter_count()));
  Napi::Array targets = Napi::Array::New(info.Env(), lora.targets.size());
  for (uint32_t i = 0; i < lora.targets.size(); ++i) targets.Set(i, lora.targets[i]);
  object.Set("targets", targets);
  const std::vector<spark::LoraWeight> list = trainable->weights();
  Napi::Array weights = Napi::Array::New(info.Env(), list.size());
  for (uint32_t i = 0; i < list.size(); ++i) {
    Napi::Object weight = Napi::Object::New(info.Env());
    weight.Set("name", list[i].name);
    set_number(weight, "rank", list[i].rank);
    set_number(weight, "alpha", static_cast<double>(list[i].alpha));
    weights.Set(i, weight);
  }
  object.Set("weights", weights);
  return object;
}

Napi::Value accumulate(const Napi::CallbackInfo& info) {
  auto batch = std::make_shared<OwnedBatch>(batch_argument(info[1]));
  auto dlp = std::make_shared<std::vector<float>>(floats_argument(info[2], "dlp"));  // (N)
  const auto state = require_adapter(info[0]);
  return run<spark::AccumulateMetrics>(
      info.Env(), {"accumulate", state->owner, optional_cancel(info[3])},
      [adapter = live_adapter(*state), batch, dlp](spark::Cancel cancel) {
        return adapter->accumulate(batch->view(), *dlp, cancel);
      },
      [](Napi::Env env, spark::AccumulateMetrics&& m) {
        Napi::Object object = Napi::Object::New(env);
        set_number(object, "tokens", static_cast<double>(m.tokens));
        object.Set("logprobs", float_array(env, std::move(m.logprobs)));
        set_choices(object, std::move(m.choices));
        return object;
      });
}

Napi::Value accumulate_sft(const Napi::CallbackInfo& info) {
  auto batch = std::make_shared<OwnedBatch>(batch_argument(info[1]));
  const double normalizer = normalizer_option(info[2]);
  const auto state = require_adapter(info[0]);
  return run<spark::SftMetrics>(
      info.Env(), {"accumulateSft", state->owner, optional_cancel(info[3])},
      [adapter = live_adapter(*state), batch, normalizer](spark::Cancel cancel) {
        return adapter->accumulate_sft(batch->view(), normalizer, cancel);
      },
      [](Napi::Env env, spark::SftMetrics&& m) {
        Napi::Object object = Napi::Object::New(env);
        set_number(object, "tokens", static_cast<double>(m.tokens));
        set_number(object, "lossSum", m.loss_sum);
        set_choices(object, std::move(m.choices));
        return object;
      });
}

Napi::Value accumulate_policy(const Napi::CallbackInfo& info) {
  auto batch = std::make_shared<OwnedBatch>(batch_argument(info[1]));
  Napi::Value handle;
  spark::PolicyOptions options = policy_options(info[2], handle);
  const auto state = require_adapter(info[0]);
  const auto adapter = live_adapter(*state);
  std::shared_ptr<spark::Critic> critic;
  if (!handle.IsEmpty()) critic = critic_of_model(state->owner, handle, "options.value.critic");
  options.value.critic = critic.get();
  return run<spark::PolicyMetrics>(
      info.Env(), {"accumulatePolicy", state->owner, optional_cancel(info[3])},
      [adapter, critic, batch, options](spark::Cancel cancel) {
        return adapter->accumulate_policy(batch->view(), options, cancel);
      },
      [](Napi::Env env, spark::PolicyMetrics&& m) {
        Napi::Object object = Napi::Object::New(env);
        set_number(object, "tokens", static_cast<double>(m.tokens));
        set_number(object, "clipLossSum", m.clip_loss_sum);
        set_number(object, "klLossSum", m.kl_loss_sum);
        set_number(object, "k1Sum", m.k1_sum);
        set_number(object, "k2Sum", m.k2_sum);
        set_number(object, "k3Sum", m.k3_sum);
        set_number(object, "clippedCount", static_cast<double>(m.clipped_count));
        set_number(object, "ratioSum", m.ratio_sum);
        set_number(object, "ratioMax", m.ratio_max);
        object.Set("logprobs", float_array(env, std::move(m.logprobs)));
        if (m.value) object.Set("value", value_object(env, *m.value));
        set_choices(object, std::move(m.choices));
        return object;
      });
}

Napi::Value save_adapter(const Napi::CallbackInfo& info) {
  const std::string path = require_path(info[1], "path");
  const std::string format = require_string(info[2], "format");
  if (format != "gguf" && format != "peft") refuse("format", "\"gguf\" or \"peft\"", info[2]);
  const auto state = require_adapter(info[0]);
  return run_void(info.Env(), {"save", state->owner, optional_cancel(info[3])},
                  [adapter = live_adapter(*state), path, format](spark::Cancel) {
                    format == "gguf" ? adapter->save_gguf(path) : adapter->save_peft(path);
                  });
}

Napi::Value values(const Napi::CallbackInfo& info) {
  auto batch = std::make_shared<OwnedBatch>(batch_argument(info[1]));
  const auto state = require_critic(info[0]);
  return run<std::vector<float>>(
      info.Env(), {"values", state->owner, optional_cancel(info[2])},
      [critic = live_critic(*state), batch](spark::Cancel cancel) { return critic->values(batch->view(), cancel); },
      [](Napi::Env env, std::vector<float>&& v) { return float_array(env, std::move(v)); });
}

Napi::Value accumulate_value(const Napi::CallbackInfo& info) {
  auto batch = std::make_shared<OwnedBatch>(batch_argument(info[1]));
  const double normalizer = normalizer_option(info[2]);
  const auto state = require_critic(info[0]);
  return run<spark::ValueMetrics>(
      info.Env(), {"accumulateValue", state->owner, optional_cancel(info[3])},
      [critic = live_critic(*state), batch, normalizer](spark::Cancel cancel) {
        return critic->accumulate_value(batch->view(), normalizer, cancel);
      },
      [](Napi::Env env, spark::ValueMetrics&& m) { return value_object(env, m); });
}

Napi::Value optimizer_step(const Napi::CallbackInfo& info) {
  const spark::OptimizerOptions options = optimizer_options(info[1]);
  const auto state = require_trainable(info[0]);
  return run<spark::OptimizerMetrics>(
      info.Env(), {"optimizerStep", state->owner, optional_cancel(info[2])},
      [trainable = state->trainable(), options](spark::Cancel) { return trainable->optimizer_step(options); },
      [](Napi::Env env, spark::OptimizerMetrics&& m) {
        Napi::Object object = Napi::Object::New(env);
        set_number(object, "gradNorm", m.grad_norm);
        set_number(object, "step", static_cast<double>(m.step));
        return object;
      });
}

Napi::Value zero_grad(const Napi::CallbackInfo& info) {
  const auto state = require_trainable(info[0]);
  return run_void(info.Env(), {"zeroGrad", state->owner, optional_cancel(info[1])},
                  [trainable = state->trainable()](spark::Cancel) { trainable->zero_grad(); });
}

Napi::Value save_state(const Napi::CallbackInfo& info) {
  const std::string path = require_path(info[1], "path");
  const auto state = require_trainable(info[0]);
  return run_void(info.Env(), {"saveState", state->owner, optional_cancel(info[2])},
                  [trainable = state->trainable(), path](spark::Cancel) { trainable->save_state(path); });
}

Napi::Value load_state(const Napi::CallbackInfo& info) {
  const std::string path = require_path(info[1], "path");
  const auto state = require_trainable(info[0]);
  return run_void(info.Env(), {"loadState", state->owner, optional_cancel(info[2])},
                  [trainable = state->trainable(), path](spark::Cancel) { trainable->load_state(path); });
}

Napi::Value plan(const Napi::CallbackInfo& info) {
  const spark::BatchShape shape = shape_argument(info[1]);
  const auto state = require_trainable(info[0]);
  return run<spark::MemoryPlan>(
      info.Env(), {"plan", state->owner, optional_cancel(info[2])},
      [trainable = state->trainable(), shape](spark::Cancel) { return trainable->plan(shape); },
      [](Napi::Env env, spark::MemoryPlan&& p) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("recompute", p.recompute);
        set_number(object, "weights", static_cast<double>(p.weights));
        set_number(object, "parameters", static_cast<double>(p.parameters));
        set_number(object, "activations", static_cast<double>(p.activations));
        set_number(object, "workspace", static_cast<double>(p.workspace));
        set_number(object, "host", static_cast<double>(p.host));
        set_number(object, "total", static_cast<double>(p.total));
        set_number(object, "limit", static_cast<double>(p.limit));
        object.Set("fits", p.fits);
        return object;
      });
}

Napi::Value tensors(const Napi::CallbackInfo& info) {
  const std::string which = require_string(info[1], "which");
  if (which != "value" && which != "grad") refuse("which", "\"value\" or \"grad\"", info[1]);
  const auto state = require_trainable(info[0]);
  return run<std::vector<spark::NamedTensor>>(
      info.Env(), {"tensors", state->owner, optional_cancel(info[2])},
      [trainable = state->trainable(), gradients = which == "grad"](spark::Cancel) {
        return trainable->tensors(gradients);
      },
      [](Napi::Env env, std::vector<spark::NamedTensor>&& list) {
        Napi::Object object = Napi::Object::New(env);
        for (spark::NamedTensor& tensor : list) {
          Napi::Object entry = Napi::Object::New(env);
          Napi::Array shape = Napi::Array::New(env, tensor.shape.size());
          for (uint32_t i = 0; i < tensor.shape.size(); ++i) shape.Set(i, static_cast<double>(tensor.shape[i]));
          entry.Set("shape", shape);
          entry.Set("data", float_array(env, std::move(tensor.data)));
          object.Set(tensor.name, entry);
        }
        return object;
      });
}

}  // namespace spark_node
