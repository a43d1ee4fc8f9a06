// AdamW (Loshchilov & Hutter 2019), the equations in native/cpu/adamw.cpp, and the sum behind the global norm.
#include <vector>

#include "cuda/cuda_backend.h"
#include "cuda/memory.h"
#include "cuda/runtime.h"
#include "ops/adamw.h"

namespace spark::cuda {

namespace {

__global__ void update(float* w, float* m, float* v, const float* gradient, AdamwUpdate c, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  const float g = gradient[i] * c.grad_scale;
  const float first = c.beta1 * m[i] + (1.0f - c.beta1) * g, second = c.beta2 * v[i] + (1.0f - c.beta2) * g * g;
  m[i] = first;
  v[i] = second;
  w[i] = w[i] * c.decay - c.step_size * first / (sqrtf(second) * c.inverse_root2 + c.epsilon);
}

// parts (blocks): the sum of each block's share, in double, always in the same order
__global__ void square_parts(double* parts, const float* x, int64_t count) {
  __shared__ double sums[kThreads];
  double sum = 0;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    sum += static_cast<double>(x[i]) * x[i];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned step = kThreads / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
    __syncthreads();
  }
  if (threadIdx.x == 0) parts[blockIdx.x] = sums[0];
}

}  // namespace

double CudaBackend::sum_of_squares(const float* x, int64_t count) {
  std::vector<double> host(parts_of(count, kThreads));
  auto* parts = static_cast<double*>(scratch(kSums, host.size() * sizeof(double)));
  launch(square_parts, dim3(static_cast<unsigned>(host.size())), kThreads, 0, stream_, parts, x, count);
  copy_to_host(host.data(), parts, host.size() * sizeof(double), stream_);
  double sum = 0;
  for (const double part : host) sum += part;
  return sum;
}

void CudaBackend::adamw(float* w, float* m, float* v, const float* gradient, const AdamwCoefficients& c,
                        int64_t count) {
  const AdamwUpdate own = adamw_update(c);
  launch(update, dim3(blocks_for(count, kThreads)), kThreads, 0, stream_, w, m, v, gradient, own, count);
}

}  // namespace spark::cuda
