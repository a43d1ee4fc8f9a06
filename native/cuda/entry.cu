// What factory_cuda.cpp looks up in this library.
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace {

// SPARK_RL_ATTENTION: ampere or hopper. For measuring one beside the other, and to be able to do without Hopper's.
std::optional<spark::cuda::AttentionKernels> wanted_attention() {
  const char* name = std::getenv("SPARK_RL_ATTENTION");
  if (!name) return {};
  if (std::string(name) == "ampere") return spark::cuda::AttentionKernels::Ampere;
  if (std::string(name) == "hopper") return spark::cuda::AttentionKernels::Hopper;
  throw spark::Error("invalid_argument", std::string("SPARK_RL_ATTENTION: expected ampere or hopper, got ") + name);
}

}  // namespace

extern "C" {

// Of the headers both sides were compiled from: a library of another build must not be called.
__attribute__((visibility("default"))) const char* spark_cuda_version() { return SPARK_CUDA_VERSION; }

// Throws spark::Error; the caller owns the backend.
__attribute__((visibility("default"))) spark::Backend* spark_cuda_backend(int device, spark::Compute compute) {
  spark::cuda::CudaOptions options;
  options.attention = wanted_attention();
  options.compute = compute;
  return new spark::cuda::CudaBackend(device, options);
}
}
