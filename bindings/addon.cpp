// The list of the addon's exports. Their only caller is src/engine, which wraps handles (opaque tagged objects) in
// classes. A `cancel` argument is a flag made by createCancel(), or undefined. Options and results are the types of
// src/engine/types.ts. A bad argument throws invalid_argument at once; later errors reject the promise.
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

// Later calls on the handle fail with `disposed`; a disposed model disposes its adapters and critics. A call in flight
// goes on, and memory is freed when no call and no handle uses it.
Napi::Value dispose(const Napi::CallbackInfo& info) {
  if (is_model(info[0])) {
    require_model(info[0])->dispose();
  } else {
    require_trainable(info[0])->dispose();
  }
  return info.Env().Undefined();
}

// Turns C++ exceptions into JavaScript errors with a code. A Napi::Error is one already, and node-addon-api throws it.
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
  add<open_model>(exports, "openModel");            // ({path, …OpenModelOptions}, cancel) → Promise<model>
  add<model_info>(exports, "modelInfo");            // (model) → ModelInfo
  add<create_adapter>(exports, "createAdapter");    // (model, options, cancel) → Promise<adapter>
  add<create_critic>(exports, "createCritic");      // (model, options, cancel) → Promise<critic>
  add<load_adapter>(exports, "loadAdapter");        // (model, path, cancel) → Promise<adapter>
  add<logprobs>(exports, "logprobs");               // (model, batch, adapter | null, cancel) → Promise<Float32Array>
  add<choice_logprobs>(exports, "choiceLogprobs");  // (model, batch, adapter | null, cancel) → Promise<Float32Array>
  // (model, batch, adapter | null, critic, cancel) → Promise<LogprobsAndValues>
  add<logprobs_and_values>(exports, "logprobsAndValues");
  add<save_model>(exports, "saveModel");          // (model, path, {type}, adapter | null, cancel) → Promise<SaveReport>
  add<trainable_info>(exports, "trainableInfo");  // (adapter | critic) → {rank, alpha, targets, weights, …}
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
  add<tensors>(exports, "tensors");  // (adapter | critic, 'value' | 'grad', cancel) → Promise<{name: {shape, data}}>
  add<dispose>(exports, "dispose");  // (model | adapter | critic)
  add<create_cancel>(exports, "createCancel");  // () → cancel
  add<cancel>(exports, "cancel");               // (cancel)
  add<cancel_every>(exports, "cancelAll");      // () cancels every call in flight
  return exports;
}

}  // namespace

NODE_API_MODULE(spark_rl, init)

}  // namespace spark_node
