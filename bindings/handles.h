// Handles: plain JavaScript objects that wrap shared state, with a type tag by which every other object is refused. The
// state is used on the JavaScript thread only; a worker gets just the engine objects that its call needs.
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "train/engine.h"

namespace spark_node {

struct TrainableState;

// State of a model handle. It allows one call at a time on the model and its adapters and critics, and none after
// dispose.
struct ModelState {
  std::shared_ptr<spark::Model> model;
  std::string running;  // name of the call in flight, "" when there is none
  bool disposed = false;
  std::vector<std::weak_ptr<TrainableState>> children;  // its adapters and critics
  // Engine objects released during a call. The call may use their memory, so they are freed when it ends.
  std::vector<std::shared_ptr<void>> leaving;

  void require_ready(const std::string& call) const;  // throws disposed or model_busy
  void release(std::shared_ptr<void> object);         // frees it now, or at the end of the call in flight
  void finish();                                      // to be called when the call in flight has ended
  void dispose();                                     // the children too
};

// State of an adapter's or a critic's handle.
struct TrainableState {
  std::shared_ptr<ModelState> owner;
  std::shared_ptr<spark::Adapter> adapter;  // adapter or critic is set, the other null; both null after dispose
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

// The state behind a handle. Each throws invalid_argument, naming the argument `name`, for any other kind of value.
std::shared_ptr<ModelState> require_model(const Napi::Value& value);
std::shared_ptr<TrainableState> require_adapter(const Napi::Value& value, const char* name = "adapter");
std::shared_ptr<TrainableState> require_critic(const Napi::Value& value, const char* name = "critic");
std::shared_ptr<TrainableState> require_trainable(const Napi::Value& value);  // adapter or critic
// A critic that is not disposed (disposed) and is this model's (invalid_argument). Another model's is refused before
// the engine sees it: a call of that model may be running, and only calls of this model are kept apart.
std::shared_ptr<spark::Critic> critic_of_model(const std::shared_ptr<ModelState>& model, const Napi::Value& value,
                                               const char* name);
CancelFlag optional_cancel(const Napi::Value& value);  // undefined gives a new flag
bool is_model(const Napi::Value& value);

}  // namespace spark_node
