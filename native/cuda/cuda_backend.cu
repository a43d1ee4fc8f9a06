// Memory of the CUDA backend, what goes to and from it, and what ops do to buffers as such.
#include "core/packed.h"
#include "cuda/cuda_backend.h"

#include <algorithm>
#include <vector>

#include "cuda/memory.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

constexpr int64_t kConverted = 1 << 24;  // values of a matrix that become bf16 at a time

__global__ void fill_all(float* x, float value, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) x[i] = value;
}

__global__ void add_floats(float* y, const float* x, int64_t count) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) y[i] += x[i];
}

// to (., cols), `stride` from row to row, = count values of fp32, or of half with uint16_t
template <class T>
__global__ void narrow_rows(Bf16* to, const void* from, int64_t count, int64_t cols, int64_t stride) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= count) return;
  const T value = static_cast<const T*>(from)[i];
  Bf16& own = to[i / cols * stride + i % cols];
  if constexpr (std::is_same_v<T, float>) {
    own = narrow(value);
  } else {
    own = narrow(f16_to_float(value));
  }
}

// bad (blocks): whether a block saw NaN or ∞
__global__ void find_not_finite(int32_t* bad, const Bf16* x, int64_t count) {
  __shared__ int32_t any[kThreads];
  int32_t own = 0;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += int64_t{gridDim.x} * kThreads) {
    own |= (x[i].bits & 0x7f80u) == 0x7f80u;  // the exponent of NaN and ∞
  }
  any[threadIdx.x] = own;
  __syncthreads();
  if (threadIdx.x > 0) return;
  for (int i = 1; i < kThreads; ++i) own |= any[i];
  bad[blockIdx.x] = own;
}

}  // namespace

CudaBackend::CudaBackend(int device, const CudaOptions& options)
    : device_(device),
      compute_(options.compute),
      head_panel_(options.head_panel),
      stream_(open_device(device)),
      products_(std::make_unique<Products>(stream_)) {
  try {
    lora_blocks_ = blocks_of_lora_pass();
    choose_attention(options);
    if (compute_ == Compute::Fp8) require_fp8();
  } catch (...) {
    close();
    throw;
  }
}

CudaBackend::~CudaBackend() { close(); }

void CudaBackend::close() {
  uploader_.reset();
  offloader_.reset();
  products_.reset();
  for (const Scratch& own : scratch_) device_release(own.data);
  close_device(stream_);
}

// A call begins, so loading is over: its pinned buffers and its scratch go. What an abandoned pass still copies is in
// memory that this call uses anew.
void CudaBackend::enter() {
  enter_device(device_);
  if (uploader_) {
    uploader_.reset();
    for (Scratch& own : scratch_) device_release(own.data), own = {};
  }
  if (offloader_) offloader_->settle_all();
}

std::string CudaBackend::device() const {
  return describe_device(device_) + ", " + Products::library() + ", " + attention_text_;
}

void* CudaBackend::allocate(size_t bytes) {
  void* memory = device_allocate(bytes);
  allocated_ += bytes;
  return memory;
}

void CudaBackend::release(void* memory, size_t bytes) {
  device_release(memory);
  allocated_ -= bytes;
}

void* CudaBackend::scratch(Slot slot, size_t bytes) {
  Scratch& own = scratch_[slot];
  if (own.bytes < bytes) {
    device_release(own.data);  // waits for ops that still use it
    own = {};
    own.data = device_allocate(bytes);
    own.bytes = bytes;
  }
  return own.data;
}

int64_t CudaBackend::available_bytes() const { return static_cast<int64_t>(free_bytes() + weight_bytes_); }

void CudaBackend::upload(void* to, const void* host, size_t bytes) { copy_to_device(to, host, bytes, stream_); }
void CudaBackend::download(void* host, const void* from, size_t bytes) { copy_to_host(host, from, bytes, stream_); }

void CudaBackend::fill(float* x, float value, int64_t count) {
  launch(fill_all, dim3(blocks_for(count, kThreads)), kThreads, 0, stream_, x, value, count);
}

void CudaBackend::add(float* y, const float* x, int64_t count) {
  launch(add_floats, dim3(blocks_for(count, kThreads)), kThreads, 0, stream_, y, x, count);
}

void CudaBackend::zero(Activation* x, int64_t count) {
  device_zero(x, static_cast<size_t>(count) * sizeof(Bf16), stream_);
}

bool CudaBackend::all_finite(const Activation* x, int64_t count) {
  std::vector<int32_t> host(parts_of(count, kThreads));
  auto* bad = static_cast<int32_t*>(scratch(kSums, host.size() * sizeof(int32_t)));
  launch(find_not_finite, dim3(static_cast<unsigned>(host.size())), kThreads, 0, stream_, bad, bf16(x), count);
  copy_to_host(host.data(), bad, host.size() * sizeof(int32_t), stream_);
  return std::none_of(host.begin(), host.end(), [](int32_t b) { return b != 0; });
}

// Quantised matrices lie on the device as they lie in the file; plain ones become bf16 with a margin (stored_values).
Weight CudaBackend::load_matrix(TensorType type, const std::byte* data, int64_t rows, int64_t cols) {
  const size_t row_bytes = tensor_bytes(type, cols);  // throws for a row that ends in a block
  const bool plain = loads_as_bf16(type), wide = plain && type != TensorType::BF16;
  const size_t own =
      plain ? static_cast<size_t>(stored_values(rows, cols)) * sizeof(Bf16) : static_cast<size_t>(rows) * row_bytes;
  Weight weight{nullptr, plain ? TensorType::BF16 : type, rows, cols, {device_allocate(own), device_release}};
  weight.data = static_cast<const std::byte*>(weight.owned.get());
  weight_bytes_ += own;
  if (!uploader_) uploader_ = std::make_unique<Uploader>(stream_);
  const int64_t stride = stored_stride(rows, cols);
  if (!wide) {
    const size_t pitch = plain ? static_cast<size_t>(stride) * sizeof(Bf16) : row_bytes;
    uploader_->copy(weight.owned.get(), pitch, data, row_bytes, rows);
    return weight;
  }
  const int64_t most = std::max<int64_t>(kConverted / cols, 1);
  void* staging = scratch(kWeights, static_cast<size_t>(std::min(rows, most)) * row_bytes);
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t here = std::min(most, rows - first);
    uploader_->copy(staging, row_bytes, data + static_cast<size_t>(first) * row_bytes, row_bytes, here);
    launch(type == TensorType::F32 ? narrow_rows<float> : narrow_rows<uint16_t>,
           dim3(blocks_for(here * cols, kThreads)), kThreads, 0, stream_, bf16(weight.owned.get()) + first * stride,
           staging, here * cols, cols, stride);
  }
  return weight;
}

Vector CudaBackend::load_vector(TensorType type, const std::byte* data, int64_t size) {
  std::vector<float> host(static_cast<size_t>(size));
  dequantize(type, data, host.data(), size);
  Vector vector{nullptr, size, {device_allocate(host.size() * sizeof(float)), device_release}};
  vector.data = static_cast<const float*>(vector.owned.get());
  weight_bytes_ += host.size() * sizeof(float);
  copy_to_device(vector.owned.get(), host.data(), host.size() * sizeof(float), stream_);
  return vector;
}

}  // namespace spark::cuda
