// native/cuda/memory.h, products.h and uploader.h on the host.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "core/fp8.h"
#include "core/half.h"
#include "cuda/lost.h"
#include "cuda/memory.h"
#include "cuda/products.h"
#include "cuda/uploader.h"
#include "emulated/streams.h"

namespace spark::cuda {

Stream open_device(int) {
  require_device();
  return 0;
}
void close_device(Stream) {}
void enter_device(int) { require_device(); }
std::string describe_device(int) { return "none: every thread runs on the host"; }
bool has_warpgroup_products(int) { return emulated::hopper(); }
int multiprocessors() { return 3; }  // few: a block gets several tiles
size_t shared_bytes() { return size_t{227} << 10; }

size_t free_bytes() { return size_t{1} << 32; }

namespace {
constexpr size_t kAlignment = 256;
}

emulated::Counted& emulated::counted() {
  static Counted all;
  return all;
}

bool& emulated::hopper() {
  static bool yes = false;
  return yes;
}

void* device_allocate(size_t bytes) {
  emulated::Counted& counted = emulated::counted();
  if (counted.allocations >= counted.most_allocations) throw Error("out_of_memory", "no more is granted");
  ++counted.allocations;
  counted.held += static_cast<int64_t>(bytes);
  counted.peak = std::max(counted.peak, counted.held);
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, (bytes / kAlignment + 2) * kAlignment));
  std::memcpy(memory, &bytes, sizeof bytes);  // before what the caller gets
  memory += kAlignment;
  std::memset(memory, 0xff, bytes);  // NaN: what nobody wrote shows
  return memory;
}
void device_release(void* memory) {
  if (!memory) return;
  wait_for_copies();  // as the device does before it frees
  std::byte* start = static_cast<std::byte*>(memory) - kAlignment;
  size_t bytes = 0;
  std::memcpy(&bytes, start, sizeof bytes);
  emulated::counted().held -= static_cast<int64_t>(bytes);
  std::free(start);
}
void device_zero(void* memory, size_t bytes, Stream) { std::memset(memory, 0, bytes); }
void copy_to_device(void* to, const void* host, size_t bytes, Stream) {
  if (bytes) std::memcpy(to, host, bytes);
}
void copy_to_host(void* host, const void* from, size_t bytes, Stream stream) {
  if (bytes) std::memcpy(host, from, bytes);
  wait_for_device(stream);
}
void copy_on_device(void* to, const void* from, size_t bytes, Stream) {
  if (bytes) std::memcpy(to, from, bytes);
}
void wait_for_device(Stream stream) {
  emulated::Counted& counted = emulated::counted();
  if (counted.waits >= counted.most_waits) lose_device("cudaStreamSynchronize: an illegal instruction");
  ++counted.waits;
  wait_for_copies(stream);
}

std::string sticky_error(Stream) {
  const emulated::Counted& counted = emulated::counted();
  return counted.waits >= counted.most_waits ? "cudaErrorIllegalInstruction" : "";
}

struct Uploader::State {};
Uploader::Uploader(Stream) {}
Uploader::~Uploader() = default;
void Uploader::copy(void* to, size_t pitch, const void* host, size_t row_bytes, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(static_cast<std::byte*>(to) + static_cast<size_t>(r) * pitch,
                static_cast<const std::byte*>(host) + static_cast<size_t>(r) * row_bytes, row_bytes);
  }
}

struct Products::State {};
Products::Products(Stream) {}
Products::~Products() = default;
std::string Products::library() { return "plain loops"; }

namespace {

float value(const void* data, Number type, int64_t i) {
  switch (type) {
    case Number::F32:
      return static_cast<const float*>(data)[i];
    case Number::E4m3:
      return e4m3_to_float(static_cast<const uint8_t*>(data)[i]);
    default:
      return bf16_to_float(static_cast<const uint16_t*>(data)[i]);
  }
}

}  // namespace

void Products::run(const Product& p) {
  if (emulated::counted().products++ == emulated::counted().failed) {
    product_failed("cublasLtMatmul: CUBLAS_STATUS_EXECUTION_FAILED", Stream{});
  }
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = 0; j < p.n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < p.k; ++l) {
        sum +=
            static_cast<double>(value(p.a.data, p.inputs, p.a.transposed ? l * p.a.stride + i : i * p.a.stride + l)) *
            value(p.b.data, p.inputs, p.b.transposed ? j * p.b.stride + l : l * p.b.stride + j);
      }
      const int64_t at = i * p.stride + j;
      const double held = p.addend ? value(p.addend, p.output, at) : 0.0;
      const double scales = p.inputs == Number::E4m3 ? double{p.a_scales[i]} * p.b_scales[j] : 1.0;
      const float result = static_cast<float>(p.scale * scales * sum + held);
      if (p.output == Number::F32) {
        static_cast<float*>(p.c)[at] = result;
      } else {
        static_cast<uint16_t*>(p.c)[at] = float_to_bf16(result);
      }
    }
  }
}

}  // namespace spark::cuda
