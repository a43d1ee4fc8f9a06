// A regular file, mapped read-only for as long as the object lives. Pages are shared with every other process that maps
// the same model (node-llama-cpp serves the same GGUF), so the base weights are in memory once.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace spark {

class MappedFile {
 public:
  // Throws io_error when the path cannot be opened or is no regular file. An empty file maps to an empty span.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace spark
