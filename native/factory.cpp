#include "factory.h"

#include <optional>

#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "train/model.h"

namespace spark {

namespace {

// None for auto.
std::optional<Compute> wanted_compute(const std::string& name) {
  if (name == "auto") return {};
  for (const Compute compute : {Compute::F32, Compute::Bf16, Compute::Fp8}) {
    if (name == compute_name(compute)) return compute;
  }
  throw Error("invalid_argument", "compute: expected auto, f32, bf16 or fp8, got " + name);
}

// Null where `auto` should rather take the CPU, which has no fp8.
std::unique_ptr<Backend> cuda_if_it_works(Compute compute, int device) try {
  return compute == Compute::F32 ? nullptr : make_cuda_backend(device, compute);
} catch (const Error& e) {
  if (e.code() != "backend_unavailable" || device != 0 || compute == Compute::Fp8) throw;
  return nullptr;
}

}  // namespace

const char* compute_name(Compute compute) {
  constexpr const char* kNames[] = {"f32", "bf16", "fp8"};
  return kNames[static_cast<int>(compute)];
}

std::unique_ptr<Backend> make_backend(const std::string& name, int threads, const std::string& compute, int device) {
  constexpr int kMostThreads = 1024;
  if (threads < 0 || threads > kMostThreads) {
    throw Error("invalid_argument", "threads: expected 0 (all cores) to " + std::to_string(kMostThreads) + ", got " +
                                        std::to_string(threads));
  }
  const std::optional<Compute> wanted = wanted_compute(compute);
  if (device < 0) throw Error("invalid_argument", "device: expected 0 or more, got " + std::to_string(device));
  if (name == "cuda") {
    if (wanted != Compute::F32) return make_cuda_backend(device, wanted.value_or(Compute::Bf16));
    throw Error("unsupported_compute",
                "compute: expected bf16 or fp8 on backend cuda, got f32; use backend cpu for f32");
  }
  if (name == "auto") {
    if (auto cuda = cuda_if_it_works(wanted.value_or(Compute::Bf16), device)) return cuda;
  }
  if (device != 0 && (name == "auto" || name == "cpu")) {
    throw Error("invalid_argument",
                "device: expected 0 on the CPU, got " + std::to_string(device) + "; it counts GPUs, for backend cuda");
  }
  if (name == "cpu" && wanted == Compute::Fp8) {
    throw Error(
        "unsupported_compute",
        "compute: expected f32 or bf16 on backend cpu, got fp8; it is for GPUs of compute capability 9.0 (Hopper)");
  }
  if (name == "auto" || name == "cpu") return std::make_unique<CpuBackend>(threads, wanted.value_or(Compute::F32));
  throw Error("invalid_argument", "backend: expected auto, cpu or cuda, got " + name);
}

std::shared_ptr<Model> Model::open(const ModelOptions& options, Cancel cancel) {
  // First: cheap, and a wrong name should say so at once.
  auto backend = make_backend(options.backend, options.threads, options.compute, options.device);
  return make_model(open_served(options.path), std::move(backend), options, cancel);
}

}  // namespace spark
