// Memory of the CPU backend is host memory: upload and download are copies, and a matrix of the file's map is used
// where it lies.
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/error.h"
#include "core/memory.h"
#include "cpu/bf16.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

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

[[noreturn]] void no_other_memory() {
  throw Error("internal", "backend cpu: expected no offloading, its memory is the host's");
}

}  // namespace

CpuBackend::CpuBackend(int threads, Compute compute)
    : threads_(threads > 0 ? threads : omp_get_num_procs()),
      compute_(compute),
      scratch_(static_cast<size_t>(threads_ + kSharedSlots)) {
  kernels();  // for its error: an op could not throw it
  if (compute == Compute::F32) return;
  require_bf16_units();
  bf16_ = std::make_unique<Bf16Products>();
}

CpuBackend::~CpuBackend() = default;

std::string CpuBackend::device() const {
  return std::to_string(threads_) + (threads_ == 1 ? " thread, " : " threads, ") + widest_instructions() +
         ", vectors " + kernels().level;
}

void CpuBackend::enter() {
  omp_set_dynamic(0);  // a team that shrinks under load would change oneDNN's split of a sum
  omp_set_num_threads(threads_);
}

void* CpuBackend::allocate(size_t bytes) {
  void* memory = aligned_memory(bytes);
  allocated_ += bytes;
  return memory;
}

void CpuBackend::release(void* memory, size_t bytes) {
  std::free(memory);
  allocated_ -= bytes;
}

void CpuBackend::offload(int64_t, const Activation*, int64_t) { no_other_memory(); }
void CpuBackend::fetch(Activation*, int64_t, int64_t) { no_other_memory(); }
void CpuBackend::settle(int64_t) { no_other_memory(); }

// The file's map counts among what is free: its pages can be read again.
int64_t CpuBackend::available_bytes() const { return available_memory(); }

void CpuBackend::upload(void* to, const void* host, size_t bytes) {
  if (bytes) std::memcpy(to, host, bytes);
}
void CpuBackend::download(void* host, const void* from, size_t bytes) {
  if (bytes) std::memcpy(host, from, bytes);
}

void CpuBackend::fill(float* x, float value, int64_t count) { std::fill_n(x, count, value); }

void CpuBackend::add(float* y, const float* x, int64_t count) {
#pragma omp parallel for simd schedule(static) if (count > kParallelWork)
  for (int64_t i = 0; i < count; ++i) y[i] += x[i];
}

void CpuBackend::zero(Activation* x, int64_t count) {
  if (count) std::memset(x, 0, static_cast<size_t>(count) * value_bytes());
}

namespace {

constexpr int64_t kBlock = 1 << 14;

}  // namespace

void CpuBackend::add_activations(Activation* y, const Activation* x, int64_t count) {
  with_activation_type(compute_, [&]<class T>(T) {
#pragma omp parallel for schedule(static) if (count > kParallelWork)
    for (int64_t i = 0; i < count; i += kBlock) {
      kernels().of<T>().add_rows(static_cast<T*>(y) + i, static_cast<const T*>(x) + i, std::min(kBlock, count - i));
    }
  });
}

void CpuBackend::round(Activation* to, const float* x, int64_t count) {
  if (compute_ == Compute::F32) return upload(to, x, static_cast<size_t>(count) * sizeof(float));
#pragma omp parallel for schedule(static) if (count > kParallelWork)
  for (int64_t i = 0; i < count; i += kBlock) {
    round_to_bf16(static_cast<Bf16Bits*>(to) + i, x + i, std::min(kBlock, count - i));
  }
}

bool CpuBackend::all_finite(const Activation* x, int64_t count) {
  bool finite = true;
  with_activation_type(compute_, [&]<class T>(T) {
    for (int64_t i = 0; i < count && finite; ++i) finite = std::isfinite(widen(static_cast<const T*>(x)[i]));
  });
  return finite;
}

namespace {

std::shared_ptr<void> owned_memory(size_t bytes) { return {aligned_memory(bytes), std::free}; }

bool is_aligned(const std::byte* data) { return reinterpret_cast<uintptr_t>(data) % alignof(float) == 0; }

}  // namespace

// Used where it lies. Files align tensors; the copy is for one that does not.
Weight CpuBackend::load_matrix(TensorType type, const std::byte* data, int64_t rows, int64_t cols) {
  const size_t row_bytes = tensor_bytes(type, cols);  // throws for a row that ends inside a block
  Weight weight{data, type, rows, cols, nullptr};
  weight_bytes_ += static_cast<size_t>(rows) * row_bytes;
  if (type == TensorType::F32 && !is_aligned(data)) {
    weight.owned = owned_memory(static_cast<size_t>(rows) * row_bytes);
    std::memcpy(weight.owned.get(), data, static_cast<size_t>(rows) * row_bytes);
    weight.data = static_cast<const std::byte*>(weight.owned.get());
  }
  return weight;
}

Vector CpuBackend::load_vector(TensorType type, const std::byte* data, int64_t size) {
  Vector vector{reinterpret_cast<const float*>(data), size, nullptr};
  weight_bytes_ += static_cast<size_t>(size) * sizeof(float);
  if (type == TensorType::F32 && is_aligned(data)) return vector;
  vector.owned = owned_memory(static_cast<size_t>(size) * sizeof(float));
  dequantize(type, data, static_cast<float*>(vector.owned.get()), size);
  vector.data = static_cast<const float*>(vector.owned.get());
  return vector;
}

float* CpuBackend::scratch(int slot, int64_t floats) {
  Scratch& own = scratch_[static_cast<size_t>(slot)];
  if (own.size < floats) {
    own.data = {nullptr, std::free};
    own.size = 0;
    own.data = {static_cast<float*>(aligned_memory(static_cast<size_t>(floats) * sizeof(float))), std::free};
    own.size = floats;
  }
  return own.data.get();
}

}  // namespace spark
