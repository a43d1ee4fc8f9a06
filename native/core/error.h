// Every failure leaves native code as spark::Error: a stable code (the same strings as src/errors.ts) and a message
// that says what was expected and what came. Nothing in native/ calls exit() or abort().
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace spark {

class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const noexcept { return code_; }

 private:
  std::string code_;
};

}  // namespace spark
