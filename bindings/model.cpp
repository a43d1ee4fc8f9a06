// Exports on a Model handle; signatures in addon.cpp.
#include "model.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "arguments.h"
#include "core/error.h"
#include "handles.h"
#include "worker.h"

namespace spark_node {

namespace {

// Makes the state of a new adapter or critic, and registers it with its model. Throws disposed when the model was
// disposed while the call ran.
std::shared_ptr<TrainableState> adopt(const std::shared_ptr<ModelState>& owner, std::shared_ptr<spark::Adapter> adapter,
                                      std::shared_ptr<spark::Critic> critic) {
  if (owner->disposed) throw spark::Error("disposed", "the model was disposed during the call; open it again");
  auto state = std::make_shared<TrainableState>(owner, std::move(adapter), std::move(critic));
  std::erase_if(owner->children, [](const auto& child) { return child.expired(); });
  owner->children.push_back(state);
  return state;
}

// Reads an argument that is an Adapter of this model, or null: none.
std::shared_ptr<spark::Adapter> adapter_or_none(const std::shared_ptr<ModelState>& model, const Napi::Value& value,
                                                const std::string& call) {
  if (value.IsNull()) return nullptr;
  const auto state = require_adapter(value);
  if (state->disposed()) {
    throw spark::Error("disposed", call + ": expected a live adapter, got one that was disposed");
  }
  if (state->owner != model) {
    throw spark::Error("invalid_argument", "adapter: expected an Adapter of this model, got another model's");
  }
  return state->adapter;
}

// Reads options.trunk: an Adapter of this model, or undefined: none.
std::shared_ptr<spark::Adapter> trunk_or_none(const std::shared_ptr<ModelState>& model, const Napi::Value& value) {
  if (value.IsUndefined()) return nullptr;
  const auto state = require_adapter(value, "options.trunk");
  if (state->disposed()) {
    throw spark::Error("disposed", "options.trunk: expected a live adapter, got one that was disposed");
  }
  if (state->owner != model) {
    throw spark::Error("adapter_mismatch", "options.trunk: expected an Adapter of this model, got another model's");
  }
  return state->adapter;
}

Napi::Object types_object(Napi::Env env, const std::map<std::string, int>& types) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, count] : types) object.Set(name, Napi::Number::New(env, count));
  return object;
}

Napi::Object info_object(Napi::Env env, const spark::ModelInfo& info) {
  Napi::Object object = Napi::Object::New(env);
  const auto number = [&](const char* key, int64_t value) {
    object.Set(key, Napi::Number::New(env, static_cast<double>(value)));
  };
  object.Set("path", info.path);
  object.Set("architecture", info.architecture);
  object.Set("backend", info.backend);
  object.Set("device", info.device);
  object.Set("compute", info.compute);
  object.Set("recompute", info.recompute);
  number("threads", info.threads);
  number("width", info.width);
  number("layers", info.layers);
  number("heads", info.heads);
  number("kvHeads", info.kv_heads);
  number("headSize", info.head_size);
  number("feedForward", info.feed_forward);
  number("vocabulary", info.vocabulary);
  number("contextLength", info.context_length);
  number("parameters", info.parameters);
  number("prefixUnit", info.prefix_unit);
  object.Set("tensorTypes", types_object(env, info.tensor_types));
  return object;
}

}  // namespace

Napi::Value open_model(const Napi::CallbackInfo& info) {
  const spark::ModelOptions options = model_options(info[0]);
  return run<std::shared_ptr<spark::Model>>(
      info.Env(), {"openModel", nullptr, optional_cancel(info[1])},
      [options](spark::Cancel cancel) { return spark::Model::open(options, cancel); },
      [](Napi::Env env, std::shared_ptr<spark::Model>&& model) {
        auto state = std::make_shared<ModelState>();
        state->model = std::move(model);
        return model_handle(env, std::move(state));
      });
}

Napi::Value model_info(const Napi::CallbackInfo& info) {
  const auto state = require_model(info[0]);
  if (state->disposed) throw spark::Error("disposed", "info: expected an open model, got one that was disposed");
  return info_object(info.Env(), state->model->info());
}

Napi::Value create_adapter(const Napi::CallbackInfo& info) {
  const spark::LoraOptions options = lora_options(info[1]);
  const auto state = require_model(info[0]);
  return run<std::shared_ptr<spark::Adapter>>(
      info.Env(), {"createAdapter", state, optional_cancel(info[2])},
      [model = state->model, options](spark::Cancel) { return model->create_adapter(options); },
      [state](Napi::Env env, std::shared_ptr<spark::Adapter>&& adapter) {
        return adapter_handle(env, adopt(state, std::move(adapter), nullptr));
      });
}

Napi::Value create_critic(const Napi::CallbackInfo& info) {
  Napi::Value trunk;
  spark::CriticOptions options = critic_options(info[1], trunk);
  const auto state = require_model(info[0]);
  options.trunk = trunk_or_none(state, trunk);
  return run<std::shared_ptr<spark::Critic>>(
      info.Env(), {"createCritic", state, optional_cancel(info[2])},
      [model = state->model, options](spark::Cancel) { return model->create_critic(options); },
      [state](Napi::Env env, std::shared_ptr<spark::Critic>&& critic) {
        return critic_handle(env, adopt(state, nullptr, std::move(critic)));
      });
}

Napi::Value load_adapter(const Napi::CallbackInfo& info) {
  const std::string path = require_path(info[1], "path");
  const auto state = require_model(info[0]);
  return run<std::shared_ptr<spark::Adapter>>(
      info.Env(), {"loadAdapter", state, optional_cancel(info[2])},
      [model = state->model, path](spark::Cancel) { return model->load_adapter(path); },
      [state](Napi::Env env, std::shared_ptr<spark::Adapter>&& adapter) {
        return adapter_handle(env, adopt(state, std::move(adapter), nullptr));
      });
}

namespace {

// A call (model, batch, adapter | null, cancel) → Float32Array.
Napi::Value read_floats(const Napi::CallbackInfo& info, const char* name,
                        std::vector<float> (spark::Model::*read)(const spark::Batch&, spark::Adapter*, spark::Cancel)) {
  auto batch = std::make_shared<OwnedBatch>(batch_argument(info[1]));
  const auto state = require_model(info[0]);
  const auto adapter = adapter_or_none(state, info[2], name);
  return run<std::vector<float>>(
      info.Env(), {name, state, optional_cancel(info[3])},
      [model = state->model, adapter, batch, read](spark::Cancel cancel) {
        return (*model.*read)(batch->view(), adapter.get(), cancel);
      },
      [](Napi::Env env, std::vector<float>&& values) { return float_array(env, std::move(values)); });
}

}  // namespace

Napi::Value logprobs(const Napi::CallbackInfo& info) { return read_floats(info, "logprobs", &spark::Model::logprobs); }

Napi::Value choice_logprobs(const Napi::CallbackInfo& info) {
  return read_floats(info, "choiceLogprobs", &spark::Model::choice_logprobs);
}

Napi::Value logprobs_and_values(const Napi::CallbackInfo& info) {
  auto batch = std::make_shared<OwnedBatch>(batch_argument(info[1]));
  const auto state = require_model(info[0]);
  const auto adapter = adapter_or_none(state, info[2], "logprobsAndValues");
  const auto critic = critic_of_model(state, info[3], "critic");
  return run<spark::LogprobsAndValues>(
      info.Env(), {"logprobsAndValues", state, optional_cancel(info[4])},
      [model = state->model, adapter, critic, batch](spark::Cancel cancel) {
        return model->logprobs_and_values(batch->view(), adapter.get(), *critic, cancel);
      },
      [](Napi::Env env, spark::LogprobsAndValues&& all) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("logprobs", float_array(env, std::move(all.logprobs)));
        object.Set("values", float_array(env, std::move(all.values)));
        object.Set("choiceLogprobs", float_array(env, std::move(all.choices)));
        return object;
      });
}

Napi::Value save_model(const Napi::CallbackInfo& info) {
  const std::string path = require_path(info[1], "path");
  spark::SaveOptions options;
  options.type =
      choice_field(require_object(info[2], "options"), "type", "keep", {"keep", "F32", "F16", "BF16", "Q8_0"});
  const auto state = require_model(info[0]);
  const auto adapter = adapter_or_none(state, info[3], "save");
  options.adapter = adapter.get();
  return run<spark::SaveReport>(
      info.Env(), {"save", state, optional_cancel(info[4])},
      [model = state->model, adapter, path, options](spark::Cancel cancel) {
        return model->save(path, options, cancel);
      },
      [](Napi::Env env, spark::SaveReport&& report) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("bytes", Napi::Number::New(env, static_cast<double>(report.bytes)));
        object.Set("tensorTypes", types_object(env, report.tensor_types));
        object.Set("merged", Napi::Number::New(env, report.merged));
        object.Set("unpacked", Napi::Number::New(env, report.unpacked));
        return object;
      });
}

}  // namespace spark_node
