// A reading position in the bytes of a GGUF header. Every read first checks that the file has that many bytes left.
// Private to the reader.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/error.h"

namespace spark {

class GgufCursor {
 public:
  static constexpr uint64_t kMaxStringLength = uint64_t{1} << 30;  // llama.cpp's own limit

  GgufCursor(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }
  const std::byte* here() const { return bytes_.data() + position_; }

  [[noreturn]] void fail(const std::string& field, const std::string& problem) const {
    throw Error("invalid_file", path_ + ": " + field + ": " + problem + "; the file is damaged or no GGUF model");
  }

  const std::byte* take(uint64_t count, const std::string& field) {
    if (count > remaining()) {
      fail(field, "expected " + std::to_string(count) + " bytes at offset " + std::to_string(position_) + ", got " +
                      std::to_string(remaining()) + " to the end of the file");
    }
    const std::byte* data = bytes_.data() + position_;
    position_ += static_cast<size_t>(count);
    return data;
  }

  template <class T>
  T read(const std::string& field) {
    T value;
    std::memcpy(&value, take(sizeof(T), field), sizeof(T));
    return value;
  }

  std::string_view read_string(const std::string& field, uint64_t limit = kMaxStringLength) {
    const uint64_t length = read<uint64_t>(field);
    if (length > limit) {
      fail(field, "expected at most " + std::to_string(limit) + " bytes, got " + std::to_string(length));
    }
    const std::byte* data = take(length, field);
    return {reinterpret_cast<const char*>(data), static_cast<size_t>(length)};
  }

  // A key or a tensor's name. Readers in C see a name end at its first zero byte: with one inside, two readers see two
  // different names, and llama.cpp aborts over such a key.
  std::string read_name(const std::string& field, uint64_t limit) {
    const std::string_view name = read_string(field, limit);
    if (name.empty()) fail(field, "expected a name, got an empty one");
    if (name.find('\0') != std::string_view::npos) fail(field, "expected a name, got one with a zero byte inside");
    return std::string(name);
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& path_;
  size_t position_ = 0;
};

}  // namespace spark
