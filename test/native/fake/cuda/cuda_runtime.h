// A CUDA runtime that answers as a test says, so that native/cuda/runtime.cu, which decides what its errors mean, runs
// where there is no device. Only what runtime.cu and cuda/device.h name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>

#define __global__
#define __device__
#define __align__(bytes) alignas(bytes)

struct uint2 {
  unsigned x, y;
};
struct uint4 {
  unsigned x, y, z, w;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
extern dim3 threadIdx;
float __uint_as_float(unsigned);
float __shfl_xor_sync(unsigned, float, int);
float __expf(float);
void __syncthreads();
inline float fmaxf(float a, float b) { return a > b ? a : b; }

// By their numbers in driver_types.h.
enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInsufficientDriver = 35,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorInvalidDeviceFunction = 98,
  cudaErrorNoDevice = 100,
  cudaErrorNoKernelImageForDevice = 209,
  cudaErrorECCUncorrectable = 214,
  cudaErrorNvlinkUncorrectable = 220,
  cudaErrorUnsupportedPtxVersion = 222,
  cudaErrorNotReady = 600,
  cudaErrorIllegalAddress = 700,
  cudaErrorLaunchTimeout = 702,
  cudaErrorAssert = 710,
  cudaErrorHardwareStackError = 714,
  cudaErrorIllegalInstruction = 715,
  cudaErrorMisalignedAddress = 716,
  cudaErrorInvalidAddressSpace = 717,
  cudaErrorInvalidPc = 718,
  cudaErrorLaunchFailure = 719,
  cudaErrorContained = 721,
  cudaErrorUnknown = 999,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaDeviceAttr {
  cudaDevAttrComputeCapabilityMajor,
  cudaDevAttrMultiProcessorCount,
  cudaDevAttrMaxSharedMemoryPerBlockOptin,
  cudaDevAttrPageableMemoryAccessUsesHostPageTables
};
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;
using cudaStream_t = struct FakeStream*;
using cudaEvent_t = struct FakeEvent*;
struct cudaFuncAttributes {};
struct cudaDeviceProp {
  char name[32];
  int major, minor;
  size_t totalGlobalMem;
};

namespace fake {

struct Runtime {
  int driver = 13000, runtime = 13000, devices = 2, major = 9, minor = 0;
  bool host_page_tables = false;
  std::map<std::string, cudaError_t> answers;  // of a call, instead of success, every time
  std::map<std::string, int> calls;
  int current = -1;
  cudaError_t last = cudaSuccess;

  cudaError_t answer(const std::string& call) {
    ++calls[call];
    const auto found = answers.find(call);
    if (found == answers.end()) return cudaSuccess;
    return last = found->second;
  }
};

inline Runtime& cuda() {
  static Runtime all;
  return all;
}

}  // namespace fake

inline const char* cudaGetErrorName(cudaError_t) { return "name"; }
inline const char* cudaGetErrorString(cudaError_t) { return "what it means"; }
inline cudaError_t cudaGetLastError() {
  const cudaError_t last = fake::cuda().last;
  fake::cuda().last = cudaSuccess;
  return last;
}
inline cudaError_t cudaDriverGetVersion(int* v) { return *v = fake::cuda().driver, fake::cuda().answer("driver"); }
inline cudaError_t cudaRuntimeGetVersion(int* v) { return *v = fake::cuda().runtime, cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* n) { return *n = fake::cuda().devices, fake::cuda().answer("count"); }
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  *p = {"a card", fake::cuda().major, fake::cuda().minor, size_t{80} << 30};
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) { return fake::cuda().current = device, fake::cuda().answer("set"); }
inline cudaError_t cudaGetDevice(int* device) { return *device = fake::cuda().current, cudaSuccess; }
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
  *value = which == cudaDevAttrComputeCapabilityMajor ? fake::cuda().major : fake::cuda().host_page_tables;
  return cudaSuccess;
}
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, void (*)()) { return fake::cuda().answer("attributes"); }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t*, unsigned) { return fake::cuda().answer("stream"); }
inline cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return fake::cuda().answer("synchronize"); }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t*, unsigned) { return cudaSuccess; }
inline cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
inline cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
inline cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = size_t{1} << 30, *total = size_t{80} << 30;
  return cudaSuccess;
}
inline cudaError_t cudaMalloc(void**, size_t) { return fake::cuda().answer("malloc"); }
inline cudaError_t cudaFree(void*) { return cudaSuccess; }
inline cudaError_t cudaMallocHost(void**, size_t) { return fake::cuda().answer("malloc host"); }
inline cudaError_t cudaFreeHost(void*) { return cudaSuccess; }
inline cudaError_t cudaMemsetAsync(void*, int, size_t, cudaStream_t) { return fake::cuda().answer("memset"); }
inline cudaError_t cudaMemcpyAsync(void*, const void*, size_t, cudaMemcpyKind, cudaStream_t) {
  return fake::cuda().answer("copy");
}
