// What JavaScript holds: plain objects, type-tagged so that no other object passes for one, wrapping shared state.
// State is touched on the JavaScript thread only; the worker sees nothing but the engine objects it was given.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "train/engine.h"

namespace spark_node {

struct TrainableState;

// A model and the gate in front of it: one call in flight, none after dispose.
struct ModelState {
  std::shared_ptr<spark::Model> model;
  std::string running;  // name of the call in flight, "" when there is none
  bool disposed = false;
  std::vector<std::weak_ptr<TrainableState>> children;
  // Engine objects let go of during a call: they share memory with the one that runs, so they wait until it ends.
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
// A live Critic of this model: one of another never gets to the worker, whose own calls may run.
std::shared_ptr<spark::Critic> critic_of_model(const std::shared_ptr<ModelState>& model, const Napi::Value& value,
                                               const char* name);
CancelFlag optional_cancel(const Napi::Value& value);  // undefined: a flag of its own
bool is_model(const Napi::Value& value);

}  // namespace spark_node
