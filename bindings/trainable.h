// Exports on Adapter and Critic handles; signatures in addon.cpp.
#pragma once

#include <napi.h>

namespace spark_node {

Napi::Value trainable_info(const Napi::CallbackInfo& info);
Napi::Value accumulate(const Napi::CallbackInfo& info);
Napi::Value accumulate_sft(const Napi::CallbackInfo& info);
Napi::Value accumulate_policy(const Napi::CallbackInfo& info);
Napi::Value save_adapter(const Napi::CallbackInfo& info);
Napi::Value values(const Napi::CallbackInfo& info);
Napi::Value accumulate_value(const Napi::CallbackInfo& info);
Napi::Value optimizer_step(const Napi::CallbackInfo& info);
Napi::Value zero_grad(const Napi::CallbackInfo& info);
Napi::Value save_state(const Napi::CallbackInfo& info);
Napi::Value load_state(const Napi::CallbackInfo& info);
Napi::Value plan(const Napi::CallbackInfo& info);
Napi::Value tensors(const Napi::CallbackInfo& info);

}  // namespace spark_node
