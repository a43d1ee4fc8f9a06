// Stands for libspark_cuda.so: it needs a library that the system does not find, and its backend only says that it was
// reached.
#include <string>

#include "core/error.h"
#include "ops/backend.h"

extern "C" {

const char* fake_cublas_version();

const char* spark_cuda_version() { return SPARK_CUDA_VERSION; }

spark::Backend* spark_cuda_backend(int device, spark::Compute) {
  throw spark::Error("backend_unavailable",
                     "reached device " + std::to_string(device) + " with cuBLAS " + fake_cublas_version());
}
}
