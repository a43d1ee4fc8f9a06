// POSIX memory map behind MappedFile.
#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace spark {

namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // O_NONBLOCK: opening a named pipe would otherwise wait for a writer for ever.
  Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) {
    throw Error("io_error", "expected a readable file at " + path + ", got: " + std::strerror(errno));
  }
  struct stat info{};
  if (fstat(file.fd, &info) != 0) throw Error("io_error", path + ": " + std::strerror(errno));
  if (!S_ISREG(info.st_mode)) {
    throw Error("io_error",
                path + ": expected a regular file, got " + (S_ISDIR(info.st_mode) ? "a folder" : "a device or pipe"));
  }
  if (info.st_size == 0) return;
  void* map = mmap(nullptr, static_cast<size_t>(info.st_size), PROT_READ, MAP_SHARED, file.fd, 0);
  if (map == MAP_FAILED) throw Error("io_error", path + ": cannot be mapped into memory: " + std::strerror(errno));
  data_ = static_cast<const std::byte*>(map);
  size_ = static_cast<size_t>(info.st_size);
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace spark
