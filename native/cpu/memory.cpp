// Memory of the CPU backend is host memory: upload and download are copies, and an fp32 tensor of the file's map is
// used where it lies.
#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

namespace {

constexpr size_t kAlignment = 64;  // a cache line, and one AVX-512 register

void* aligned_memory(size_t bytes) {
  void* memory =
      std::aligned_alloc(kAlignment, (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment);
  if (!memory) {
    throw Error("out_of_memory", "expected " + std::to_string(bytes >> 20) +
                                     " MiB of free memory, got none: use a smaller batch or fewer sequences at once");
  }
  return memory;
}

}  // namespace

CpuBackend::CpuBackend(int threads) : threads_(threads > 0 ? threads : omp_get_num_procs()), scratch_(threads_) {}

void CpuBackend::enter() {
  omp_set_dynamic(0);  // a team that shrinks under load would change oneDNN's split of a sum
  omp_set_num_threads(threads_);
}

void* CpuBackend::allocate(size_t bytes) { return aligned_memory(bytes); }
void CpuBackend::release(void* memory) { std::free(memory); }
void CpuBackend::upload(void* to, const void* host, size_t bytes) {
  if (bytes) std::memcpy(to, host, bytes);
}
void CpuBackend::download(void* host, const void* from, size_t bytes) {
  if (bytes) std::memcpy(host, from, bytes);
}

void CpuBackend::fill(float* x, float value, int64_t count) { std::fill_n(x, count, value); }
void CpuBackend::copy(float* y, const float* x, int64_t count) {
  if (count) std::memcpy(y, x, static_cast<size_t>(count) * sizeof(float));
}

void CpuBackend::add(float* y, const float* x, int64_t count) {
#pragma omp parallel for simd schedule(static) if (count > kParallelWork)
  for (int64_t i = 0; i < count; ++i) y[i] += x[i];
}

// Anything but aligned fp32 becomes fp32 here, once, when the model opens. Keeping the packed form and unpacking it
// inside the product would save memory; fp32 is what oneDNN's sgemm takes.
Weight CpuBackend::load(TensorType type, const std::byte* data, int64_t rows, int64_t cols) {
  Weight weight{nullptr, rows, cols, nullptr};
  if (type == TensorType::F32 && reinterpret_cast<uintptr_t>(data) % alignof(float) == 0) {
    weight.data = reinterpret_cast<const float*>(data);
    return weight;
  }
  float* copy = static_cast<float*>(aligned_memory(static_cast<size_t>(rows * cols) * sizeof(float)));
  weight.owned = std::shared_ptr<void>(copy, std::free);
  weight.data = copy;
  dequantize(type, data, copy, rows * cols);
  return weight;
}

float* CpuBackend::scratch(int thread, int64_t floats) {
  Scratch& own = scratch_[static_cast<size_t>(thread)];
  if (own.size < floats) {
    own.data = {nullptr, std::free};
    own.size = 0;
    own.data = {static_cast<float*>(aligned_memory(static_cast<size_t>(floats) * sizeof(float))), std::free};
    own.size = floats;
  }
  return own.data.get();
}

}  // namespace spark
