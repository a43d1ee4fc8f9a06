// The list of the addon's exports. Handles are opaque tagged objects; src/engine wraps them in classes and is the only
// caller. `cancel` is a flag made by createCancel(), or undefined. Results of promises are typed in
// src/engine/types.ts.
#include <napi.h>

#include "core/error.h"
#include "handles.h"
#include "model.h"
#include "trainable.h"
#include "worker.h"

namespace spark_node {

namespace {

Napi::Value create_cancel(const Napi::CallbackInfo& info) { return cancel_handle(info.Env()); }

Napi::Value cancel(const Napi::CallbackInfo& info) {
  if (info[0].IsUndefined()) throw spark::Error("invalid_argument", "cancel: expected a cancel flag, got undefined");
  optional_cancel(info[0])->store(true);
  return info.Env().Undefined();
}

Napi::Value cancel_every(const Napi::CallbackInfo& info) {
  cancel_all(info.Env());
  return info.Env().Undefined();
}

// Later calls on the handle fail with `disposed`; for a model, also calls on its adapters and critics. A call in flight
// is not stopped. Memory is freed when nothing uses it any more.
Napi::Value dispose(const Napi::CallbackInfo& info) {
  if (is_model(info[0])) {
    require_model(info[0])->dispose();
  } else {
    require_trainable(info[0])->dispose();
  }
  return info.Env().Undefined();
}

// Turns C++ exceptions into JavaScript errors with a code; Napi::Error passes through to node-addon-api.
template <Napi::Value (*F)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return F(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_javascript(info.Env(), current_failure());
  }
}

template <Napi::Value (*F)(const Napi::CallbackInfo&)>
void add(Napi::Object& exports, const char* name) {
  exports.Set(name, Napi::Function::New(exports.Env(), guarded<F>, name));
}

Napi::Object init(Napi::Env, Napi::Object exports) {
  add<open_model>(exports, "openModel");          // ({path, …OpenModelOptions}, cancel) → Promise<model>
  add<model_info>(exports, "modelInfo");          // (model) → ModelInfo
  add<create_adapter>(exports, "createAdapter");  // (model, options, cancel) → Promise<adapter>
  add<create_critic>(exports, "createCritic");    // (model, options, cancel) → Promise<critic>
  add<load_adapter>(exports, "loadAdapter");      // (model, path, cancel) → Promise<adapter>
  add<logprobs>(exports, "logprobs");             // (model, batch, adapter | null, cancel) → Promise<Float32Array>
  // (model, batch, adapter | null, critic, cancel) → Promise<LogprobsAndValues>
  add<logprobs_and_values>(exports, "logprobsAndValues");
  add<save_model>(exports, "saveModel");          // (model, path, {type}, adapter | null, cancel) → Promise<SaveReport>
  add<trainable_info>(exports, "trainableInfo");  // (adapter | critic) → {rank, alpha, targets, parameterCount}
  add<accumulate>(exports, "accumulate");         // (adapter, batch, dlp, cancel) → Promise<AccumulateMetrics>
  add<accumulate_sft>(exports, "accumulateSft");  // (adapter, batch, {normalizer}, cancel) → Promise<SftMetrics>
  add<accumulate_policy>(exports, "accumulatePolicy");  // (adapter, batch, options, cancel) → Promise<PolicyMetrics>
  add<save_adapter>(exports, "saveAdapter");            // (adapter, path, 'gguf' | 'peft', cancel) → Promise<void>
  add<values>(exports, "values");                       // (critic, batch, cancel) → Promise<Float32Array>
  add<accumulate_value>(exports, "accumulateValue");    // (critic, batch, {normalizer}, cancel) → Promise<ValueMetrics>
  add<optimizer_step>(exports, "optimizerStep");  // (adapter | critic, options, cancel) → Promise<OptimizerMetrics>
  add<zero_grad>(exports, "zeroGrad");            // (adapter | critic, cancel) → Promise<void>
  add<save_state>(exports, "saveState");          // (adapter | critic, path, cancel) → Promise<void>
  add<load_state>(exports, "loadState");          // (adapter | critic, path, cancel) → Promise<void>
  add<plan>(exports, "plan");                     // (adapter | critic, BatchShape, cancel) → Promise<MemoryPlan>
  add<tensors>(exports, "tensors");               // (adapter | critic, 'value' | 'grad', cancel) → Promise<…>
  add<dispose>(exports, "dispose");               // (model | adapter | critic)
  add<create_cancel>(exports, "createCancel");    // () → cancel
  add<cancel>(exports, "cancel");                 // (cancel)
  add<cancel_every>(exports, "cancelAll");        // () turns on the flag of every call in flight
  return exports;
}

}  // namespace

NODE_API_MODULE(spark_rl, init)

}  // namespace spark_node
