// The pieces of a GGUF header, appended to a string. Private to the two writers.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/gguf.h"

namespace spark {

template <class T>
void put(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

inline void put_string(std::string& out, const std::string& text) {
  put<uint64_t>(out, text.size());
  out += text;
}

inline std::string gguf_header(size_t tensors, size_t metadata) {
  std::string out = "GGUF";
  put<uint32_t>(out, 3);
  put<uint64_t>(out, tensors);
  put<uint64_t>(out, metadata);
  return out;
}

inline void put_value(std::string& out, const std::variant<std::string, float, uint32_t>& value) {
  constexpr uint32_t kTypeU32 = 4, kTypeF32 = 6, kTypeString = 8;
  if (const auto* text = std::get_if<std::string>(&value)) {
    put(out, kTypeString);
    put_string(out, *text);
  } else if (const auto* number = std::get_if<float>(&value)) {
    put(out, kTypeF32);
    put(out, *number);
  } else {
    put(out, kTypeU32);
    put(out, std::get<uint32_t>(value));
  }
}

// `offset` is from the start of the data; the file lists the innermost dimension first.
inline void put_tensor(std::string& out, const std::string& name, const std::vector<int64_t>& shape, TensorType type,
                       uint64_t offset) {
  put_string(out, name);
  put<uint32_t>(out, static_cast<uint32_t>(shape.size()));
  for (auto d = shape.rbegin(); d != shape.rend(); ++d) put<uint64_t>(out, static_cast<uint64_t>(*d));
  put<uint32_t>(out, static_cast<uint32_t>(type));
  put<uint64_t>(out, offset);
}

}  // namespace spark
