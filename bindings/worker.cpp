// Native calls on the thread pool; the contract is in worker.h.
#include "worker.h"

#include <new>
#include <set>
#include <variant>

#include "core/error.h"

namespace spark_node {

namespace {

// Calls in flight in this environment (the main thread and each worker_thread have their own).
struct InFlight {
  std::multiset<CancelFlag> flags;
};

InFlight& in_flight(Napi::Env env) {
  auto* data = env.GetInstanceData<InFlight>();
  if (!data) {
    data = new InFlight;
    env.SetInstanceData(data);
  }
  return *data;
}

}  // namespace

Failure current_failure() {
  try {
    throw;
  } catch (const spark::Error& e) {
    return {e.code(), e.what()};
  } catch (const std::bad_alloc&) {
    return {"out_of_memory", "not enough memory for this call; use a smaller batch or model, or close other programs"};
  } catch (const std::exception& e) {
    return {"internal", std::string("unexpected failure in native code: ") + e.what()};
  } catch (...) {
    return {"internal", "unexpected failure in native code"};
  }
}

Napi::Error to_javascript(Napi::Env env, const Failure& failure) {
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", Napi::String::New(env, failure.code));
  return error;
}

void cancel_all(Napi::Env env) {
  for (const CancelFlag& flag : in_flight(env).flags) flag->store(true);
}

PromiseWorker::PromiseWorker(Napi::Env env, CallContext context)
    : Napi::AsyncWorker(env, "spark_rl"), context_(std::move(context)), deferred_(Napi::Promise::Deferred::New(env)) {}

PromiseWorker::~PromiseWorker() = default;

Napi::Promise PromiseWorker::start(std::unique_ptr<PromiseWorker> worker) {
  CallContext& context = worker->context_;
  if (context.gate) context.gate->require_ready(context.name);
  const Napi::Promise promise = worker->deferred_.Promise();
  worker->Queue();
  if (context.gate) context.gate->running = context.name;
  in_flight(worker->Env()).flags.insert(context.cancel);
  worker.release();  // deletes itself when it is done
  return promise;
}

void PromiseWorker::Execute() {
  try {
    if (context_.cancel->load()) throw spark::Error("interrupted", context_.name + ": cancelled before it started");
    compute(context_.cancel.get());
  } catch (...) {
    failure_ = current_failure();
  }
}

void PromiseWorker::OnOK() {
  const Napi::Env env = Env();
  auto& flags = in_flight(env).flags;
  if (const auto it = flags.find(context_.cancel); it != flags.end()) flags.erase(it);
  if (context_.gate) context_.gate->finish();
  // While a worker_thread is being terminated every Node-API call fails, also the one that would report a failure. The
  // exception is dropped, because nobody is left to hear of it, and outside this function it would end the process.
  try {
    settle(env);
  } catch (...) {
  }
}

void PromiseWorker::settle(Napi::Env env) {
  try {
    if (failure_) {
      deferred_.Reject(to_javascript(env, *failure_).Value());
    } else {
      deferred_.Resolve(result(env));
    }
  } catch (const Napi::Error& error) {
    deferred_.Reject(error.Value());
  } catch (...) {
    deferred_.Reject(to_javascript(env, current_failure()).Value());
  }
}

Napi::Promise run_void(Napi::Env env, CallContext context, std::function<void(spark::Cancel)> compute) {
  return run<std::monostate>(
      env, std::move(context),
      [compute = std::move(compute)](spark::Cancel cancel) {
        compute(cancel);
        return std::monostate{};
      },
      [](Napi::Env e, std::monostate&&) { return e.Undefined(); });
}

Napi::Float32Array float_array(Napi::Env env, std::vector<float>&& values) {
  const size_t count = values.size();
  if (count == 0) return Napi::Float32Array::New(env, 0);
  auto* owner = new std::vector<float>(std::move(values));
  const Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(
      env, owner->data(), count * sizeof(float), [](Napi::Env, void*, std::vector<float>* memory) { delete memory; },
      owner);
  return Napi::Float32Array::New(env, count, buffer, 0);
}

}  // namespace spark_node
