// What tests of files need: a folder of their own, whole-file reads and writes, and the code of what was thrown.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "core/error.h"

namespace spark_test {

// Whether the tested code is sanitized, which makes what is slow ten times slower: such tests then do less. A test's
// own code never is, so only heap_counter.cpp, which is compiled for each program, knows.
extern const bool kSanitized;

// A fresh folder, removed with everything in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "spark-test-XXXXXX").string();
    if (!mkdtemp(pattern.data())) throw std::system_error(errno, std::generic_category(), "mkdtemp");
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  size_t entries() const {
    return static_cast<size_t>(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

struct Thrown {
  std::string code = "nothing thrown", message;
  bool says(const std::string& text) const { return message.find(text) != std::string::npos; }
};

// Only spark::Error is caught: anything else fails the test by itself.
template <class F>
Thrown thrown(F&& f) {
  try {
    f();
  } catch (const spark::Error& e) {
    return {e.code(), e.what()};
  }
  return {};
}

}  // namespace spark_test
