// Handles are plain JavaScript objects that wrap shared state, with a type tag so that no other object can pass for
// one. The state is used only on the JavaScript thread; a worker gets the engine objects it needs and nothing else.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "train/engine.h"

namespace spark_node {

struct TrainableState;

// A model, which allows one call at a time and none after dispose.
struct ModelState {
  std::shared_ptr<spark::Model> model;
  std::string running;  // name of the call in flight, "" when there is none
  bool disposed = false;
  std::vector<std::weak_ptr<TrainableState>> children;
  // Engine objects released during a call. They share memory with what the call uses, so they are freed when it ends.
  std::vector<std::shared_ptr<void>> leaving;

  void require_ready(const std::string& call) const;  // throws disposed or model_busy
  void release(std::shared_ptr<void> object);
  void finish();
  void dispose();
};

struct TrainableState {
  std::shared_ptr<ModelState> owner;
  std::shared_ptr<spark::Adapter> adapter;  // one of the two, none after dispose
  std::shared_ptr<spark::Critic> critic;

  TrainableState(std::shared_ptr<ModelState> model, std::shared_ptr<spark::Adapter> a,
                 std::shared_ptr<spark::Critic> c);
  ~TrainableState() { dispose(); }
  bool disposed() const { return !adapter && !critic; }
  std::shared_ptr<spark::Trainable> trainable() const;  // throws disposed
  void dispose();
};

using CancelFlag = std::shared_ptr<std::atomic<bool>>;

Napi::Object model_handle(Napi::Env env, std::shared_ptr<ModelState> state);
Napi::Object adapter_handle(Napi::Env env, std::shared_ptr<TrainableState> state);
Napi::Object critic_handle(Napi::Env env, std::shared_ptr<TrainableState> state);
Napi::Object cancel_handle(Napi::Env env);

// Each throws invalid_argument for anything but its own kind.
std::shared_ptr<ModelState> require_model(const Napi::Value& value);
std::shared_ptr<TrainableState> require_adapter(const Napi::Value& value, const char* name = "adapter");
std::shared_ptr<TrainableState> require_critic(const Napi::Value& value, const char* name = "critic");
std::shared_ptr<TrainableState> require_trainable(const Napi::Value& value);  // adapter or critic
// A Critic of this model that is not disposed. One of another model is refused here, because a call on it may be
// running.
std::shared_ptr<spark::Critic> critic_of_model(const std::shared_ptr<ModelState>& model, const Napi::Value& value,
                                               const char* name);
CancelFlag optional_cancel(const Napi::Value& value);  // undefined gives a new flag
bool is_model(const Napi::Value& value);

}  // namespace spark_node
