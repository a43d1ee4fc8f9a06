// The GGUF reader. Layout (versions 2 and 3, little-endian): magic, version, tensor count, metadata count; metadata as
// key, type, value; one entry for each tensor (name, dimensions innermost first, type, offset into the data); padding
// to `general.alignment`; data. Every rule of llama.cpp's own container reader is a rule here: what it refuses, or what
// makes it abort, is refused by us in words, and never computed with.
#include <algorithm>
#include <bit>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/checked.h"
#include "core/error.h"
#include "core/gguf.h"
#include "core/gguf_cursor.h"
#include "core/gguf_foreign.h"
#include "core/gguf_parts.h"
#include "core/mapped_file.h"
#include "core/tensor_type.h"

namespace spark {

namespace {

constexpr size_t kValueSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};  // 0: not of fixed size

constexpr uint32_t kMaxDimensions = 4;     // ggml's own limit
constexpr uint64_t kMaxKeyLength = 65535;  // the format's limit
constexpr uint64_t kMaxTensorName = 63;    // ggml keeps 64 bytes, the last one zero
constexpr uint64_t kMaxArray = uint64_t{1} << 30;
constexpr uint64_t kDataAlignment = 32;  // of a tensor's place in the file: ggml asserts it when it maps the file
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;

struct Value {
  GgufType type;
  std::variant<uint64_t, int64_t, double, std::string, GgufArray> content;
};

GgufType read_value_type(GgufCursor& cursor, const std::string& field) {
  const uint32_t type = cursor.read<uint32_t>(field + " (type)");
  if (type > static_cast<uint32_t>(GgufType::F64)) {
    cursor.fail(field, "expected a value type from 0 to 12, got " + std::to_string(type));
  }
  return static_cast<GgufType>(type);
}

// Notes where the array lies and copies nothing: the vocabulary of a large model is megabytes, and few callers read it.
GgufArray read_array(GgufCursor& cursor, const std::string& field) {
  const GgufType type = read_value_type(cursor, field);
  if (type == GgufType::Array) cursor.fail(field, "expected an array of plain values, got a nested array");
  const uint64_t count = cursor.read<uint64_t>(field + " (count)");
  const uint64_t room = std::min<uint64_t>(cursor.remaining(), kMaxArray);  // every element takes at least a byte
  if (count > room) {
    cursor.fail(field, "expected at most " + std::to_string(room) + " elements, got " + std::to_string(count));
  }
  const std::byte* start = cursor.here();
  const size_t size = kValueSizes[static_cast<uint32_t>(type)];
  if (size > 0) {
    cursor.take(count * size, field);
  } else {
    for (uint64_t i = 0; i < count; ++i) cursor.read_string(field);
  }
  return {type, static_cast<int64_t>(count), {start, static_cast<size_t>(cursor.here() - start)}};
}

Value read_value(GgufCursor& cursor, const std::string& field) {
  const GgufType type = read_value_type(cursor, field);
  switch (type) {
    case GgufType::U8:
      return {type, uint64_t{cursor.read<uint8_t>(field)}};
    case GgufType::U16:
      return {type, uint64_t{cursor.read<uint16_t>(field)}};
    case GgufType::U32:
      return {type, uint64_t{cursor.read<uint32_t>(field)}};
    case GgufType::U64:
    case GgufType::Bool:
      return {type, type == GgufType::Bool ? uint64_t{cursor.read<uint8_t>(field)} : cursor.read<uint64_t>(field)};
    case GgufType::I8:
      return {type, int64_t{cursor.read<int8_t>(field)}};
    case GgufType::I16:
      return {type, int64_t{cursor.read<int16_t>(field)}};
    case GgufType::I32:
      return {type, int64_t{cursor.read<int32_t>(field)}};
    case GgufType::I64:
      return {type, cursor.read<int64_t>(field)};
    case GgufType::F32:
      return {type, double{cursor.read<float>(field)}};
    case GgufType::F64:
      return {type, cursor.read<double>(field)};
    case GgufType::String:
      return {type, std::string(cursor.read_string(field))};
    case GgufType::Array:
      return {type, read_array(cursor, field)};
  }
  cursor.fail(field, "unknown value type");
}

class File final : public GgufFile {
 public:
  explicit File(const std::string& path) : map_(path) {
    GgufCursor cursor(map_.bytes(), map_.path());
    const auto [tensor_count, metadata_count] = read_header(cursor);
    read_metadata(cursor, metadata_count);
    read_tensor_table(cursor, tensor_count);
    place_tensors(cursor);
  }

  const std::string& path() const override { return map_.path(); }
  const std::vector<GgufTensor>& tensors() const override { return tensors_; }
  const std::vector<GgufEntry>& entries() const override { return entries_; }

  const GgufTensor* find(const std::string& name) const override {
    const auto it = index_.find(name);
    return it == index_.end() ? nullptr : &tensors_[it->second];
  }

  bool has(const std::string& key) const override { return metadata_.contains(key); }

  int64_t require_int(const std::string& key) const override {
    const Value& value = require(key);
    if (const auto* number = std::get_if<int64_t>(&value.content)) return *number;
    const auto* number = std::get_if<uint64_t>(&value.content);
    if (!number || value.type == GgufType::Bool) wrong_type(key, "an integer", value);
    if (*number > static_cast<uint64_t>(INT64_MAX)) {
      throw Error("invalid_file",
                  path() + ": " + key + ": expected an integer below 2^63, got " + std::to_string(*number));
    }
    return static_cast<int64_t>(*number);
  }

  int64_t get_int(const std::string& key, int64_t fallback) const override {
    return has(key) ? require_int(key) : fallback;
  }

  double get_float(const std::string& key, double fallback) const override {
    if (!has(key)) return fallback;
    const Value& value = require(key);
    const auto* number = std::get_if<double>(&value.content);
    if (!number) wrong_type(key, "a floating-point number", value);
    return *number;
  }

  std::string require_string(const std::string& key) const override {
    const Value& value = require(key);
    const auto* text = std::get_if<std::string>(&value.content);
    if (!text) wrong_type(key, "a string", value);
    return *text;
  }

  std::string get_string(const std::string& key, const std::string& fallback) const override {
    return has(key) ? require_string(key) : fallback;
  }

  std::optional<GgufType> type(const std::string& key) const override {
    const auto it = metadata_.find(key);
    return it == metadata_.end() ? std::nullopt : std::optional(it->second.type);
  }

  std::optional<GgufArray> array(const std::string& key) const override {
    const auto it = metadata_.find(key);
    const auto* array = it == metadata_.end() ? nullptr : std::get_if<GgufArray>(&it->second.content);
    return array ? std::optional(*array) : std::nullopt;
  }

  std::optional<bool> flag(const std::string& key) const override {
    const auto it = metadata_.find(key);
    if (it == metadata_.end() || it->second.type != GgufType::Bool) return std::nullopt;
    return std::get<uint64_t>(it->second.content) != 0;
  }

 private:
  struct Counts {
    uint64_t tensors, metadata;
  };

  Counts read_header(GgufCursor& cursor) {
    refuse_foreign(map_.bytes(), path());
    cursor.take(8, "magic");
    const uint64_t tensors = cursor.read<uint64_t>("tensor count");
    const uint64_t metadata = cursor.read<uint64_t>("metadata count");
    // A tensor entry takes at least 32 bytes and a metadata entry 13: a larger count cannot be honest.
    if (metadata > cursor.remaining() / 13) {
      cursor.fail("metadata count", "expected at most what fits the file, got " + std::to_string(metadata));
    }
    if (tensors > cursor.remaining() / 32) {
      cursor.fail("tensor count", "expected at most what fits the file, got " + std::to_string(tensors));
    }
    return {tensors, metadata};
  }

  void read_metadata(GgufCursor& cursor, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const size_t start = cursor.position();
      std::string key = cursor.read_name("metadata key " + std::to_string(i), kMaxKeyLength);
      Value value = read_value(cursor, "metadata " + key);
      if (!metadata_.emplace(key, std::move(value)).second) {
        cursor.fail("metadata " + key, "expected each key once, got it twice");
      }
      entries_.push_back({std::move(key), map_.bytes().subspan(start, cursor.position() - start)});
    }
  }

  void read_tensor_table(GgufCursor& cursor, uint64_t count) {
    tensors_.reserve(static_cast<size_t>(count));
    offsets_.reserve(static_cast<size_t>(count));
    for (uint64_t i = 0; i < count; ++i) {
      GgufTensor tensor;
      tensor.name = cursor.read_name("tensor " + std::to_string(i) + " (name)", kMaxTensorName);
      const std::string field = "tensor " + tensor.name;
      const uint32_t dimensions = cursor.read<uint32_t>(field + " (dimensions)");
      if (dimensions < 1 || dimensions > kMaxDimensions) {
        cursor.fail(field, "expected 1 to 4 dimensions, got " + std::to_string(dimensions));
      }
      tensor.shape.resize(dimensions);
      for (uint32_t d = 0; d < dimensions; ++d) {  // stored innermost first
        tensor.shape[dimensions - 1 - d] = cursor.read<int64_t>(field + " (shape)");
      }
      const uint32_t type = cursor.read<uint32_t>(field + " (type)");
      if (!tensor_type_supported(type)) {
        throw Error("unsupported_file", path() + ": " + field + ": expected one of the types " + tensor_type_names() +
                                            ", got " + type_label(type) + "; quantise the model to one of these");
      }
      tensor.type = static_cast<TensorType>(type);
      tensor.bytes = tensor_size(cursor, tensor, field);
      offsets_.push_back(cursor.read<uint64_t>(field + " (offset)"));
      if (!index_.emplace(tensor.name, tensors_.size()).second) {
        cursor.fail(field, "expected each tensor name once, got it twice");
      }
      tensors_.push_back(std::move(tensor));
    }
  }

  static size_t tensor_size(const GgufCursor& cursor, const GgufTensor& tensor, const std::string& field) {
    const std::optional<int64_t> count = element_count(tensor.shape);
    // 2^60 values of at most 4 bytes: the byte count below cannot overflow.
    if (!count || *count > (int64_t{1} << 60))
      cursor.fail(field, "expected a shape of positive numbers that fits memory");
    if (tensor.shape.back() % tensor_type_block(tensor.type) != 0) {
      cursor.fail(field, "expected rows of a multiple of " + std::to_string(tensor_type_block(tensor.type)) +
                             " values for " + tensor_type_name(static_cast<uint32_t>(tensor.type)) + ", got " +
                             std::to_string(tensor.shape.back()));
    }
    return tensor_bytes(tensor.type, *count);
  }

  void place_tensors(const GgufCursor& cursor) {
    const uint64_t alignment = read_alignment(cursor);
    const uint64_t start = padded(cursor.position(), alignment);
    const uint64_t size = map_.bytes().size();
    const uint64_t available = start <= size ? size - start : 0;
    uint64_t expected = 0;  // tensors lie one after the other, in the table's order
    for (size_t i = 0; i < tensors_.size(); ++i) {
      GgufTensor& tensor = tensors_[i];
      const std::string field = "tensor " + tensor.name + " (offset)";
      if (offsets_[i] != expected) {
        cursor.fail(field, "expected " + std::to_string(expected) + ", where the tensor before it ends, got " +
                               std::to_string(offsets_[i]));
      }
      if (tensor.bytes > available || expected > available - tensor.bytes) {
        cursor.fail(field, "expected " + std::to_string(tensor.bytes) + " bytes at " + std::to_string(expected) +
                               " of the data, got a file with " + std::to_string(available) + " bytes of data");
      }
      if ((start + expected) % kDataAlignment != 0) {
        cursor.fail(field, "expected its data at a multiple of " + std::to_string(kDataAlignment) +
                               " bytes in the file, got byte " + std::to_string(start + expected));
      }
      tensor.data = map_.bytes().data() + start + expected;
      expected = padded(expected + tensor.bytes, alignment);
    }
    offsets_ = {};
  }

  // `alignment` is a power of two; positions are below the file's size plus an alignment, so nothing overflows.
  static uint64_t padded(uint64_t position, uint64_t alignment) {
    return (position + alignment - 1) & ~(alignment - 1);
  }

  uint64_t read_alignment(const GgufCursor& cursor) const {
    const std::string key = "general.alignment";
    const std::optional<GgufType> kind = type(key);
    if (kind && *kind != GgufType::U32) wrong_type(key, "u32", require(key));
    const int64_t alignment = get_int(key, 32);
    if (alignment < 8 || alignment > static_cast<int64_t>(kMaxAlignment) ||
        !std::has_single_bit(static_cast<uint64_t>(alignment))) {
      cursor.fail(key, "expected a power of two from 8 to 2^20, got " + std::to_string(alignment));
    }
    return static_cast<uint64_t>(alignment);
  }

  const Value& require(const std::string& key) const {
    const auto it = metadata_.find(key);
    if (it == metadata_.end())
      throw Error("invalid_file", path() + ": expected the metadata key " + key + ", got none");
    return it->second;
  }

  [[noreturn]] void wrong_type(const std::string& key, const std::string& expected, const Value& value) const {
    throw Error("invalid_file", path() + ": " + key + ": expected " + expected + ", got " + gguf_type_name(value.type));
  }

  MappedFile map_;
  std::unordered_map<std::string, Value> metadata_;
  std::vector<GgufEntry> entries_;  // of metadata_, as they lie in the file
  std::vector<GgufTensor> tensors_;
  std::vector<uint64_t> offsets_;  // of tensors_, until they are placed
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace

const char* gguf_type_name(GgufType type) {
  constexpr const char* kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                    "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<uint32_t>(type)];
}

std::shared_ptr<GgufFile> open_gguf_part(const std::string& path) { return std::make_shared<File>(path); }

}  // namespace spark
