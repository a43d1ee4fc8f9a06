// Command line of the benchmark programs, read by CLI11: unknown flags, missing values and words where a number belongs
// are errors; nothing is guessed.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <string>

#include "core/error.h"

namespace spark::bench {

// A whole number from `low` on.
inline CLI::Option* add_number(CLI::App& app, const std::string& flag, int64_t& value, int64_t low,
                               const std::string& description) {
  return app.add_option(flag, value, description)->check(CLI::Range(low, int64_t{INT32_MAX}))->capture_default_str();
}

inline CLI::Option* add_text(CLI::App& app, const std::string& flag, std::string& value,
                             const std::string& description) {
  return app.add_option(flag, value, description)->capture_default_str();
}

// Reads the command line and runs. The program's exit code: 1 when the run failed, 2 for a wrong command line.
template <class Run>
int parse_and_run(CLI::App& app, int argc, char** argv, Run&& run) {
  try {
    app.parse(argc, argv);
    return run();
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;  // 0: --help, which exit() has printed
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", e.code().c_str(), e.what());
    return e.code() == "usage" ? 2 : 1;
  }
}

}  // namespace spark::bench
