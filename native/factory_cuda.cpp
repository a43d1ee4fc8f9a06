// Finds the CUDA backend's shared library at run time, so that nothing here depends on CUDA: beside this binary, or
// where SPARK_RL_CUDA points. A machine with a driver and no toolkit has cuBLAS in a Python package at most, where the
// dynamic linker does not look: what the library misses is looked for there (factory_places.h) and opened before it.
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/error.h"
#include "factory.h"
#include "factory_places.h"

namespace spark {

namespace {

constexpr const char* kLibrary = "libspark_cuda.so";

[[noreturn]] void unavailable(const std::string& reason) {
  throw Error("backend_unavailable", "backend cuda: " + reason);
}

std::string last_error() {
  const char* why = dlerror();
  return why ? why : "no reason given";
}

std::filesystem::path library_path() {
  if (const char* named = std::getenv("SPARK_RL_CUDA")) return named;
  Dl_info own{};
  if (dladdr(reinterpret_cast<const void*>(&library_path), &own) == 0 || !own.dli_fname) return kLibrary;
  return std::filesystem::path(own.dli_fname).parent_path() / kLibrary;
}

void* open_library() {
  const std::filesystem::path path = library_path();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    unavailable("expected a build with CUDA, got one without (no " + path.string() +
                "): build on a machine with nvcc and cuBLAS, or use backend cpu");
  }
  if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  const std::string why = last_error(), missing = missing_library(why);
  if (missing.empty()) unavailable("its library does not load: " + why + "; build again, or use backend cpu");
  std::string tried;
  for (const std::filesystem::path& folder : cuda_places(missing)) {
    tried += (tried.empty() ? "" : ", ") + folder.string();
    if (!std::filesystem::exists(folder / missing, ignored)) continue;
    if (!dlopen((folder / missing).c_str(), RTLD_NOW | RTLD_LOCAL)) continue;
    // The dynamic linker now finds that dependency: it is open under this name.
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  }
  unavailable(
      "its library needs " + missing + ", which is not where the system looks for libraries, nor in " + tried +
      ": install it (pip install nvidia-cublas, or the CUDA toolkit), or set SPARK_RL_CUBLAS to the folder that "
      "has it, or use backend cpu");
}

template <class F>
F symbol(void* library, const char* name) {
  void* found = dlsym(library, name);
  if (!found) unavailable(std::string("its library has no ") + name + ": build again");
  return reinterpret_cast<F>(found);
}

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(int device, Compute compute) {
  static void* library = open_library();  // opened once and kept open: every later model uses it, too
  const std::string version = symbol<const char* (*)()>(library, "spark_cuda_version")();
  if (version != SPARK_CUDA_VERSION) unavailable("its library is of another build: build again");
  return std::unique_ptr<Backend>(symbol<Backend* (*)(int, Compute)>(library, "spark_cuda_backend")(device, compute));
}

}  // namespace spark
