// Command line of the benchmark programs: positional words and `--name value`. An unknown or repeated name, a missing
// value and a word where a number belongs are errors; nothing is guessed.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"

namespace spark::bench {

class Flags {
 public:
  // `defaults` names every flag there is; a flag whose default is "false" is a switch and takes no value.
  Flags(int argc, char** argv, std::map<std::string, std::string> defaults) : values_(std::move(defaults)) {
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (!word.starts_with("--")) {
        words_.push_back(word);
        continue;
      }
      const auto entry = values_.find(word.substr(2));
      if (entry == values_.end()) throw Error("usage", word + ": no such flag; the flags are" + names());
      if (entry->second == "false") {
        entry->second = "true";
      } else if (++i < argc) {
        entry->second = argv[i];
      } else {
        throw Error("usage", word + ": expected a value after it");
      }
    }
  }

  const std::vector<std::string>& words() const { return words_; }
  const std::string& text(const std::string& name) const { return values_.at(name); }
  bool on(const std::string& name) const { return text(name) == "true"; }
  int64_t number(const std::string& name, int64_t low) const {
    const std::string& value = text(name);
    int64_t result = 0;
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (code == std::errc() && end == value.data() + value.size() && result >= low && result <= INT32_MAX)
      return result;
    throw Error("usage", "--" + name + ": expected a whole number from " + std::to_string(low) + ", got " + value);
  }

 private:
  std::string names() const {
    std::string all;
    for (const auto& [name, value] : values_) all += " --" + name;
    return all;
  }

  std::map<std::string, std::string> values_;
  std::vector<std::string> words_;
};

}  // namespace spark::bench
