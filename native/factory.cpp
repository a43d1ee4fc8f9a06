#include "factory.h"

#include "core/error.h"
#include "core/gguf.h"
#include "cpu/cpu_backend.h"
#include "train/model.h"

namespace spark {

namespace {

Compute compute_of(const std::string& name) {
  for (const Compute compute : {Compute::F32, Compute::Bf16}) {
    if (name == compute_name(compute)) return compute;
  }
  throw Error("invalid_argument", "compute: expected f32 or bf16, got " + name);
}

}  // namespace

const char* compute_name(Compute compute) {
  constexpr const char* kNames[] = {"f32", "bf16"};
  return kNames[static_cast<int>(compute)];
}

std::unique_ptr<Backend> make_backend(const std::string& name, int threads, const std::string& compute) {
  constexpr int kMostThreads = 1024;
  if (threads < 0 || threads > kMostThreads) {
    throw Error("invalid_argument", "threads: expected 0 (all cores) to " + std::to_string(kMostThreads) + ", got " +
                                        std::to_string(threads));
  }
  if (name == "cuda") {
    throw Error("backend_unavailable",
                "backend cuda: expected a build with the CUDA backend, got one without; use cpu");
  }
  if (name == "auto" || name == "cpu") return std::make_unique<CpuBackend>(threads, compute_of(compute));
  throw Error("invalid_argument", "backend: expected auto, cpu or cuda, got " + name);
}

std::shared_ptr<Model> Model::open(const ModelOptions& options, Cancel cancel) {
  auto backend = make_backend(options.backend, options.threads,
                              options.compute);  // first: cheap, and a wrong name should say so at once
  return make_model(GgufFile::open(options.path), std::move(backend), options, cancel);
}

}  // namespace spark
