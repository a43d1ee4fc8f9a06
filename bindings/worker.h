// Every native call runs here: a promise that is computed on the thread pool and resolved on the JavaScript thread.
// Errors reject it and carry a `.code`. While a call runs its model is marked busy, and its cancel flag is in the list
// of flags that cancelAll() sets when the process exits.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "handles.h"

namespace spark_node {

// Code and message of the exception that is being handled; to be called in a catch block.
struct Failure {
  std::string code, message;
};
Failure current_failure();
Napi::Error to_javascript(Napi::Env env, const Failure& failure);

void cancel_all(Napi::Env env);

// What every call has. `gate` is the model, null for openModel, which has none yet.
struct CallContext {
  std::string name;
  std::shared_ptr<ModelState> gate;
  CancelFlag cancel;
};

class PromiseWorker : public Napi::AsyncWorker {
 public:
  PromiseWorker(Napi::Env env, CallContext context);
  ~PromiseWorker() override;
  // Hands the worker to the thread pool; it deletes itself. Throws when the model is busy or disposed.
  static Napi::Promise start(std::unique_ptr<PromiseWorker> worker);

 protected:
  virtual void compute(spark::Cancel cancel) = 0;  // on the thread pool
  virtual Napi::Value result(Napi::Env env) = 0;   // on the JavaScript thread

 private:
  void Execute() final;
  void OnOK() final;
  void settle(Napi::Env env);

  CallContext context_;
  Napi::Promise::Deferred deferred_;
  std::optional<Failure> failure_;
};

template <class T>
class TypedWorker final : public PromiseWorker {
 public:
  using Compute = std::function<T(spark::Cancel)>;
  using Convert = std::function<Napi::Value(Napi::Env, T&&)>;
  TypedWorker(Napi::Env env, CallContext context, Compute compute, Convert convert)
      : PromiseWorker(env, std::move(context)), compute_(std::move(compute)), convert_(std::move(convert)) {}

 private:
  void compute(spark::Cancel cancel) override { value_.emplace(compute_(cancel)); }
  Napi::Value result(Napi::Env env) override { return convert_(env, std::move(*value_)); }

  Compute compute_;
  Convert convert_;
  std::optional<T> value_;
};

template <class T>
Napi::Promise run(Napi::Env env, CallContext context, typename TypedWorker<T>::Compute compute,
                  typename TypedWorker<T>::Convert convert) {
  return PromiseWorker::start(
      std::make_unique<TypedWorker<T>>(env, std::move(context), std::move(compute), std::move(convert)));
}

// For calls with nothing to return.
Napi::Promise run_void(Napi::Env env, CallContext context, std::function<void(spark::Cancel)> compute);

// A Float32Array that takes over the vector's memory, so that nothing is copied on the event loop.
Napi::Float32Array float_array(Napi::Env env, std::vector<float>&& values);

}  // namespace spark_node
