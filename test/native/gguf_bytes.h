// A GGUF file put together byte by byte, so that a test can damage any one of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace spark_test {

template <class T>
std::string le(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}
inline std::string text(const std::string& s) { return le<uint64_t>(s.size()) + s; }
inline std::string header(uint64_t tensors, uint64_t metadata, uint32_t version = 3) {
  return "GGUF" + le(version) + le(tensors) + le(metadata);
}
inline std::string tensor(const std::string& name, const std::vector<uint64_t>& inner_first, uint32_t type,
                          uint64_t offset) {
  std::string out = text(name) + le(static_cast<uint32_t>(inner_first.size()));
  for (uint64_t d : inner_first) out += le(d);
  return out + le(type) + le(offset);
}
inline std::string pad(std::string s, size_t alignment = 32) {
  s.append((alignment - s.size() % alignment) % alignment, '\0');
  return s;
}

}  // namespace spark_test
