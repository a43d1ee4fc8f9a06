// GGUF files, read through a memory map and written whole. The format: a header of typed key/value metadata, a table of
// tensors, then aligned tensor data. Files come from the internet: every length and offset is checked against the file
// before it is used, and a bad one throws Error("invalid_file") naming the field.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace spark {

// The types we read, by ggml's numbers.
enum class TensorType : uint32_t {
#define PLAIN(name, number, values, bytes) name = number,
#define PACKED PLAIN
#include "core/tensor_types.inc"
};

const char* tensor_type_name(uint32_t type);  // "F16", or "type 99"

struct GgufTensor {
  std::string name;
  std::vector<int64_t> shape;  // row-major, outermost first: a weight is (rows, columns)
  TensorType type = TensorType::F32;
  const std::byte* data = nullptr;  // into the map
  size_t bytes = 0;
};

// Types of metadata values, by the format's numbers.
enum class GgufType : uint32_t { U8, I8, U16, I16, U32, I32, F32, Bool, String, Array, U64, I64, F64 };

const char* gguf_type_name(GgufType type);  // "u32"

// An array as it lies in the file: values one after the other, strings as a u64 of their length and their bytes. All of
// it is known to be within the file.
struct GgufArray {
  GgufType element = GgufType::U8;
  int64_t length = 0;
  std::span<const std::byte> bytes;  // into the map
};

// A metadata entry as it lies in the file: key, value type, value.
struct GgufEntry {
  std::string key;
  std::span<const std::byte> bytes;  // into the map
};

class GgufFile {
 public:
  // Of a model in several files any one: all of them are opened, and are one to the caller. `path` is then the first's.
  static std::shared_ptr<GgufFile> open(const std::string& path);
  virtual ~GgufFile() = default;

  virtual const std::string& path() const = 0;
  virtual const GgufTensor* find(const std::string& name) const = 0;  // null when absent
  virtual const std::vector<GgufTensor>& tensors() const = 0;
  // Metadata. The typed getters throw invalid_file when the key has another type, and the `require_` ones when absent.
  virtual bool has(const std::string& key) const = 0;
  virtual int64_t require_int(const std::string& key) const = 0;
  virtual int64_t get_int(const std::string& key, int64_t fallback) const = 0;
  virtual double get_float(const std::string& key, double fallback) const = 0;
  virtual std::string require_string(const std::string& key) const = 0;
  virtual std::string get_string(const std::string& key, const std::string& fallback) const = 0;
  // Only files have these; a model made in memory has neither.
  virtual std::optional<GgufType> type(const std::string&) const { return std::nullopt; }    // none when absent
  virtual std::optional<GgufArray> array(const std::string&) const { return std::nullopt; }  // nor when no array
  virtual std::optional<bool> flag(const std::string&) const { return std::nullopt; }        // nor when no bool
  // All of it in the file's order, for a writer that takes it over as it is.
  virtual const std::vector<GgufEntry>& entries() const = 0;
};

// To fp32. `data` holds `count` values of `type`; count is a multiple of the type's block.
void dequantize(TensorType type, const std::byte* data, float* out, int64_t count);
size_t tensor_bytes(TensorType type, int64_t count);

// A GGUF with F32 tensors and string / float metadata: what a LoRA adapter needs.
struct GgufWriter {
  std::map<std::string, std::variant<std::string, float, uint32_t>> metadata;
  struct Entry {
    std::string name;
    std::vector<int64_t> shape;  // row-major, outermost first
    std::span<const float> data;
  };
  std::vector<Entry> tensors;
  // Writes to a temporary file beside `path`, flushes, renames: never a half file. Throws io_error / disk_full, and
  // invalid_argument when `path` exists.
  void write(const std::string& path) const;
};

}  // namespace spark
