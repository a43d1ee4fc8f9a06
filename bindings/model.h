// Exports on a Model handle; signatures in addon.cpp.
#pragma once

#include <napi.h>

namespace spark_node {

Napi::Value open_model(const Napi::CallbackInfo& info);
Napi::Value model_info(const Napi::CallbackInfo& info);
Napi::Value create_adapter(const Napi::CallbackInfo& info);
Napi::Value create_critic(const Napi::CallbackInfo& info);
Napi::Value load_adapter(const Napi::CallbackInfo& info);
Napi::Value logprobs(const Napi::CallbackInfo& info);
Napi::Value choice_logprobs(const Napi::CallbackInfo& info);
Napi::Value logprobs_and_values(const Napi::CallbackInfo& info);
Napi::Value save_model(const Napi::CallbackInfo& info);

}  // namespace spark_node
