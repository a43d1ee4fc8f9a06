#include "flags.h"

#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/error.h"

namespace spark::bench {

Flags::Flags(const std::string& about) : app_(std::make_unique<CLI::App>(about)) {}

Flags::~Flags() = default;

void Flags::number(const std::string& flag, int64_t& value, int64_t low, const std::string& description) {
  app_->add_option(flag, value, description)->check(CLI::Range(low, int64_t{INT32_MAX}))->capture_default_str();
}

void Flags::text(const std::string& flag, std::string& value, const std::string& description,
                 const std::vector<std::string>& choices) {
  CLI::Option* option = app_->add_option(flag, value, description)->capture_default_str();
  if (!choices.empty()) option->check(CLI::IsMember(choices));
}

void Flags::yes(const std::string& flag, bool& value, const std::string& description) {
  app_->add_flag(flag, value, description);
}

void Flags::word(const std::string& name, std::string& value, const std::string& description) {
  app_->add_option(name, value, description)->required();
}

void Flags::words(const std::string& name, std::vector<std::string>& values, const std::string& description) {
  app_->add_option(name, values, description)->expected(0, 2);
}

int Flags::run(int argc, char** argv, const std::function<int()>& run) {
  try {
    app_->parse(argc, argv);
    return run();
  } catch (const CLI::ParseError& e) {
    return app_->exit(e) == 0 ? 0 : 2;  // 0: --help, which exit() has printed
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", e.code().c_str(), e.what());
    return e.code() == "usage" ? 2 : 1;
  }
}

}  // namespace spark::bench
