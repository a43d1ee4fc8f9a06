#include "model/adapter_config.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/json.h"
#include "core/mapped_file.h"
#include "model/adapter_layout.h"
#include "model/adapter_refusal.h"

namespace spark {

namespace {

using nlohmann::json;

std::string short_text(const json& value) {
  return value.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 100);
}

// Nothing, as PEFT writes it: null, false, an empty list or table.
bool is_empty(const json& value) {
  return value.is_null() || value == false || (value.is_structured() && value.empty());
}

// What these models compute does not depend on them: how an adapter was made, trained or found. Which weights it adapts
// its tensors say, and fan_in_fan_out is for layers that these models have none of (PEFT ignores it for theirs).
constexpr const char* kHarmless[] = {"task_type",
                                     "auto_mapping",
                                     "peft_version",
                                     "base_model_name_or_path",
                                     "revision",
                                     "inference_mode",
                                     "target_modules",
                                     "exclude_modules",
                                     "lora_dropout",
                                     "fan_in_fan_out",
                                     "layers_to_transform",
                                     "layers_pattern",
                                     "megatron_config",
                                     "megatron_core",
                                     "eva_config",
                                     "qalora_group_size",
                                     "runtime_config",
                                     "peft_type",
                                     "r",
                                     "lora_alpha",
                                     "use_rslora",
                                     "rank_pattern",
                                     "alpha_pattern",
                                     "init_lora_weights",
                                     "bias"};

// What changes the computation, in words; with kMergeAdvice unless there is another way.
struct Refusal {
  const char* key;
  const char* what;
  const char* advice = kMergeAdvice;
};
constexpr const char* kPlainAdvice =
    "save it as plain LoRA: save_pretrained(folder, path_initial_model_for_weight_conversion=…)";
constexpr Refusal kRefusals[] = {
    {"use_dora", "DoRA, whose outputs are scaled by a trained magnitude"},
    {"lora_bias", "a bias of the adapter's own"},
    {"modules_to_save", "whole weights that were trained beside the LoRA"},
    {"trainable_token_indices", "whole rows of the embedding that were trained"},
    {"ensure_weight_tying", "one adapter of the embedding and of the output projection"},
    {"layer_replication", "layers that are used more than once"},
    {"target_parameters", "LoRA on bare parameters, as of experts"},
    {"alora_invocation_tokens", "an activated LoRA (aLoRA), which counts only after certain tokens",
     "train a LoRA without alora_invocation_tokens"},
    {"use_qalora", "QALoRA, whose inputs are pooled"},
    {"use_bdlora", "BD-LoRA, whose factors are block-diagonal"},
    {"velora_config", "VeLoRA"},
    {"monteclora_config", "MonteCLoRA"},
    {"kasa_config", "KaSA, which changes the base's weights"},
    {"arrow_config", "Arrow, a mixture of adapters"},
    {"loftq_config", "LoftQ, which changes the base's weights", kPlainAdvice},
    {"corda_config", "CorDA, which changes the base's weights", kPlainAdvice},
    {"lora_ga_config", "LoRA-GA, which changes the base's weights", kPlainAdvice},
};

[[noreturn]] void refuse(const std::string& path, const std::string& key, const json& value, const std::string& what,
                         const std::string& advice) {
  throw Error("unsupported_file",
              path + ": " + key + ": expected plain LoRA, got " + short_text(value) + ": " + what + "; " + advice);
}

// PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA start by taking something away from the base's weights; these do not.
void check_initialisation(const json& config, const std::string& path) {
  const json value = config.value("init_lora_weights", json());
  if (value.is_null() || value.is_boolean()) return;
  for (const char* plain : {"gaussian", "eva", "orthogonal"}) {
    if (value == plain) return;
  }
  refuse(path, "init_lora_weights", value, "an adapter that began by changing the base's weights", kPlainAdvice);
}

void check_keys(const json& config, const std::string& path) {
  for (const auto& [key, value] : config.items()) {
    const std::string& name = key;
    const auto same = [&](const char* known) { return name == known; };
    if (is_empty(value) || std::any_of(std::begin(kHarmless), std::end(kHarmless), same)) continue;
    for (const Refusal& known : kRefusals) {
      if (name == known.key) refuse(path, name, value, known.what, known.advice);
    }
    refuse(path, name, value, "a setting that this version does not know and that may change what is computed",
           std::string("remove it if it does not, else ") + kMergeAdvice);
  }
  const json bias = config.value("bias", json());
  if (!bias.is_null() && bias != "none") refuse(path, "bias", bias, "biases that were trained", kMergeAdvice);
  check_initialisation(config, path);
}

json read_object(const std::string& path) {
  const MappedFile map(path);
  json config = parse_json({reinterpret_cast<const char*>(map.bytes().data()), map.bytes().size()}, path);
  if (!config.is_object()) throw Error("invalid_file", path + ": expected a JSON object");
  const json kind = config.value("peft_type", json());
  if (!kind.is_string()) throw Error("invalid_file", path + ": expected peft_type, a name, got " + short_text(kind));
  if (kind != "LORA") refuse_kind(path, kind.get<std::string>());
  return config;
}

// Regular expressions that take no time on a name: no repeated group, and at most three repetitions.
bool is_simple(const std::string& pattern) {
  const auto repeats = [](char c) { return c == '*' || c == '+' || c == '{' || c == '?'; };
  for (size_t i = 1; i < pattern.size(); ++i) {
    if (pattern[i - 1] == ')' && repeats(pattern[i])) return false;
  }
  return pattern.size() <= 200 && std::count_if(pattern.begin(), pattern.end(), repeats) <= 3;
}

std::regex parse_pattern(const std::string& pattern, const std::string& place) {
  try {
    if (is_simple(pattern)) return std::regex("(.*\\.)?(" + pattern + ")");
  } catch (const std::regex_error&) {
  }
  throw Error("unsupported_file", place + ": expected names of modules, or simple patterns of them, got " +
                                      short_text(json(pattern)) + "; write out the modules that it stands for");
}

}  // namespace

PeftPattern::PeftPattern(const json& config, const std::string& source, const char* key) : source_(source), key_(key) {
  const json table = config.value(key, json());
  const std::string place = source + ": " + key;
  if (is_empty(table)) return;
  if (!table.is_object()) throw Error("invalid_file", place + ": expected a table, got " + short_text(table));
  for (const auto& [pattern, value] : table.items()) {
    if (!value.is_number()) {
      throw Error("invalid_file",
                  place + ": " + short_text(json(pattern)) + ": expected a number, got " + short_text(value));
    }
    patterns_.emplace_back(parse_pattern(pattern, place), value.get<double>());
  }
}

double PeftPattern::value(const std::string& module, double fallback) const {
  std::optional<double> found;
  for (const auto& [pattern, value] : patterns_) {
    if (!std::regex_match(module, pattern)) continue;
    if (found && *found != value) {
      throw Error("unsupported_file", source_ + ": " + key_ + ": expected one pattern for " + module +
                                          ", got several with different values, of which the first counts for PEFT; "
                                          "leave one of them");
    }
    found = value;
  }
  return found.value_or(fallback);
}

PeftConfig::PeftConfig(const json& config, const std::string& path)
    : path_(path), ranks_(config, path, "rank_pattern"), alphas_(config, path, "alpha_pattern") {
  check_keys(config, path);
  const json rank = config.value("r", json()), alpha = config.value("lora_alpha", json());
  if (!rank.is_number_integer() || rank.get<int64_t>() < 1 || !alpha.is_number()) {
    throw Error("invalid_file", path + ": expected r, a whole number from 1, and lora_alpha, a number");
  }
  rank_ = rank.get<int64_t>(), alpha_ = alpha.get<double>();
  stabilised_ = config.value("use_rslora", json()) == true;
}

PeftConfig PeftConfig::read(const std::string& path) { return {read_object(path), path}; }

float PeftConfig::alpha(const std::string& module, int rank) const {
  const double expected = ranks_.value(module, static_cast<double>(rank_));
  if (expected != rank) {
    throw Error("adapter_mismatch", path_ + ": r of " + module + ": expected " + std::to_string(rank) +
                                        ", the rank of its tensors, got " + short_text(json(expected)) +
                                        "; configuration and tensors are of different adapters");
  }
  const float alpha = static_cast<float>(alphas_.value(module, alpha_));
  return stabilised_ ? alpha * std::sqrt(static_cast<float>(rank)) : alpha;
}

namespace {

// The whole alpha of which rank-stabilised LoRA makes this one; nothing where there is none.
std::optional<float> stabilised_alpha(const LoraWeight& weight) {
  const float root = std::sqrt(static_cast<float>(weight.rank)), alpha = std::round(weight.alpha / root);
  return alpha * root == weight.alpha ? std::optional(alpha) : std::nullopt;
}

bool is_whole(float alpha) { return alpha == std::floor(alpha) && std::fabs(alpha) < 1e9f; }

// PEFT types lora_alpha as an integer; a fractional one is written as it is, which PEFT accepts too.
json alpha_json(float alpha) { return is_whole(alpha) ? json(static_cast<int64_t>(alpha)) : json(alpha); }

// The part of a module's name that all layers have in common.
std::string last_part(const std::string& module) { return module.substr(module.rfind('.') + 1); }

// Calls f(weight, its module without the model's name) for each weight.
template <class F>
void each_weight(const LoraTensors& lora, const LoraShapes& shapes, F&& f) {
  size_t index = 0;
  for (const LoraPlace& place : lora_places(shapes)) {
    if (index >= lora.weights.size() || lora.weights[index].name != place.weight) continue;
    const std::string model = "model.";
    f(lora.weights[index++], place.module.starts_with(model) ? place.module.substr(model.size()) : place.module);
  }
}

// The modules' names; where some layers have other weights than the rest, with their layers.
json target_modules(const LoraTensors& lora, const LoraShapes& shapes) {
  std::map<std::string, int64_t> layers;  // of a name
  std::vector<std::string> names;
  json each = json::array();
  each_weight(lora, shapes, [&](const LoraWeight&, const std::string& module) {
    each.push_back(module);
    if (layers[last_part(module)]++ == 0) names.push_back(last_part(module));
  });
  for (const auto& [name, count] : layers) {
    if (count != shapes.layers && name != "embed_tokens" && name != "lm_head") return each;
  }
  return names;
}

// What differs from `common`: by a module's name where all its layers agree, else by layer and module.
json pattern_of(const LoraTensors& lora, const LoraShapes& shapes, float common,
                const std::function<float(const LoraWeight&)>& value) {
  std::map<std::string, std::set<float>> values;
  each_weight(lora, shapes, [&](const LoraWeight& weight, const std::string& module) {
    values[last_part(module)].insert(value(weight));
  });
  json pattern = json::object();
  each_weight(lora, shapes, [&](const LoraWeight& weight, const std::string& module) {
    const std::string name = last_part(module);
    if (value(weight) != common) pattern[values[name].size() == 1 ? name : module] = alpha_json(value(weight));
  });
  return pattern;
}

}  // namespace

json peft_config(const LoraTensors& lora, const LoraShapes& shapes) {
  const auto& weights = lora.weights;
  const auto all = [&](auto&& holds) { return std::all_of(weights.begin(), weights.end(), holds); };
  const bool stabilised = !all([](const LoraWeight& w) { return is_whole(w.alpha); }) &&
                          all([](const LoraWeight& w) { return stabilised_alpha(w).has_value(); });
  const auto alpha = [&](const LoraWeight& w) { return stabilised ? *stabilised_alpha(w) : w.alpha; };
  const float common = alpha({"", lora.rank, lora.alpha});
  json config = {{"peft_type", "LORA"},
                 {"task_type", "CAUSAL_LM"},
                 {"base_model_name_or_path", nullptr},
                 {"r", lora.rank},
                 {"lora_alpha", alpha_json(common)},
                 {"lora_dropout", 0.0},
                 {"target_modules", target_modules(lora, shapes)},
                 {"bias", "none"},
                 {"fan_in_fan_out", false},
                 {"inference_mode", true},
                 {"use_rslora", stabilised}};
  if (!shapes.base_name.empty()) config["base_model_name_or_path"] = shapes.base_name;
  const auto rank = [](const LoraWeight& w) { return static_cast<float>(w.rank); };
  json ranks = pattern_of(lora, shapes, static_cast<float>(lora.rank), rank);
  json alphas = pattern_of(lora, shapes, common, alpha);
  if (!ranks.empty()) config["rank_pattern"] = std::move(ranks);
  if (!alphas.empty()) config["alpha_pattern"] = std::move(alphas);
  return config;
}

}  // namespace spark
