// Names and sizes of the tensor types of a GGUF file. Source of the block sizes: the ggml format, where a quantised row
// is a run of fixed-size blocks.
#include "core/tensor_type.h"

#include <utility>

#include "core/error.h"

namespace spark {

namespace {

struct TypeInfo {
  TensorType type;
  const char* name;
  int64_t block;      // values in a block
  size_t block_size;  // bytes of a block
};

constexpr TypeInfo kTypes[] = {
#define PLAIN(name, number, values, bytes) {TensorType::name, #name, values, bytes},
#define PACKED PLAIN
#include "core/tensor_types.inc"
};

// ggml's other types, for messages: none of them is one of weights.
constexpr std::pair<uint32_t, const char*> kOthers[] = {
    {4, "Q4_2"}, {5, "Q4_3"}, {9, "Q8_1"}, {15, "Q8_K"}, {24, "I8"}, {25, "I16"}, {26, "I32"}, {27, "I64"}, {28, "F64"},
};

const TypeInfo* find_type(uint32_t type) {
  for (const TypeInfo& info : kTypes) {
    if (static_cast<uint32_t>(info.type) == type) return &info;
  }
  return nullptr;
}

const TypeInfo& require_type(TensorType type) {
  const TypeInfo* info = find_type(static_cast<uint32_t>(type));
  if (!info) throw Error("unsupported_file", "tensor type " + type_label(static_cast<uint32_t>(type)) + " is not read");
  return *info;
}

}  // namespace

bool tensor_type_supported(uint32_t type) { return find_type(type) != nullptr; }

int64_t tensor_type_block(TensorType type) { return require_type(type).block; }

std::string type_label(uint32_t type) {
  if (const TypeInfo* info = find_type(type)) return info->name;
  for (const auto& [number, name] : kOthers) {
    if (number == type) return name;
  }
  return "type " + std::to_string(type);
}

std::string tensor_type_names() {
  std::string names;
  for (const TypeInfo& info : kTypes) names += (names.empty() ? "" : ", ") + std::string(info.name);
  return names;
}

const char* tensor_type_name(uint32_t type) {
  if (const TypeInfo* info = find_type(type)) return info->name;
  // Unknown numbers are rare and short-lived: one buffer for each thread keeps the pointer valid until the next call.
  thread_local std::string label;
  label = type_label(type);
  return label.c_str();
}

size_t tensor_bytes(TensorType type, int64_t count) {
  const TypeInfo& info = require_type(type);
  if (count < 0 || count % info.block != 0) {
    throw Error("invalid_argument", std::string("expected a multiple of ") + std::to_string(info.block) +
                                        " values for " + info.name + ", got " + std::to_string(count));
  }
  return static_cast<size_t>(count / info.block) * info.block_size;
}

}  // namespace spark
