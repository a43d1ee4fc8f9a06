// The GGUF reader. Layout (versions 2 and 3, little-endian): magic, version, tensor count, metadata count; metadata as
// key, type, value; one entry for each tensor (name, dimensions innermost first, type, offset into the data); padding
// to `general.alignment`; data. A Cursor hands out bytes only after checking that the file has them.
#include <bit>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/checked.h"
#include "core/error.h"
#include "core/gguf.h"
#include "core/mapped_file.h"
#include "core/tensor_type.h"

namespace spark {

namespace {

enum class ValueType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

constexpr const char* kValueTypeNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                           "bool", "string", "array", "u64", "i64", "f64"};
constexpr size_t kValueSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};  // 0: not of fixed size

constexpr uint32_t kMaxDimensions = 4;  // ggml's own limit
constexpr int kMaxArrayDepth = 4;
constexpr uint64_t kMaxNameLength = 65535;  // the format's limit for keys; tensor names are shorter still
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;

// Arrays keep only their length: the vocabulary is the tokenizer's business, which is not ours.
struct ArrayLength {
  int64_t length;
};
struct Value {
  ValueType type;
  std::variant<uint64_t, int64_t, double, std::string, ArrayLength> content;
};

class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {}

  size_t position() const { return position_; }
  size_t remaining() const { return bytes_.size() - position_; }

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

  std::string read_string(const std::string& field, uint64_t limit = UINT64_MAX) {
    const uint64_t length = read<uint64_t>(field + " (length)");
    if (length > limit) {
      fail(field, "expected a name of at most " + std::to_string(limit) + " bytes, got " + std::to_string(length));
    }
    const std::byte* data = take(length, field);
    return std::string(reinterpret_cast<const char*>(data), static_cast<size_t>(length));
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& path_;
  size_t position_ = 0;
};

ValueType read_value_type(Cursor& cursor, const std::string& field) {
  const uint32_t type = cursor.read<uint32_t>(field + " (type)");
  if (type > static_cast<uint32_t>(ValueType::F64)) {
    cursor.fail(field, "expected a value type from 0 to 12, got " + std::to_string(type));
  }
  return static_cast<ValueType>(type);
}

int64_t skip_array(Cursor& cursor, const std::string& field, int depth) {
  if (depth > kMaxArrayDepth) {
    cursor.fail(field, "expected arrays nested at most " + std::to_string(kMaxArrayDepth) + " deep, got more");
  }
  const ValueType type = read_value_type(cursor, field);
  const uint64_t count = cursor.read<uint64_t>(field + " (count)");
  if (count > cursor.remaining()) {  // every element takes at least a byte
    cursor.fail(field, "expected at most " + std::to_string(cursor.remaining()) + " elements (the bytes left), got " +
                           std::to_string(count));
  }
  const size_t size = kValueSizes[static_cast<uint32_t>(type)];
  if (size > 0) {
    cursor.take(count * size, field);  // no overflow: count is below the file's size, size at most 8
    return static_cast<int64_t>(count);
  }
  for (uint64_t i = 0; i < count; ++i) {
    if (type == ValueType::String) {
      cursor.take(cursor.read<uint64_t>(field), field);
    } else {
      skip_array(cursor, field, depth + 1);
    }
  }
  return static_cast<int64_t>(count);
}

Value read_value(Cursor& cursor, const std::string& field) {
  const ValueType type = read_value_type(cursor, field);
  switch (type) {
    case ValueType::U8:
      return {type, uint64_t{cursor.read<uint8_t>(field)}};
    case ValueType::U16:
      return {type, uint64_t{cursor.read<uint16_t>(field)}};
    case ValueType::U32:
      return {type, uint64_t{cursor.read<uint32_t>(field)}};
    case ValueType::U64:
    case ValueType::Bool:
      return {type, type == ValueType::Bool ? uint64_t{cursor.read<uint8_t>(field)} : cursor.read<uint64_t>(field)};
    case ValueType::I8:
      return {type, int64_t{cursor.read<int8_t>(field)}};
    case ValueType::I16:
      return {type, int64_t{cursor.read<int16_t>(field)}};
    case ValueType::I32:
      return {type, int64_t{cursor.read<int32_t>(field)}};
    case ValueType::I64:
      return {type, cursor.read<int64_t>(field)};
    case ValueType::F32:
      return {type, double{cursor.read<float>(field)}};
    case ValueType::F64:
      return {type, cursor.read<double>(field)};
    case ValueType::String:
      return {type, cursor.read_string(field)};
    case ValueType::Array:
      return {type, ArrayLength{skip_array(cursor, field, 1)}};
  }
  cursor.fail(field, "unknown value type");
}

class File final : public GgufFile {
 public:
  explicit File(const std::string& path) : map_(path) {
    Cursor cursor(map_.bytes(), map_.path());
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
    if (!number || value.type == ValueType::Bool) wrong_type(key, "an integer", value);
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

  int64_t array_length(const std::string& key) const override {
    if (!has(key)) return -1;
    const Value& value = require(key);
    const auto* array = std::get_if<ArrayLength>(&value.content);
    if (!array) wrong_type(key, "an array", value);
    return array->length;
  }

 private:
  struct Counts {
    uint64_t tensors, metadata;
  };

  Counts read_header(Cursor& cursor) {
    const std::byte* magic = cursor.take(4, "magic");
    if (std::memcmp(magic, "GGUF", 4) != 0) {
      throw Error("unsupported_file", path() + ": expected a GGUF file (its first bytes are \"GGUF\"), got another " +
                                          "format; convert the model to GGUF first");
    }
    const uint32_t version = cursor.read<uint32_t>("version");
    if (version != 2 && version != 3) {
      const uint32_t swapped = __builtin_bswap32(version);
      const bool big_endian = swapped == 2 || swapped == 3;
      throw Error("unsupported_file", path() + ": version: expected GGUF version 2 or 3, got " +
                                          (big_endian ? "a big-endian file" : std::to_string(version)));
    }
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

  void read_metadata(Cursor& cursor, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const size_t start = cursor.position();
      std::string key = cursor.read_string("metadata key " + std::to_string(i), kMaxNameLength);
      Value value = read_value(cursor, "metadata " + key);
      if (!metadata_.emplace(key, std::move(value)).second) {
        cursor.fail("metadata " + key, "expected each key once, got it twice");
      }
      entries_.push_back({std::move(key), map_.bytes().subspan(start, cursor.position() - start)});
    }
  }

  void read_tensor_table(Cursor& cursor, uint64_t count) {
    tensors_.reserve(static_cast<size_t>(count));
    offsets_.reserve(static_cast<size_t>(count));
    for (uint64_t i = 0; i < count; ++i) {
      GgufTensor tensor;
      tensor.name = cursor.read_string("tensor " + std::to_string(i) + " (name)", kMaxNameLength);
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
        throw Error("unsupported_file", path() + ": " + field +
                                            ": expected F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K or Q6_K, got " +
                                            type_label(type) + "; quantise the model to one of these");
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

  static size_t tensor_size(const Cursor& cursor, const GgufTensor& tensor, const std::string& field) {
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

  void place_tensors(const Cursor& cursor) {
    const int64_t alignment = get_int("general.alignment", 32);
    if (alignment < 8 || alignment > static_cast<int64_t>(kMaxAlignment) ||
        !std::has_single_bit(static_cast<uint64_t>(alignment))) {
      cursor.fail("general.alignment", "expected a power of two from 8 to 2^20, got " + std::to_string(alignment));
    }
    const uint64_t mask = static_cast<uint64_t>(alignment) - 1;
    const uint64_t start = (cursor.position() + mask) & ~mask;
    const uint64_t size = map_.bytes().size();
    const uint64_t available = start <= size ? size - start : 0;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      GgufTensor& tensor = tensors_[i];
      const std::string field = "tensor " + tensor.name + " (offset)";
      if ((offsets_[i] & mask) != 0) {
        cursor.fail(field,
                    "expected a multiple of " + std::to_string(alignment) + ", got " + std::to_string(offsets_[i]));
      }
      const std::optional<uint64_t> end = checked_add(offsets_[i], tensor.bytes);
      if (!end || *end > available) {
        cursor.fail(field, "expected " + std::to_string(tensor.bytes) + " bytes at " + std::to_string(offsets_[i]) +
                               " of the data, got a file with " + std::to_string(available) + " bytes of data");
      }
      tensor.data = map_.bytes().data() + start + offsets_[i];
    }
    offsets_ = {};
  }

  const Value& require(const std::string& key) const {
    const auto it = metadata_.find(key);
    if (it == metadata_.end())
      throw Error("invalid_file", path() + ": expected the metadata key " + key + ", got none");
    return it->second;
  }

  [[noreturn]] void wrong_type(const std::string& key, const std::string& expected, const Value& value) const {
    throw Error("invalid_file", path() + ": " + key + ": expected " + expected + ", got " +
                                    kValueTypeNames[static_cast<uint32_t>(value.type)]);
  }

  MappedFile map_;
  std::unordered_map<std::string, Value> metadata_;
  std::vector<GgufEntry> entries_;  // of metadata_, as they lie in the file
  std::vector<GgufTensor> tensors_;
  std::vector<uint64_t> offsets_;  // of tensors_, until they are placed
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace

std::shared_ptr<GgufFile> GgufFile::open(const std::string& path) { return std::make_shared<File>(path); }

}  // namespace spark
