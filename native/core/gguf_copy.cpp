#include "core/gguf_copy.h"

#include <algorithm>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/gguf_put.h"
#include "core/quantize.h"

namespace spark {

namespace {

constexpr int64_t kBlockValues = int64_t{1} << 20;  // fp32 values of the rows that are changed at a time: 4 MiB
constexpr size_t kPiece = size_t{1} << 24;          // bytes copied between two looks at the cancel flag

size_t alignment_of(const GgufFile& file) { return static_cast<size_t>(file.get_int("general.alignment", 32)); }

size_t padded(size_t position, size_t alignment) { return (position + alignment - 1) / alignment * alignment; }

int64_t values_of(const GgufTensor& tensor) {
  int64_t count = 1;
  for (const int64_t dimension : tensor.shape) count *= dimension;  // checked when the file was opened
  return count;
}

bool stays(const GgufTensor& from, const GgufCopy::Tensor& to) { return from.type == to.type && !to.change; }

size_t bytes_of(const GgufTensor& from, const GgufCopy::Tensor& to) {
  return stays(from, to) ? from.bytes : tensor_bytes(to.type, values_of(from));
}

void look(const std::atomic<bool>* cancel) {
  if (cancel && cancel->load()) throw Error("interrupted", "interrupted while writing the model; nothing was kept");
}

// The source's metadata with the replacements in their places, then the tensor table, padded to where the data begin.
std::string make_header(const GgufCopy& copy) {
  auto added = copy.metadata;
  std::string entries;
  for (const GgufEntry& entry : copy.source.entries()) {
    const auto replacement = copy.metadata.find(entry.key);
    if (replacement == copy.metadata.end()) {
      entries.append(reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size());
    } else {
      put_string(entries, entry.key);
      put_value(entries, replacement->second);
      added.erase(entry.key);
    }
  }
  for (const auto& [key, value] : added) {
    put_string(entries, key);
    put_value(entries, value);
  }
  const std::vector<GgufTensor>& from = copy.source.tensors();
  const size_t alignment = alignment_of(copy.source);
  std::string header = gguf_header(from.size(), copy.source.entries().size() + added.size()) + entries;
  uint64_t offset = 0;
  for (size_t i = 0; i < from.size(); ++i) {
    put_tensor(header, from[i].name, from[i].shape, copy.tensors[i].type, offset);
    offset += padded(bytes_of(from[i], copy.tensors[i]), alignment);
  }
  header.resize(padded(header.size(), alignment), '\0');
  return header;
}

void copy_bytes(AtomicFile& file, const GgufTensor& tensor, const std::atomic<bool>* cancel) {
  for (size_t at = 0; at < tensor.bytes; at += kPiece) {
    look(cancel);
    file.write(tensor.data + at, std::min(kPiece, tensor.bytes - at));
  }
}

// A block of rows at a time: unpacked, changed, packed.
void write_rows(AtomicFile& file, const GgufTensor& from, const GgufCopy::Tensor& to, const std::atomic<bool>* cancel) {
  const int64_t columns = from.shape.back(), rows = values_of(from) / columns;
  const size_t row_from = tensor_bytes(from.type, columns), row_to = tensor_bytes(to.type, columns);
  const int64_t most = std::clamp<int64_t>(kBlockValues / columns, 1, rows);
  std::vector<float> values(static_cast<size_t>(most * columns));
  std::vector<std::byte> packed(static_cast<size_t>(most) * row_to);
  for (int64_t first = 0; first < rows; first += most) {
    look(cancel);
    const int64_t count = std::min(most, rows - first);
    int64_t bad = 0;
#pragma omp parallel for schedule(static) reduction(+ : bad)
    for (int64_t row = 0; row < count; ++row) {
      float* x = values.data() + row * columns;
      dequantize(from.type, from.data + static_cast<size_t>(first + row) * row_from, x, columns);
      if (to.change) to.change(x, first + row);
      bad += quantize(to.type, x, packed.data() + static_cast<size_t>(row) * row_to, columns) ? 0 : 1;
    }
    if (bad > 0) {
      throw Error("not_finite", "tensor " + from.name + ": expected values that " +
                                    tensor_type_name(static_cast<uint32_t>(to.type)) +
                                    " can hold, got some that are larger or not finite; write it as F32 or BF16");
    }
    file.write(packed.data(), static_cast<size_t>(count) * row_to);
  }
}

void write_all_of(const GgufCopy& copy, AtomicFile& file, const std::string& header, const std::atomic<bool>* cancel) {
  const std::vector<GgufTensor>& from = copy.source.tensors();
  const size_t alignment = alignment_of(copy.source);
  const std::string zeros(alignment, '\0');
  file.write(header.data(), header.size());
  for (size_t i = 0; i < from.size(); ++i) {
    const GgufCopy::Tensor& to = copy.tensors[i];
    if (stays(from[i], to)) {
      copy_bytes(file, from[i], cancel);
    } else {
      write_rows(file, from[i], to, cancel);
    }
    const size_t bytes = bytes_of(from[i], to);
    file.write(zeros.data(), padded(bytes, alignment) - bytes);
  }
}

uint64_t data_bytes(const GgufCopy& copy) {
  uint64_t total = 0;
  for (size_t i = 0; i < copy.tensors.size(); ++i) {
    total += padded(bytes_of(copy.source.tensors()[i], copy.tensors[i]), alignment_of(copy.source));
  }
  return total;
}

}  // namespace

GgufCopy::GgufCopy(const GgufFile& from) : source(from) {
  for (const GgufTensor& tensor : from.tensors()) tensors.push_back({tensor.type, nullptr});
}

uint64_t GgufCopy::bytes() const { return make_header(*this).size() + data_bytes(*this); }

void GgufCopy::write(const std::string& path, const std::atomic<bool>* cancel) const {
  const std::string header = make_header(*this);
  const uint64_t total = header.size() + data_bytes(*this);
  AtomicFile file(path, false);
  require_free_space(path, total);
  try {
    write_all_of(*this, file, header, cancel);
    file.commit();
  } catch (const Error& error) {
    if (error.code() != "disk_full") throw;
    throw Error("disk_full", std::string(error.what()) + "; the file takes " + std::to_string(total) + " bytes");
  }
}

}  // namespace spark
