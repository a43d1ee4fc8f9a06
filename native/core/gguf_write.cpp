// The GGUF writer: version 3, F32 tensors, each padded to the default alignment of 32 bytes.
#include "core/atomic_file.h"
#include "core/checked.h"
#include "core/error.h"
#include "core/gguf.h"
#include "core/gguf_put.h"

namespace spark {

namespace {

constexpr size_t kAlignment = 32;

size_t padding(size_t position) { return (kAlignment - position % kAlignment) % kAlignment; }

void check_entry(const GgufWriter::Entry& entry) {
  const auto count = element_count(entry.shape);
  if (entry.shape.empty() || entry.shape.size() > 4 || !count || static_cast<size_t>(*count) != entry.data.size()) {
    throw Error("invalid_argument", "tensor " + entry.name + ": expected 1 to 4 dimensions whose product is the " +
                                        std::to_string(entry.data.size()) + " values given, got another shape");
  }
}

}  // namespace

void GgufWriter::write(const std::string& path) const {
  std::string header = gguf_header(tensors.size(), metadata.size());
  for (const auto& [key, value] : metadata) {
    put_string(header, key);
    put_value(header, value);
  }
  uint64_t offset = 0;
  for (const Entry& entry : tensors) {
    check_entry(entry);
    put_tensor(header, entry.name, entry.shape, TensorType::F32, offset);
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
