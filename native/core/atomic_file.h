// A file that appears whole or not at all: written under a temporary name beside its place, flushed, renamed. When
// anything fails, or commit() is never called, the temporary file is removed and the place is untouched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace spark {

// Writes everything to `fd` or throws disk_full (no space, quota) or io_error; `path` is for the message.
void write_all(int fd, const void* data, size_t bytes, const std::string& path);

// `path` with a suffix no other process or thread uses at the moment.
std::string temporary_name(const std::string& path);

// Throws the coded error for a failed file operation: disk_full for no space or quota, else io_error.
[[noreturn]] void throw_file_error(int error_number, const std::string& path, const std::string& action);

// Throws disk_full when the folder of `path` has less than `bytes` free: said before hours of work, not after.
void require_free_space(const std::string& path, uint64_t bytes);

// Flushes a folder's entries, so that a rename in it survives a power cut. Best effort: some file systems cannot.
void sync_folder(const std::string& folder);
std::string parent_folder(const std::string& path);

class AtomicFile {
 public:
  // Throws io_error when the folder is missing or read-only, and invalid_argument when `path` exists and may not be
  // overwritten.
  AtomicFile(std::string path, bool overwrite);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes) { write_all(fd_, data, bytes, path_); }
  void commit();

 private:
  std::string path_, temporary_;
  bool overwrite_;
  int fd_ = -1;
};

}  // namespace spark
