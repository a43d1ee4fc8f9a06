#include "handles.h"

#include <utility>

#include "arguments.h"
#include "core/error.h"

namespace spark_node {

void ModelState::require_ready(const std::string& call) const {
  if (disposed) throw spark::Error("disposed", call + ": expected an open model, got one that was disposed");
  if (!running.empty()) {
    throw spark::Error("model_busy", call + ": expected no call in flight on this model, got " + running +
                                         " still running; await it first");
  }
}

void ModelState::release(std::shared_ptr<void> object) {
  if (object && !running.empty()) leaving.push_back(std::move(object));
}

void ModelState::finish() {
  running.clear();
  leaving.clear();
}

void ModelState::dispose() {
  if (disposed) return;
  disposed = true;
  for (const auto& weak : std::exchange(children, {})) {
    if (const auto child = weak.lock()) child->dispose();
  }
  release(std::exchange(model, nullptr));
}

TrainableState::TrainableState(std::shared_ptr<ModelState> model, std::shared_ptr<spark::Adapter> a,
                               std::shared_ptr<spark::Critic> c)
    : owner(std::move(model)), adapter(std::move(a)), critic(std::move(c)) {}

std::shared_ptr<spark::Trainable> TrainableState::trainable() const {
  if (adapter) return adapter;
  if (critic) return critic;
  throw spark::Error("disposed", "expected a live adapter or critic, got one that was disposed");
}

void TrainableState::dispose() {
  owner->release(std::exchange(adapter, nullptr));
  owner->release(std::exchange(critic, nullptr));
}

namespace {

// Node-API recognises an object's kind by such a tag: 128 random bits that no other addon has.
constexpr napi_type_tag kModelTag = {0x8c1f7a3e52d94b06, 0x9e30c5d7184fa26b};
constexpr napi_type_tag kAdapterTag = {0x41d6e9082bf35c7a, 0xb7025e8d93c61f4e};
constexpr napi_type_tag kCriticTag = {0xe2750b9c6d184f3a, 0x5af8163c0e97d2b4};
constexpr napi_type_tag kCancelTag = {0x17b3f45ec8029a6d, 0xd46c8e1f7b50a392};

template <class T>
Napi::Object make_handle(Napi::Env env, const napi_type_tag& tag, std::shared_ptr<T> state) {
  Napi::Object object = Napi::Object::New(env);
  auto* holder = new std::shared_ptr<T>(std::move(state));
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<T>*>(data); };
  if (napi_wrap(env, object, holder, finalize, nullptr, nullptr) != napi_ok) {
    delete holder;
    throw Napi::Error::New(env);
  }
  if (napi_type_tag_object(env, object, &tag) != napi_ok) throw Napi::Error::New(env);
  return object;
}

bool has_tag(const Napi::Value& value, const napi_type_tag& tag) {
  bool matches = false;
  return value.IsObject() && napi_check_object_type_tag(value.Env(), value, &tag, &matches) == napi_ok && matches;
}

template <class T>
std::shared_ptr<T> unwrap(const Napi::Value& value) {
  void* data = nullptr;
  if (napi_unwrap(value.Env(), value, &data) != napi_ok || !data) throw Napi::Error::New(value.Env());
  return *static_cast<std::shared_ptr<T>*>(data);
}

[[noreturn]] void wrong_kind(const std::string& name, const std::string& expected, const Napi::Value& got) {
  const char* kind = has_tag(got, kModelTag)     ? "a Model"
                     : has_tag(got, kAdapterTag) ? "an Adapter"
                     : has_tag(got, kCriticTag)  ? "a Critic"
                     : has_tag(got, kCancelTag)  ? "a cancel flag"
                                                 : nullptr;
  if (!kind) refuse(name, expected, got);
  throw spark::Error("invalid_argument", name + ": expected " + expected + ", got " + kind);
}

}  // namespace

Napi::Object model_handle(Napi::Env env, std::shared_ptr<ModelState> state) {
  return make_handle(env, kModelTag, std::move(state));
}
Napi::Object adapter_handle(Napi::Env env, std::shared_ptr<TrainableState> state) {
  return make_handle(env, kAdapterTag, std::move(state));
}
Napi::Object critic_handle(Napi::Env env, std::shared_ptr<TrainableState> state) {
  return make_handle(env, kCriticTag, std::move(state));
}
Napi::Object cancel_handle(Napi::Env env) {
  return make_handle(env, kCancelTag, std::make_shared<std::atomic<bool>>(false));
}

bool is_model(const Napi::Value& value) { return has_tag(value, kModelTag); }

std::shared_ptr<ModelState> require_model(const Napi::Value& value) {
  if (!has_tag(value, kModelTag)) wrong_kind("model", "a Model", value);
  return unwrap<ModelState>(value);
}
std::shared_ptr<TrainableState> require_adapter(const Napi::Value& value, const char* name) {
  if (!has_tag(value, kAdapterTag)) wrong_kind(name, "an Adapter", value);
  return unwrap<TrainableState>(value);
}
std::shared_ptr<TrainableState> require_critic(const Napi::Value& value, const char* name) {
  if (!has_tag(value, kCriticTag)) wrong_kind(name, "a Critic", value);
  return unwrap<TrainableState>(value);
}
std::shared_ptr<TrainableState> require_trainable(const Napi::Value& value) {
  if (!has_tag(value, kAdapterTag) && !has_tag(value, kCriticTag)) {
    wrong_kind("handle", "an Adapter or a Critic", value);
  }
  return unwrap<TrainableState>(value);
}
std::shared_ptr<spark::Critic> critic_of_model(const std::shared_ptr<ModelState>& model, const Napi::Value& value,
                                               const char* name) {
  const auto state = require_critic(value, name);
  if (state->owner != model) {
    throw spark::Error("invalid_argument",
                       std::string(name) + ": expected a Critic of this model, got another model's");
  }
  state->trainable();  // throws when disposed
  return state->critic;
}
CancelFlag optional_cancel(const Napi::Value& value) {
  if (value.IsUndefined()) return std::make_shared<std::atomic<bool>>(false);
  if (!has_tag(value, kCancelTag)) wrong_kind("cancel", "a cancel flag or undefined", value);
  return unwrap<std::atomic<bool>>(value);
}

}  // namespace spark_node
