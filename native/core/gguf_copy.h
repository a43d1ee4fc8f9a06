// A GGUF made from another one: metadata and tensors are copied byte for byte, except the entries that are replaced and
// the tensors that get another type or other values. It needs a few megabytes of memory, whatever the size of the
// model.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/gguf.h"

namespace spark {

struct GgufCopy {
  // Changes row `index` of a tensor in place, in fp32. Called from several threads at once, each with another row.
  using ChangeRow = std::function<void(float* row, int64_t index)>;
  struct Tensor {
    TensorType type;   // that it is written in: its own, or one that quantize() can make
    ChangeRow change;  // null: the values stay
  };

  explicit GgufCopy(const GgufFile& from);  // everything stays as it is

  const GgufFile& source;
  std::map<std::string, std::variant<std::string, float, uint32_t>> metadata;  // replaced in place, or added at the end
  std::vector<Tensor> tensors;                                                 // of source.tensors(), in that order

  uint64_t bytes() const;  // of the file
  // Temporary file, flush, rename. Throws invalid_argument when `path` exists, disk_full (before writing, when that can
  // be known) with the bytes needed, not_finite naming a tensor whose values its type cannot hold, and `interrupted`.
  void write(const std::string& path, const std::atomic<bool>* cancel) const;
};

}  // namespace spark
