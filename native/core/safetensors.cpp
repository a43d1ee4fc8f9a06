// safetensors, read and written: an 8-byte little-endian header length, the JSON header, then the data without holes.
// The reader insists on "without holes", as the format does: overlapping ranges would let a small file claim endless
// memory.
#include "core/safetensors.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "core/atomic_file.h"
#include "core/checked.h"
#include "core/error.h"
#include "core/gguf.h"
#include "core/json.h"
#include "core/mapped_file.h"

namespace spark {

namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeader = uint64_t{100} << 20;  // the reference implementation's limit

[[noreturn]] void fail(const std::string& path, const std::string& field, const std::string& problem) {
  throw Error("invalid_file", path + ": " + field + ": " + problem);
}

struct Range {
  std::string name;
  std::vector<int64_t> shape;
  TensorType type;
  int64_t count;
  uint64_t begin, end;
};

TensorType parse_dtype(const json& value, const std::string& path, const std::string& field) {
  if (!value.is_string()) fail(path, field, "expected a dtype string");
  const std::string& dtype = value.get_ref<const std::string&>();
  if (dtype == "F32") return TensorType::F32;
  if (dtype == "F16") return TensorType::F16;
  if (dtype == "BF16") return TensorType::BF16;
  throw Error("unsupported_file", path + ": " + field + ": expected dtype F32, F16 or BF16, got " + dtype);
}

uint64_t parse_size(const json& value, const std::string& path, const std::string& field) {
  if (!value.is_number_integer() || (!value.is_number_unsigned() && value.get<int64_t>() < 0)) {
    fail(path, field, "expected a whole number, got " + value.dump(-1, ' ', true, json::error_handler_t::replace));
  }
  return value.get<uint64_t>();
}

Range parse_entry(const std::string& name, const json& entry, const std::string& path, uint64_t available) {
  const std::string field = "tensor " + name;
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape") || !entry.contains("data_offsets") ||
      !entry["shape"].is_array() || !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
    fail(path, field, "expected {dtype, shape, data_offsets: [begin, end]}");
  }
  Range range{name, {}, parse_dtype(entry["dtype"], path, field), 0, 0, 0};
  uint64_t count = 1;
  for (const json& d : entry["shape"]) {
    const uint64_t dimension = parse_size(d, path, field + " (shape)");
    const auto product = checked_multiply(count, dimension);
    if (!product || *product > available || dimension > available)
      fail(path, field, "expected a shape that fits the file");
    count = *product;
    range.shape.push_back(static_cast<int64_t>(dimension));
  }
  range.count = static_cast<int64_t>(count);
  range.begin = parse_size(entry["data_offsets"][0], path, field + " (data_offsets)");
  range.end = parse_size(entry["data_offsets"][1], path, field + " (data_offsets)");
  if (range.begin > range.end || range.end > available) {
    fail(path, field, "expected data_offsets inside the " + std::to_string(available) + " bytes of data");
  }
  const uint64_t expected = tensor_bytes(range.type, range.count);
  if (range.end - range.begin != expected) {
    fail(path, field,
         "expected " + std::to_string(expected) + " bytes for its shape and dtype, got " +
             std::to_string(range.end - range.begin));
  }
  return range;
}

void check_no_holes(std::vector<Range>& ranges, const std::string& path, uint64_t available) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  uint64_t position = 0;
  for (const Range& range : ranges) {
    if (range.begin != position) {
      fail(path, "tensor " + range.name + " (data_offsets)",
           "expected data from " + std::to_string(position) + ", got " + std::to_string(range.begin));
    }
    position = range.end;
  }
  if (position != available) {
    fail(path, "data", "expected " + std::to_string(position) + " bytes, got " + std::to_string(available));
  }
}

void parse_metadata(const json& value, const std::string& path, std::map<std::string, std::string>& out) {
  if (!value.is_object()) fail(path, "__metadata__", "expected an object of strings");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) fail(path, "__metadata__", "expected a string for " + key);
    out[key] = text.get<std::string>();
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::read(const std::string& path) {
  const MappedFile map(path);
  const std::span<const std::byte> bytes = map.bytes();
  uint64_t header_size = 0;
  if (bytes.size() < sizeof header_size) fail(path, "header length", "expected 8 bytes, got a shorter file");
  std::memcpy(&header_size, bytes.data(), sizeof header_size);
  if (header_size > bytes.size() - sizeof header_size || header_size > kMaxHeader) {
    fail(path, "header length", "expected at most what fits the file, got " + std::to_string(header_size));
  }
  const char* text = reinterpret_cast<const char*>(bytes.data()) + sizeof header_size;
  const json header = parse_json({text, static_cast<size_t>(header_size)}, path);
  if (!header.is_object()) fail(path, "header", "expected a JSON object");

  const std::span<const std::byte> data = bytes.subspan(sizeof header_size + static_cast<size_t>(header_size));
  SafetensorsFile file;
  std::vector<Range> ranges;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") {
      parse_metadata(entry, path, file.metadata);
    } else {
      ranges.push_back(parse_entry(name, entry, path, data.size()));
    }
  }
  check_no_holes(ranges, path, data.size());
  for (Range& range : ranges) {
    Entry entry{std::move(range.shape), std::vector<float>(static_cast<size_t>(range.count))};
    if (range.count > 0) dequantize(range.type, data.data() + range.begin, entry.data.data(), range.count);
    file.tensors.emplace(range.name, std::move(entry));
  }
  return file;
}

void SafetensorsWriter::write(const std::string& path, bool overwrite) const {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const Entry& entry : tensors) {
    int64_t count = 1;  // an empty shape is a scalar
    for (int64_t d : entry.shape) count *= d;
    if (count < 0 || static_cast<size_t>(count) != entry.data.size() || header.contains(entry.name)) {
      throw Error("invalid_argument", "tensor " + entry.name + ": expected a name used once and a shape for its " +
                                          std::to_string(entry.data.size()) + " values");
    }
    const uint64_t end = offset + entry.data.size_bytes();
    header[entry.name] = {{"dtype", "F32"}, {"shape", entry.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // data aligned to 8 bytes, as the format recommends
  const uint64_t header_size = text.size();

  AtomicFile file(path, overwrite);
  file.write(&header_size, sizeof header_size);
  file.write(text.data(), text.size());
  for (const Entry& entry : tensors) file.write(entry.data.data(), entry.data.size_bytes());
  file.commit();
}

}  // namespace spark
