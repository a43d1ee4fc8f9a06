// adapter_config.json of a Hugging Face PEFT folder: what it says about each weight. Every key that PEFT knows is
// honoured, known to change nothing for these models, or refused by name; so is a key that nobody knows.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "model/adapter_io.h"

namespace spark {

// Keys of rank_pattern or alpha_pattern, regular expressions that a module's name or its end must match, with values.
class PeftPattern {
 public:
  // Throws unsupported_file for a pattern that is no simple one. `source` and `key` are for messages.
  PeftPattern(const nlohmann::json& config, const std::string& source, const char* key);
  // The value for this module, or `fallback`. Throws unsupported_file where two patterns fit with different values:
  // PEFT takes the first, and the order of keys is not kept in files.
  double value(const std::string& module, double fallback) const;

 private:
  std::string source_;
  const char* key_;
  std::vector<std::pair<std::regex, double>> patterns_;
};

class PeftConfig {
 public:
  // Throws io_error, invalid_file, unsupported_file.
  static PeftConfig read(const std::string& path);
  // The alpha of a module (model.layers.0.self_attn.q_proj) whose tensors have this rank: the scale of the module by
  // the configuration is alpha / rank, also with use_rslora. Throws adapter_mismatch where the configuration says
  // another rank.
  float alpha(const std::string& module, int rank) const;

 private:
  PeftConfig(const nlohmann::json& config, const std::string& path);
  std::string path_;
  int64_t rank_ = 0;
  double alpha_ = 0;
  bool stabilised_ = false;  // use_rslora: the scale is alpha / √r
  PeftPattern ranks_, alphas_;
};

// The configuration of an adapter that check_lora has filled in: with use_rslora where that is how its alphas come
// about.
nlohmann::json peft_config(const LoraTensors& lora, const LoraShapes& shapes);

}  // namespace spark
