// The CUDA runtime behind memory.h, and its errors as coded exceptions.
#include <algorithm>
#include <string>

#include "core/error.h"
#include "cuda/lost.h"
#include "cuda/memory.h"
#include "cuda/runtime.h"

namespace spark::cuda {

namespace {

std::string describe(cudaError_t status) {
  return std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")";
}

// After these the context answers every call with the same error until the process ends.
bool is_sticky(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidPc:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorECCUncorrectable:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorContained:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorDevicesUnavailable:
    case cudaErrorAssert:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

// Of the current device.
bool reads_host_page_tables() {
  int device = 0, yes = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&yes, cudaDevAttrPageableMemoryAccessUsesHostPageTables, device),
        "cudaDeviceGetAttribute");
  return yes != 0;
}

// Does nothing: open_device asks whether this build has code of it for the device.
__global__ void any_kernel() {}

std::string version_text(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }

[[noreturn]] void unavailable(const std::string& reason) {
  throw Error("backend_unavailable", "backend cuda: " + reason);
}

}  // namespace

void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const std::string text = std::string(what) + ": " + describe(status);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // not sticky: the next call must not see it again
    throw Error("out_of_memory", text);
  }
  if (is_sticky(status)) lose_device(text);
  throw Error("internal", text);
}

Stream open_device(int device) {
  require_device();
  int driver = 0, runtime = 0, count = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    unavailable("expected an NVIDIA driver, found none; install one, or use backend cpu");
  }
  cudaRuntimeGetVersion(&runtime);
  const cudaError_t found = cudaGetDeviceCount(&count);
  if (found == cudaErrorInsufficientDriver) {
    unavailable("expected a driver for CUDA " + version_text(runtime) + ", got one for " + version_text(driver) +
                "; update it");
  }
  if (found != cudaSuccess) unavailable("the driver finds no device: " + describe(found));
  if (device < 0 || device >= count) {
    unavailable("expected device 0 to " + std::to_string(count - 1) + ", got " + std::to_string(device));
  }
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  constexpr int kOldest = 8;  // Ampere: bf16 tensor cores, asynchronous copies to shared memory
  if (properties.major < kOldest) {
    unavailable(std::string("expected a device of compute capability 8.0 or newer, got ") + properties.name + " with " +
                std::to_string(properties.major) + "." + std::to_string(properties.minor));
  }
  check(cudaSetDevice(device), "cudaSetDevice");
  cudaFuncAttributes code{};
  const cudaError_t runnable = cudaFuncGetAttributes(&code, any_kernel);
  if (runnable == cudaErrorNoKernelImageForDevice || runnable == cudaErrorInvalidDeviceFunction ||
      runnable == cudaErrorUnsupportedPtxVersion) {
    cudaGetLastError();
    unavailable(std::string("expected a build with code for ") + properties.name + " (compute capability " +
                std::to_string(properties.major) + "." + std::to_string(properties.minor) +
                "), got one without: build "
                "with -DSPARK_CUDA_ARCHITECTURES=" +
                std::to_string(properties.major * 10 + properties.minor) + "-real, or use backend cpu");
  }
  check(runnable, "cudaFuncGetAttributes");
  Stream stream{};
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}

// Without checks: these also run while an error is being handled, and must not throw another.
void close_device(Stream stream) { cudaStreamDestroy(stream); }
void device_release(void* memory) { cudaFree(memory); }

void enter_device(int device) {
  require_device();
  check(cudaSetDevice(device), "cudaSetDevice");
}

std::string describe_device(int device) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  int driver = 0, runtime = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  return std::string(properties.name) + ", " + std::to_string(properties.totalGlobalMem >> 20) +
         " MiB, compute capability " + std::to_string(properties.major) + "." + std::to_string(properties.minor) +
         ", driver for CUDA " + version_text(driver) + ", built with " + version_text(runtime);
}

bool has_warpgroup_products(int device) {
  constexpr int kHopper = 9;
  int major = 0;
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device), "cudaDeviceGetAttribute");
  return major == kHopper;
}

int multiprocessors() {
  int device = 0, count = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device), "cudaDeviceGetAttribute");
  return count;
}

size_t shared_bytes() {
  int device = 0, bytes = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device), "cudaDeviceGetAttribute");
  return static_cast<size_t>(bytes);
}

size_t free_bytes() {
  size_t available = 0, total = 0;
  check(cudaMemGetInfo(&available, &total), "cudaMemGetInfo");
  return available;
}

void* device_allocate(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, std::max<size_t>(bytes, 1));
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t available = 0, total = 0;
    cudaMemGetInfo(&available, &total);
    const auto mib = [](size_t b) { return std::to_string(b >> 20) + " MiB"; };
    throw Error("out_of_memory", "expected " + mib(bytes) + " of free device memory, got " + mib(available) + " of " +
                                     mib(total) +
                                     ": use fewer tokens in a pass, recompute block or offload, or a quantised model");
  }
  check(status, "cudaMalloc");
  return memory;
}

void device_zero(void* memory, size_t bytes, Stream stream) {
  if (bytes) check(cudaMemsetAsync(memory, 0, bytes, stream), "cudaMemsetAsync");
}

// For memory that is not pinned cudaMemcpyAsync returns when the bytes have been read. On hosts whose page tables the
// device reads it may return before: the device then copies straight from that memory, so this waits for it.
void copy_to_device(void* to, const void* host, size_t bytes, Stream stream) {
  if (!bytes) return;
  check(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, stream), "copy to the device");
  if (reads_host_page_tables()) wait_for_device(stream);
}

void copy_to_host(void* host, const void* from, size_t bytes, Stream stream) {
  if (bytes) check(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, stream), "copy from the device");
  wait_for_device(stream);
}

void copy_on_device(void* to, const void* from, size_t bytes, Stream stream) {
  if (bytes) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream), "copy on the device");
}

void wait_for_device(Stream stream) { check(cudaStreamSynchronize(stream), "cudaStreamSynchronize"); }

std::string sticky_error(Stream stream) {
  cudaStreamSynchronize(stream);
  cudaGetLastError();
  const cudaError_t left = cudaStreamSynchronize(stream);  // asked again: only a sticky error is answered twice
  return left == cudaSuccess ? "" : describe(left);
}

Stream open_stream() {
  Stream stream{};
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}

void close_stream(Stream stream) {
  cudaStreamSynchronize(stream);
  cudaStreamDestroy(stream);
}

Event make_event() {
  Event event{};
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  return event;
}

void release_event(Event event) { cudaEventDestroy(event); }
void mark(Event event, Stream stream) { check(cudaEventRecord(event, stream), "cudaEventRecord"); }
void wait_for(Event event, Stream stream) { check(cudaStreamWaitEvent(stream, event, 0), "cudaStreamWaitEvent"); }

void* pinned_allocate(size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMallocHost(&memory, std::max<size_t>(bytes, 1));
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(status, "cudaMallocHost");
  return memory;
}

void pinned_release(void* memory) { cudaFreeHost(memory); }

void copy_to_pinned(void* pinned, const void* from, size_t bytes, Stream stream) {
  if (bytes) check(cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, stream), "copy to pinned memory");
}

void copy_from_pinned(void* to, const void* pinned, size_t bytes, Stream stream) {
  if (bytes) check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, stream), "copy from pinned memory");
}

}  // namespace spark::cuda
