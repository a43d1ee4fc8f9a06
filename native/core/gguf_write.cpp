// The GGUF writer: version 3, F32 tensors, each padded to the default alignment of 32 bytes.
#include <bit>
#include <cstring>

#include "core/atomic_file.h"
#include "core/checked.h"
#include "core/error.h"
#include "core/gguf.h"

namespace spark {

namespace {

constexpr uint32_t kTypeU32 = 4, kTypeF32 = 6, kTypeString = 8;  // metadata value types
constexpr size_t kAlignment = 32;

size_t padding(size_t position) { return (kAlignment - position % kAlignment) % kAlignment; }

template <class T>
void put(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little);
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_string(std::string& out, const std::string& text) {
  put<uint64_t>(out, text.size());
  out += text;
}

void put_value(std::string& out, const std::variant<std::string, float, uint32_t>& value) {
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

void check_entry(const GgufWriter::Entry& entry) {
  const auto count = element_count(entry.shape);
  if (entry.shape.empty() || entry.shape.size() > 4 || !count || static_cast<size_t>(*count) != entry.data.size()) {
    throw Error("invalid_argument", "tensor " + entry.name + ": expected 1 to 4 dimensions whose product is the " +
                                        std::to_string(entry.data.size()) + " values given, got another shape");
  }
}

}  // namespace

void GgufWriter::write(const std::string& path) const {
  std::string header = "GGUF";
  put<uint32_t>(header, 3);
  put<uint64_t>(header, tensors.size());
  put<uint64_t>(header, metadata.size());
  for (const auto& [key, value] : metadata) {
    put_string(header, key);
    put_value(header, value);
  }
  uint64_t offset = 0;
  for (const Entry& entry : tensors) {
    check_entry(entry);
    put_string(header, entry.name);
    put<uint32_t>(header, static_cast<uint32_t>(entry.shape.size()));
    for (auto d = entry.shape.rbegin(); d != entry.shape.rend(); ++d) put<uint64_t>(header, static_cast<uint64_t>(*d));
    put<uint32_t>(header, static_cast<uint32_t>(TensorType::F32));
    put<uint64_t>(header, offset);
    offset += entry.data.size_bytes() + padding(entry.data.size_bytes());
  }
  header.append(padding(header.size()), '\0');

  AtomicFile file(path, false);
  file.write(header.data(), header.size());
  constexpr char kZeros[kAlignment] = {};
  for (const Entry& entry : tensors) {
    file.write(entry.data.data(), entry.data.size_bytes());
    file.write(kZeros, padding(entry.data.size_bytes()));
  }
  file.commit();
}

}  // namespace spark
