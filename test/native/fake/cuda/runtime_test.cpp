// native/cuda/runtime.cu over a runtime that answers as told (cuda_runtime.h beside this file): what each answer means
// to the user, and when the host waits. A program of its own: spark_tests has the same functions of the emulated
// device.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "core/error.h"
#include "cuda/lost.h"
#include "cuda/runtime.cu"

namespace {

using spark::Error;

// "code: message" of what f throws; "" where it does not.
template <class F>
std::string said(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code() + ": " + e.what();
  }
  return "";
}

void fresh() {
  fake::cuda() = {};
  spark::cuda::lost_device().reason.clear();
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string opened(int device = 0) {
  return said([&] { spark::cuda::open_device(device); });
}

}  // namespace

TEST_CASE("opening a device says what is missing") {
  fresh();
  CHECK(opened() == "");
  CHECK(opened(1) == "");
  CHECK(fake::cuda().current == 1);
  CHECK(has(opened(2), "backend_unavailable: backend cuda: expected device 0 to 1, got 2"));
  fake::cuda().driver = 0;
  CHECK(has(opened(), "expected an NVIDIA driver, found none"));
  fresh();
  fake::cuda().driver = 12040;
  fake::cuda().answers["count"] = cudaErrorInsufficientDriver;
  CHECK(has(opened(), "expected a driver for CUDA 13.0, got one for 12.4; update it"));
  fresh();
  fake::cuda().answers["count"] = cudaErrorNoDevice;
  CHECK(has(opened(), "backend_unavailable: backend cuda: the driver finds no device"));
  fresh();
  fake::cuda().major = 7, fake::cuda().minor = 5;
  CHECK(has(opened(), "expected a device of compute capability 8.0 or newer, got a card with 7.5"));
}

TEST_CASE("a device this build has no code for is refused at opening, with how to build for it") {
  for (const cudaError_t none :
       {cudaErrorNoKernelImageForDevice, cudaErrorInvalidDeviceFunction, cudaErrorUnsupportedPtxVersion}) {
    fresh();
    fake::cuda().major = 12, fake::cuda().minor = 1;
    fake::cuda().answers["attributes"] = none;
    const std::string text = opened();
    CHECK(has(text, "backend_unavailable"));
    CHECK(has(text, "with code for a card (compute capability 12.1), got one without"));
    CHECK(has(text, "-DSPARK_CUDA_ARCHITECTURES=121-real"));
    CHECK(fake::cuda().last == cudaSuccess);  // the next call does not see it again
  }
}

TEST_CASE("errors after which nothing works lose the device, others do not") {
  const auto synchronized = [](cudaError_t answer) {
    fresh();
    fake::cuda().answers["synchronize"] = answer;
    return said([] { spark::cuda::wait_for_device(nullptr); });
  };
  for (const cudaError_t sticky :
       {cudaErrorIllegalAddress, cudaErrorIllegalInstruction, cudaErrorMisalignedAddress, cudaErrorInvalidAddressSpace,
        cudaErrorInvalidPc, cudaErrorHardwareStackError, cudaErrorLaunchFailure, cudaErrorLaunchTimeout,
        cudaErrorECCUncorrectable, cudaErrorContained, cudaErrorNvlinkUncorrectable, cudaErrorDevicesUnavailable,
        cudaErrorAssert, cudaErrorUnknown}) {
    CAPTURE(static_cast<int>(sticky));
    CHECK(has(synchronized(sticky), "device_lost: cudaStreamSynchronize: name (what it means)"));
    CHECK(has(opened(), "device_lost"));  // and stays lost
  }
  CHECK(has(synchronized(cudaErrorInvalidValue), "internal: cudaStreamSynchronize"));
  CHECK(opened() == "");
  CHECK(has(synchronized(cudaErrorMemoryAllocation), "out_of_memory"));
}

TEST_CASE("a device is asked twice whether it is well: what passes is not an answer") {
  fresh();
  CHECK(spark::cuda::sticky_error(nullptr) == "");
  fake::cuda().last = cudaErrorInvalidValue;  // of an earlier call
  CHECK(spark::cuda::sticky_error(nullptr) == "");
  fake::cuda().answers["synchronize"] = cudaErrorLaunchFailure;
  CHECK(spark::cuda::sticky_error(nullptr) == "name (what it means)");
}

TEST_CASE("a copy from pageable memory is waited for where the device reads the host's page tables") {
  int value = 0;
  for (const bool shared : {false, true}) {
    fresh();
    fake::cuda().current = 0;
    fake::cuda().host_page_tables = shared;
    spark::cuda::copy_to_device(&value, &value, sizeof value, nullptr);
    CHECK(fake::cuda().calls["synchronize"] == (shared ? 1 : 0));
    spark::cuda::copy_from_pinned(&value, &value, sizeof value, nullptr);  // pinned memory is the engine's: never waits
    CHECK(fake::cuda().calls["synchronize"] == (shared ? 1 : 0));
    CHECK(fake::cuda().calls["copy"] == 2);
  }
}

TEST_CASE("memory that is not there is said in numbers") {
  fresh();
  fake::cuda().answers["malloc"] = cudaErrorMemoryAllocation;
  const std::string text = said([] { spark::cuda::device_allocate(size_t{2} << 30); });
  CHECK(has(text, "out_of_memory: expected 2048 MiB of free device memory, got 1024 MiB of 81920 MiB"));
  fake::cuda().answers["malloc host"] = cudaErrorMemoryAllocation;
  CHECK(spark::cuda::pinned_allocate(1) == nullptr);
}
