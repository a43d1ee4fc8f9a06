// Files appear whole or not at all, and a full disk has its own code.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <vector>

#include "core/atomic_file.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

TEST_CASE("no space left is disk_full, with what to do") {
  const int fd = open("/dev/full", O_WRONLY);
  if (fd < 0) {
    MESSAGE("skipped: this system has no /dev/full");
    return;
  }
  const Thrown e = thrown([&] { write_all(fd, "x", 1, "model.gguf"); });
  close(fd);
  CHECK(e.code == "disk_full");
  CHECK(e.says("model.gguf"));
  CHECK(e.says("free some space"));
  CHECK(thrown([] { throw_file_error(EDQUOT, "a", "write"); }).code == "disk_full");
  CHECK(thrown([] { throw_file_error(EACCES, "a", "write"); }).code == "io_error");
}

TEST_CASE("a file past the size limit of the process is disk_full, with what to do, and nothing stays of it") {
  TemporaryDirectory dir;
  struct rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small{1000, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::vector<char> bytes(2000);
  const Thrown e = thrown([&] {
    AtomicFile file(dir.file("large"), false);
    file.write(bytes.data(), bytes.size());
    file.commit();
  });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(e.code == "disk_full");
  CHECK(e.says("ulimit -f"));
  CHECK(dir.entries() == 0);
}

TEST_CASE("nothing shows before commit, and nothing stays without it") {
  TemporaryDirectory dir;
  const std::string path = dir.file("a");
  {
    AtomicFile file(path, false);
    file.write("half", 4);
    CHECK(access(path.c_str(), F_OK) != 0);
  }
  CHECK(dir.entries() == 0);
  {
    AtomicFile file(path, false);
    file.write("whole", 5);
    file.commit();
  }
  CHECK(read_bytes(path) == "whole");
  CHECK(dir.entries() == 1);
}

TEST_CASE("a name taken while writing is not overwritten") {
  TemporaryDirectory dir;
  const std::string path = dir.file("a");
  AtomicFile file(path, false);
  file.write("ours", 4);
  write_bytes(path, "theirs");
  CHECK(thrown([&] { file.commit(); }).code == "invalid_argument");
  CHECK(read_bytes(path) == "theirs");
}

TEST_CASE("overwriting replaces the file in one step") {
  TemporaryDirectory dir;
  const std::string path = dir.file("a");
  write_bytes(path, "old");
  AtomicFile file(path, true);
  file.write("new", 3);
  CHECK(read_bytes(path) == "old");
  file.commit();
  CHECK(read_bytes(path) == "new");
  CHECK(dir.entries() == 1);
}
