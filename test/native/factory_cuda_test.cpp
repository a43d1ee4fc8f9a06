// The CUDA backend's library is found and opened with libraries that lie where Python packages put them; with a
// stand-in for both (fake/), since what is tested is the finding.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "core/error.h"
#include "factory.h"
#include "factory_places.h"

namespace fs = std::filesystem;

namespace {

const fs::path kFakes = SPARK_FAKES;
const fs::path kEnvironment = kFakes / "env", kPackage = "lib/python3.12/site-packages/nvidia/cu99/lib";

// What opening device 3 says, in a process of its own: a library stays open in the one that opened it.
std::string said(const std::function<void()>& set_up) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const char* name : {"CONDA_PREFIX", "VIRTUAL_ENV", "HOME", "PATH", "SPARK_RL_CUBLAS"}) unsetenv(name);
    setenv("SPARK_RL_CUDA", (kFakes / "libspark_cuda.so").c_str(), 1);
    set_up();
    std::string text = "nothing";
    try {
      spark::make_cuda_backend(3);
    } catch (const spark::Error& e) {
      text = e.code() + ": " + e.what();
    }
    const ssize_t written = write(ends[1], text.data(), text.size());
    _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = read(ends[0], buffer, sizeof buffer)) > 0;) text.append(buffer, count);
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  return text;
}

void set(const char* name, const fs::path& value) { setenv(name, value.c_str(), 1); }

}  // namespace

TEST_CASE("the CUDA library's cuBLAS is found where Python packages and conda put it, or where one says") {
  const fs::path conda = kFakes / "conda", bin = kEnvironment / "bin";
  fs::create_directories(conda / "lib");
  fs::create_directories(bin);
  std::ofstream(bin / "python3") << "";
  const fs::path linked = conda / "lib/libcublasLt.so.99";
  if (!fs::exists(linked)) fs::create_symlink(kEnvironment / kPackage / "libcublasLt.so.99", linked);

  const std::string reached = "backend_unavailable: reached device 3 with cuBLAS 99";
  CHECK(said([] { set("SPARK_RL_CUBLAS", kEnvironment / kPackage); }) == reached);
  CHECK(said([] { set("SPARK_RL_CUBLAS", kEnvironment / kPackage / "libcublasLt.so.99"); }) == reached);
  CHECK(said([] { set("VIRTUAL_ENV", kEnvironment); }) == reached);
  CHECK(said([&] { set("PATH", "/nowhere:" + bin.string()); }) == reached);
  CHECK(said([&] { set("CONDA_PREFIX", conda); }) == reached);

  const std::string without = said([] { set("VIRTUAL_ENV", kFakes / "nothing"); });
  CHECK(without.starts_with("backend_unavailable"));
  CHECK(without.find("needs libcublasLt.so.99") != std::string::npos);
  CHECK(without.find("SPARK_RL_CUBLAS") != std::string::npos);
  CHECK(said([] { set("SPARK_RL_CUBLAS", kFakes); }).find(kFakes.string()) != std::string::npos);  // where it looked
}

TEST_CASE("what a dynamic linker misses is read off what it says") {
  CHECK(spark::missing_library("libcublasLt.so.13: cannot open shared object file: No such file or directory") ==
        "libcublasLt.so.13");
  CHECK(spark::missing_library("/a/libspark_cuda.so: undefined symbol: x") == "");
  CHECK(spark::missing_library("/a/b.so: cannot open shared object file: Permission denied") == "");
}
