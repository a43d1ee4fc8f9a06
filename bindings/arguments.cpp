// Reading and checking of JavaScript arguments; the contract is in arguments.h.
#include "arguments.h"

#include <cmath>
#include <cstring>

#include "core/error.h"

namespace spark_node {

std::string describe(const Napi::Value& value) {
  if (value.IsEmpty() || value.IsUndefined()) return "undefined";
  if (value.IsNull()) return "null";
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value() ? "true" : "false";
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    std::string text = std::to_string(number);
    if (std::isfinite(number) && number == std::floor(number) && std::fabs(number) < 1e15) {
      text = std::to_string(static_cast<int64_t>(number));
    }
    return text;
  }
  if (value.IsString()) {
    std::string text = value.As<Napi::String>().Utf8Value().substr(0, 100);
    return std::string("\"").append(text).append("\"");
  }
  if (value.IsTypedArray()) {
    constexpr const char* kNames[] = {"Int8Array",    "Uint8Array",    "Uint8ClampedArray", "Int16Array",
                                      "Uint16Array",  "Int32Array",    "Uint32Array",       "Float32Array",
                                      "Float64Array", "BigInt64Array", "BigUint64Array"};
    napi_typedarray_type type{};
    if (napi_get_typedarray_info(value.Env(), value, &type, nullptr, nullptr, nullptr, nullptr) == napi_ok &&
        static_cast<size_t>(type) < std::size(kNames)) {
      return kNames[type];
    }
    return "a typed array of another kind";
  }
  if (value.IsArray()) return "an array";
  if (value.IsFunction()) return "a function";
  if (value.IsObject()) return "an object";
  return "a value of another type";
}

void refuse(const std::string& name, const std::string& expected, const Napi::Value& got) {
  throw spark::Error("invalid_argument", name + ": expected " + expected + ", got " + describe(got));
}

Napi::Object require_object(const Napi::Value& value, const std::string& name) {
  if (!value.IsObject() || value.IsArray() || value.IsTypedArray() || value.IsFunction()) {
    refuse(name, "an object", value);
  }
  return value.As<Napi::Object>();
}

std::string require_string(const Napi::Value& value, const std::string& name) {
  if (!value.IsString()) refuse(name, "a string", value);
  return value.As<Napi::String>().Utf8Value();
}

std::string require_path(const Napi::Value& value, const std::string& name) {
  std::string path = require_string(value, name);
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw spark::Error("invalid_argument",
                       name + ": expected a path without NUL characters, got " + (path.empty() ? "\"\"" : "one with"));
  }
  return path;
}

namespace {

std::string option(const char* key) { return std::string("options.") + key; }

Napi::Object options_object(const Napi::Value& value) { return require_object(value, "options"); }

}  // namespace

double number_field(const Napi::Object& object, const char* key, double fallback) {
  const Napi::Value value = object.Get(key);
  if (value.IsUndefined()) return fallback;
  if (!value.IsNumber() || !std::isfinite(value.As<Napi::Number>().DoubleValue())) {
    refuse(option(key), "a finite number", value);
  }
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_field(const Napi::Object& object, const char* key, int64_t fallback, int64_t least, int64_t most) {
  const Napi::Value value = object.Get(key);
  if (value.IsUndefined()) return fallback;
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (!(number == std::floor(number)) || number < static_cast<double>(least) || number > static_cast<double>(most)) {
    refuse(option(key), "a whole number from " + std::to_string(least) + " to " + std::to_string(most), value);
  }
  return static_cast<int64_t>(number);
}

std::string choice_field(const Napi::Object& object, const char* key, const std::string& fallback,
                         const std::vector<std::string>& choices) {
  const Napi::Value value = object.Get(key);
  if (value.IsUndefined()) return fallback;
  std::string expected;
  for (const std::string& choice : choices) {
    if (value.IsString() && value.As<Napi::String>().Utf8Value() == choice) return choice;
    expected += (expected.empty() ? "\"" : " or \"") + choice + "\"";
  }
  refuse(option(key), expected, value);
}

namespace {

constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

void read_lora(const Napi::Object& object, spark::LoraOptions& options) {
  options.rank = static_cast<int>(integer_field(object, "rank", options.rank, 1, 4096));
  options.alpha = static_cast<float>(number_field(object, "alpha", options.alpha));
  options.seed = static_cast<uint64_t>(integer_field(object, "seed", 0, 0, kMaxSafeInteger));
  const Napi::Value targets = object.Get("targets");
  if (targets.IsUndefined()) return;
  if (!targets.IsArray()) refuse("options.targets", "an array of q, k, v, o, gate, up, down", targets);
  const Napi::Array array = targets.As<Napi::Array>();
  options.targets.clear();
  const uint32_t length = array.Length();
  if (length < 1 || length > 7) {
    throw spark::Error("invalid_argument",
                       "options.targets: expected 1 to 7 of q, k, v, o, gate, up, down, got " + std::to_string(length));
  }
  for (uint32_t i = 0; i < length; ++i) {
    options.targets.push_back(require_string(array.Get(i), "options.targets[" + std::to_string(i) + "]"));
  }
}

}  // namespace

spark::ModelOptions model_options(const Napi::Value& value) {
  const Napi::Object object = options_object(value);
  spark::ModelOptions options;
  options.path = require_path(object.Get("path"), "path");
  options.backend = choice_field(object, "backend", "auto", {"auto", "cpu", "cuda"});
  options.device = static_cast<int>(integer_field(object, "device", 0, 0, 1024));
  options.threads = static_cast<int>(integer_field(object, "threads", 0, 0, 1024));
  options.compute = choice_field(object, "compute", "auto", {"auto", "f32", "bf16", "fp8"});
  options.recompute = choice_field(object, "recompute", "auto", {"auto", "none", "cheap", "block", "offload"});
  options.memory_limit = integer_field(object, "memoryLimit", 0, 0, int64_t{1} << 52);
  return options;
}

spark::BatchShape shape_argument(const Napi::Value& value) {
  const Napi::Object object = require_object(value, "shape");
  constexpr int64_t kMost = int64_t{1} << 30;
  spark::BatchShape shape;
  shape.tokens = integer_field(object, "tokens", 0, 0, kMost);
  shape.sequences = integer_field(object, "sequences", 1, 0, kMost);
  shape.longest = integer_field(object, "longest", shape.tokens, 0, kMost);
  shape.loss_tokens = integer_field(object, "lossTokens", 0, 0, kMost);
  shape.values = integer_field(object, "values", 0, 0, kMost);
  shape.choices = integer_field(object, "choices", 0, 0, kMost);
  shape.alternatives = integer_field(object, "alternatives", 2 * shape.choices, 0, kMost);
  shape.prefix = integer_field(object, "prefix", 0, 0, kMost);
  return shape;
}

spark::LoraOptions lora_options(const Napi::Value& value) {
  spark::LoraOptions options;
  read_lora(options_object(value), options);
  return options;
}

spark::CriticOptions critic_options(const Napi::Value& value, Napi::Value& trunk) {
  const Napi::Object object = options_object(value);
  spark::CriticOptions options;
  trunk = object.Get("trunk");
  read_lora(object, options);
  options.hidden = integer_field(object, "hidden", 0, 0, 1 << 20);
  return options;
}

spark::PolicyOptions policy_options(const Napi::Value& value, Napi::Value& critic) {
  const Napi::Object object = options_object(value);
  spark::PolicyOptions options;
  options.normalizer = normalizer_option(value);
  options.clip = static_cast<float>(number_field(object, "clip", options.clip));
  options.kl_coefficient = static_cast<float>(number_field(object, "klCoefficient", options.kl_coefficient));
  options.step_ratio = choice_field(object, "ratio", "token", {"token", "step"}) == "step";
  const Napi::Value term = object.Get("value");
  if (term.IsUndefined()) return options;
  const Napi::Object fields = require_object(term, "options.value");
  const auto number = [&](const char* key, bool zero) {
    const Napi::Value given = fields.Get(key);
    const double got = given.IsNumber() ? given.As<Napi::Number>().DoubleValue() : -1;
    if (!std::isfinite(got) || got < 0 || (got == 0 && !zero)) {
      refuse(std::string("options.value.") + key, zero ? "a number of at least 0" : "a positive number", given);
    }
    return got;
  };
  critic = fields.Get("critic");
  options.value.normalizer = number("normalizer", false);
  options.value.coefficient = static_cast<float>(number("coefficient", true));
  return options;
}

spark::OptimizerOptions optimizer_options(const Napi::Value& value) {
  const Napi::Object object = options_object(value);
  spark::OptimizerOptions options;
  if (object.Get("learningRate").IsUndefined()) refuse("options.learningRate", "a number", object.Get("learningRate"));
  const auto read = [&](const char* key, float& field) {
    field = static_cast<float>(number_field(object, key, field));
    if (field < 0) refuse(option(key), "a number of at least 0", object.Get(key));
  };
  read("learningRate", options.learning_rate);
  read("beta1", options.beta1);
  read("beta2", options.beta2);
  read("epsilon", options.epsilon);
  read("weightDecay", options.weight_decay);
  read("maxGradNorm", options.max_grad_norm);
  return options;
}

double normalizer_option(const Napi::Value& value) {
  const Napi::Object object = options_object(value);
  const Napi::Value normalizer = object.Get("normalizer");
  const double number = normalizer.IsNumber() ? normalizer.As<Napi::Number>().DoubleValue() : 0;
  if (!std::isfinite(number) || number <= 0) refuse("options.normalizer", "a positive number", normalizer);
  return number;
}

namespace {

template <class T>
void copy_array(const Napi::Value& value, const std::string& name, napi_typedarray_type expected,
                const char* expected_name, std::vector<T>& out) {
  napi_typedarray_type type{};
  size_t length = 0;
  void* data = nullptr;
  if (!value.IsTypedArray() ||
      napi_get_typedarray_info(value.Env(), value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != expected) {
    refuse(name, expected_name, value);
  }
  // A detached buffer counts as length 0, which the engine refuses, naming the length it expected.
  out.resize(data ? length : 0);
  if (!out.empty()) std::memcpy(out.data(), data, out.size() * sizeof(T));
}

template <class T>
void copy_field(const Napi::Object& batch, const char* key, napi_typedarray_type expected, const char* expected_name,
                bool required, std::vector<T>& out) {
  const Napi::Value value = batch.Get(key);
  if (value.IsUndefined() && !required) return;
  copy_array(value, std::string("batch.") + key, expected, expected_name, out);
}

}  // namespace

OwnedBatch batch_argument(const Napi::Value& value) {
  const Napi::Object object = require_object(value, "batch");
  OwnedBatch batch;
  copy_field(object, "tokens", napi_int32_array, "Int32Array", true, batch.tokens);
  copy_field(object, "cuSeqlens", napi_int32_array, "Int32Array", true, batch.cu_seqlens);
  copy_field(object, "lossMask", napi_uint8_array, "Uint8Array", true, batch.loss_mask);
  copy_field(object, "oldLogprobs", napi_float32_array, "Float32Array", false, batch.old_logprobs);
  copy_field(object, "refLogprobs", napi_float32_array, "Float32Array", false, batch.ref_logprobs);
  copy_field(object, "advantages", napi_float32_array, "Float32Array", false, batch.advantages);
  copy_field(object, "stepIds", napi_int32_array, "Int32Array", false, batch.step_ids);
  copy_field(object, "valuePositions", napi_int32_array, "Int32Array", false, batch.value_positions);
  copy_field(object, "returns", napi_float32_array, "Float32Array", false, batch.returns);
  copy_field(object, "choicePositions", napi_int32_array, "Int32Array", false, batch.choice_positions);
  copy_field(object, "choiceOffsets", napi_int32_array, "Int32Array", false, batch.choice_offsets);
  copy_field(object, "choiceTokens", napi_int32_array, "Int32Array", false, batch.choice_tokens);
  copy_field(object, "choiceTargets", napi_float32_array, "Float32Array", false, batch.choice_targets);
  return batch;
}

std::vector<float> floats_argument(const Napi::Value& value, const std::string& name) {
  std::vector<float> floats;
  copy_array(value, name, napi_float32_array, "Float32Array", floats);
  return floats;
}

spark::Batch OwnedBatch::view() const {
  return {tokens,          cu_seqlens, loss_mask,        old_logprobs,   ref_logprobs,  advantages,    step_ids,
          value_positions, returns,    choice_positions, choice_offsets, choice_tokens, choice_targets};
}

}  // namespace spark_node
