// The device, its memory and copies as plain functions: runtime.cu has them for a device, test/native/emulated for the
// host.
#pragma once

#include <cstddef>

#include "cuda/runtime.h"

namespace spark::cuda {

// Makes the device current and gives a stream on it. Throws backend_unavailable with the reason: no driver, one that is
// too old, no device, one this build has no code for.
Stream open_device(int device);
void close_device(Stream stream);
void enter_device(int device);  // makes it current on this thread

size_t free_bytes();
void* device_allocate(size_t bytes);  // throws out_of_memory; aligned to 256 bytes
void device_release(void* memory);
void device_zero(void* memory, size_t bytes, Stream stream);
// Returns when `host` may be changed again, which can be before the device has the bytes.
void copy_to_device(void* to, const void* host, size_t bytes, Stream stream);
void copy_to_host(void* host, const void* from, size_t bytes, Stream stream);  // returns when they are there
void copy_on_device(void* to, const void* from, size_t bytes, Stream stream);
void wait_for_device(Stream stream);

}  // namespace spark::cuda
