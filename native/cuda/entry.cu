// What factory_cuda.cpp looks up in this library.
#include "cuda/cuda_backend.h"

extern "C" {

// Of the headers both sides were compiled from: a library of another build must not be called.
__attribute__((visibility("default"))) const char* spark_cuda_version() { return SPARK_CUDA_VERSION; }

// Throws spark::Error; the caller owns the backend.
__attribute__((visibility("default"))) spark::Backend* spark_cuda_backend(int device) {
  return new spark::cuda::CudaBackend(device);
}
}
