// The CUDA runtime as the backend uses it: every call checked, errors as coded exceptions, kernels launched in one way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cuda/device.h"

namespace spark::cuda {

#ifndef SPARK_CUDA_EMULATED
using Stream = cudaStream_t;
using Event = cudaEvent_t;

// Throws device_lost for an error that leaves the context unusable, out_of_memory, else internal; `what` says which
// call.
void check(cudaError_t status, const char* what);
#else
using Event = struct EmulatedEvent*;
#endif

// How many blocks of `threads` cover `items`.
inline unsigned blocks_for(int64_t items, int64_t threads) {
  return static_cast<unsigned>((items + threads - 1) / threads);
}

// How many blocks a reduction takes. Each leaves a partial result, which the host adds in order: few enough to fetch,
// enough to keep every device busy.
inline size_t parts_of(int64_t items, int64_t threads) {
  constexpr unsigned kMost = 1024;
  return std::clamp(blocks_for(items, threads), 1u, kMost);
}

// kernel<<<grid, threads, shared, stream>>>(arguments…). More than 48 KiB of shared memory have to be asked for.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, size_t shared, Stream stream,
            Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
#ifdef SPARK_CUDA_EMULATED
  (void)stream;
  emulated::run_grid(grid, threads, shared, [&] { kernel(static_cast<Parameters>(arguments)...); });
#elif defined(__CUDACC__)
  constexpr size_t kFree = 48 << 10;
  if (shared > kFree) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared)),
          "cudaFuncSetAttribute");
  }
  // clang-format off: it takes the brackets apart
  kernel<<<grid, threads, shared, stream>>>(static_cast<Parameters>(arguments)...);
  // clang-format on
  check(cudaGetLastError(), "kernel launch");
#endif
}

}  // namespace spark::cuda
