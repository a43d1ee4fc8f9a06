// safetensors: 8-byte length, a JSON header {name: {dtype, shape, data_offsets}}, then the data. F32 is written;
// F32, F16 and BF16 are read (to fp32), I64 scalars travel in the string metadata.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace spark {

struct SafetensorsFile {
  struct Entry {
    std::vector<int64_t> shape;
    std::vector<float> data;
  };
  std::map<std::string, std::string> metadata;
  std::map<std::string, Entry> tensors;

  // Checks every length and offset against the file; throws invalid_file naming the tensor.
  static SafetensorsFile read(const std::string& path);
};

struct SafetensorsWriter {
  struct Entry {
    std::string name;
    std::vector<int64_t> shape;
    std::span<const float> data;
  };
  std::map<std::string, std::string> metadata;
  std::vector<Entry> tensors;
  // Temporary file, flush, rename. `overwrite` false: throws invalid_argument when the file exists.
  void write(const std::string& path, bool overwrite) const;
};

}  // namespace spark
