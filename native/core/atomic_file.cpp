// POSIX calls behind AtomicFile.
#include "core/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace spark {

void throw_file_error(int error_number, const std::string& path, const std::string& action) {
  const std::string reason = std::strerror(error_number);
  if (error_number == ENOSPC || error_number == EDQUOT) {
    throw Error("disk_full", path + ": cannot " + action + ": " + reason + "; free some space and try again");
  }
  if (error_number == EFBIG) {
    throw Error("disk_full",
                path + ": cannot " + action + ": " + reason +
                    "; raise the size limit of this process (ulimit -f), or choose another disk, and try again");
  }
  throw Error("io_error", path + ": cannot " + action + ": " + reason);
}

void write_all(int fd, const void* data, size_t bytes, const std::string& path) {
  const char* cursor = static_cast<const char*>(data);
  while (bytes > 0) {
    // One call moves at most 2 GiB on Linux; smaller pieces make no difference to speed.
    const ssize_t written = ::write(fd, cursor, std::min<size_t>(bytes, size_t{1} << 26));
    if (written < 0) {
      if (errno == EINTR) continue;
      throw_file_error(errno, path, "write");
    }
    cursor += written;
    bytes -= static_cast<size_t>(written);
  }
}

std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> counter{0};
  return path + ".tmp-" + std::to_string(getpid()) + "-" + std::to_string(counter++);
}

std::string parent_folder(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void require_free_space(const std::string& path, uint64_t bytes) {
  struct statvfs info{};
  // A file system that does not say how large it is will say when it is full.
  if (statvfs(parent_folder(path).c_str(), &info) != 0 || info.f_blocks == 0) return;
  const uint64_t free = static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  if (free >= bytes) return;
  throw Error("disk_full", path + ": expected " + std::to_string(bytes) + " bytes free in its folder, got " +
                               std::to_string(free) + "; free some space or choose another disk");
}

void sync_folder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

namespace {

[[noreturn]] void throw_exists(const std::string& path) {
  throw Error("invalid_argument", path + " exists already and is not overwritten; choose another name");
}

}  // namespace

AtomicFile::AtomicFile(std::string path, bool overwrite)
    : path_(std::move(path)), temporary_(temporary_name(path_)), overwrite_(overwrite) {
  struct stat info{};
  if (!overwrite_ && lstat(path_.c_str(), &info) == 0) throw_exists(path_);
  fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) throw_file_error(errno, path_, "create a file in " + parent_folder(path_));
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::commit() {
  if (fsync(fd_) != 0) throw_file_error(errno, path_, "flush");
  const int closed = close(fd_);
  fd_ = -1;
  if (closed != 0) throw_file_error(errno, path_, "close");
  if (overwrite_) {
    if (rename(temporary_.c_str(), path_.c_str()) != 0) throw_file_error(errno, path_, "rename into place");
  } else if (link(temporary_.c_str(), path_.c_str()) == 0) {
    // A link fails when the name was taken meanwhile; a rename would replace it.
    unlink(temporary_.c_str());
  } else if (errno == EEXIST) {
    throw_exists(path_);
  } else if (rename(temporary_.c_str(), path_.c_str()) != 0) {  // a file system without hard links
    throw_file_error(errno, path_, "rename into place");
  }
  temporary_.clear();
  sync_folder(parent_folder(path_));
}

}  // namespace spark
