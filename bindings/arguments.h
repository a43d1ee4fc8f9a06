// Reads and checks JavaScript arguments; a message names the argument, what was expected and what came. Reading may run
// user code (getters, proxies), so callers read all arguments first and look at the state of handles afterwards.
#pragma once

#include <napi.h>

#include <functional>
#include <string>
#include <vector>

#include "train/engine.h"

namespace spark_node {

std::string describe(const Napi::Value& value);  // "Float32Array", "string", "null", …
[[noreturn]] void refuse(const std::string& name, const std::string& expected, const Napi::Value& got);

Napi::Object require_object(const Napi::Value& value, const std::string& name);
std::string require_string(const Napi::Value& value, const std::string& name);
std::string require_path(const Napi::Value& value, const std::string& name);  // no NUL, not empty

// Fields of an options object; absent (undefined) gives the fallback.
double number_field(const Napi::Object& object, const char* key, double fallback);
int64_t integer_field(const Napi::Object& object, const char* key, int64_t fallback, int64_t least, int64_t most);
std::string choice_field(const Napi::Object& object, const char* key, const std::string& fallback,
                         const std::vector<std::string>& choices);

spark::ModelOptions model_options(const Napi::Value& value);
spark::LoraOptions lora_options(const Napi::Value& value);
// Handles in the options are returned unread in the second argument: options.trunk (undefined when there is none), and
// options.value.critic (empty when there is no value term).
spark::CriticOptions critic_options(const Napi::Value& value, Napi::Value& trunk);
spark::PolicyOptions policy_options(const Napi::Value& value, Napi::Value& critic);
spark::OptimizerOptions optimizer_options(const Napi::Value& value);
double normalizer_option(const Napi::Value& value);
spark::BatchShape shape_argument(const Napi::Value& value);

// A copy of a batch. The call reads it on another thread while JavaScript goes on, and JavaScript may write to its
// arrays or transfer them away: Node-API can neither pin the memory of a typed array nor forbid that. Token ids and
// positions are used as indices, so they must not change after they were checked. The copy costs at most 25 bytes a
// token and 8 an alternative at memory speed (200 KB, about 20 µs, for 8192 tokens, whose forward pass takes seconds).
struct OwnedBatch {
  std::vector<int32_t> tokens, cu_seqlens, step_ids, value_positions, choice_positions, choice_offsets, choice_tokens;
  std::vector<uint8_t> loss_mask;
  std::vector<float> old_logprobs, ref_logprobs, advantages, returns, choice_targets;
  spark::Batch view() const;
};
OwnedBatch batch_argument(const Napi::Value& value);
// A copy of a Float32Array, for the same reason. The engine checks its length.
std::vector<float> floats_argument(const Napi::Value& value, const std::string& name);

}  // namespace spark_node
