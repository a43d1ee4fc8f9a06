// The device, its memory and copies as plain functions: runtime.cu has them for a device, test/native/emulated for the
// host.
#pragma once

#include <cstddef>
#include <string>

#include "cuda/runtime.h"

namespace spark::cuda {

// Makes the device current and gives a stream on it. Throws backend_unavailable with the reason: no driver, one that is
// too old, no device, one this build has no code for.
Stream open_device(int device);
void close_device(Stream stream);
// Makes it current on this thread. Throws device_lost when any call of this process lost it before: CUDA answers
// nothing else until the process ends, whatever model asks.
void enter_device(int device);
std::string describe_device(int device);  // name, memory, compute capability, CUDA of the driver and of this build
bool has_warpgroup_products(int device);  // Hopper's wgmma, which no other generation has
int multiprocessors();                    // of the current one
size_t shared_bytes();                    // of its shared memory that a block may have

size_t free_bytes();
void* device_allocate(size_t bytes);  // throws out_of_memory; aligned to 256 bytes
void device_release(void* memory);
void device_zero(void* memory, size_t bytes, Stream stream);
// Returns when `host` may be changed again, which can be before the device has the bytes.
void copy_to_device(void* to, const void* host, size_t bytes, Stream stream);
void copy_to_host(void* host, const void* from, size_t bytes, Stream stream);  // returns when they are there
void copy_on_device(void* to, const void* from, size_t bytes, Stream stream);
void wait_for_device(Stream stream);
// What every later call will answer, once the stream's work is over or has failed; "" for a device that is well.
std::string sticky_error(Stream stream);

// ---- a stream beside the one that computes. An event marks how far a stream has come; the other's later work waits
// for that, the host does not.
Stream open_stream();              // on the current device
void close_stream(Stream stream);  // when its work is over
Event make_event();
void release_event(Event event);
void mark(Event event, Stream stream);
void wait_for(Event event, Stream stream);  // an event that marks nothing yet is not waited for

// Host memory that the device reads and writes by itself; null when the system has no more. Copies return at once.
void* pinned_allocate(size_t bytes);
void pinned_release(void* memory);  // no copy may be using it
void copy_to_pinned(void* pinned, const void* from, size_t bytes, Stream stream);
void copy_from_pinned(void* to, const void* pinned, size_t bytes, Stream stream);

}  // namespace spark::cuda
