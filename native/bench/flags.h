// Command line of the benchmark programs, read by CLI11: unknown flags, missing values and words where a number belongs
// are errors; nothing is guessed. CLI11 itself is seen by flags.cpp alone, because it takes ten seconds to compile.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace spark::bench {

// The variables keep what they hold when a flag is not given; --help shows it as the default.
class Flags {
 public:
  explicit Flags(const std::string& about);
  ~Flags();
  // A whole number from `low` on.
  void number(const std::string& flag, int64_t& value, int64_t low, const std::string& description);
  // `choices` empty: any text.
  void text(const std::string& flag, std::string& value, const std::string& description,
            const std::vector<std::string>& choices = {});
  void yes(const std::string& flag, bool& value, const std::string& description);
  // A word without a flag, which has to be there; in the order of the calls.
  void word(const std::string& name, std::string& value, const std::string& description);
  // At most two words without a flag.
  void words(const std::string& name, std::vector<std::string>& values, const std::string& description);

  // Reads the command line and runs. The program's exit code: what `run` returns, 1 when it threw, 2 for a wrong
  // command line.
  int run(int argc, char** argv, const std::function<int()>& run);

 private:
  std::unique_ptr<CLI::App> app_;
};

}  // namespace spark::bench
