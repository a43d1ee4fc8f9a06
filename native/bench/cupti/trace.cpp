// When each kernel of a program began and ended on the device, by CUPTI, which unlike ncu lets them run as they do
// without it: one behind the other, at the clock of the whole. A library that CUDA loads into any program:
//
//   SPARK_TRACE=kernels.csv CUDA_INJECTION64_PATH=libgpu_trace.so PROGRAM …
//
// writes start and end in nanoseconds and the name of each, in the order in which CUPTI gives them; bench/gpu-gaps.py
// reads it.
#include <cupti.h>

#include <cstdio>
#include <cstdlib>

namespace {

constexpr size_t kBuffer = size_t{8} << 20;
FILE* file = nullptr;

void give_buffer(uint8_t** buffer, size_t* size, size_t* most_records) {
  *buffer = static_cast<uint8_t*>(std::aligned_alloc(8, kBuffer));
  *size = kBuffer, *most_records = 0;
}

void take_buffer(CUcontext, uint32_t, uint8_t* buffer, size_t, size_t used) {
  CUpti_Activity* record = nullptr;
  while (cuptiActivityGetNextRecord(buffer, used, &record) == CUPTI_SUCCESS) {
    if (record->kind != CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) continue;
    const auto* kernel = reinterpret_cast<const CUpti_ActivityKernel10*>(record);
    std::fprintf(file, "%llu,%llu,%s\n", static_cast<unsigned long long>(kernel->start),
                 static_cast<unsigned long long>(kernel->end), kernel->name);
  }
  std::free(buffer);
}

void finish() {
  cuptiActivityFlushAll(1);
  std::fclose(file);
}

}  // namespace

// What CUDA calls when it is initialised; anything but 1 is a failure to it.
extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  const char* path = std::getenv("SPARK_TRACE");
  if (!path) return 1;
  file = std::fopen(path, "w");
  if (!file) return std::perror(path), 0;
  if (cuptiActivityRegisterCallbacks(give_buffer, take_buffer) != CUPTI_SUCCESS ||
      cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) != CUPTI_SUCCESS) {
    std::fprintf(stderr, "CUPTI does not trace kernels here\n");
    return 0;
  }
  std::atexit(finish);
  return 1;
}
