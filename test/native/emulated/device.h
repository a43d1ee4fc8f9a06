// The CUDA kernels of native/cuda on the host: every thread of a block is a fiber that runs until it waits for others.
// It checks what a kernel computes (indexing, edges, tensor-core fragments, where a barrier is missing or not reached
// by all); it says nothing about speed, and no more about a real device's memory order than that.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static  // blocks run one after the other
#define __restrict__
#define SPARK_DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(spark::cuda::emulated::dynamic_shared())

struct uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace spark::cuda {

using Stream = int;

namespace emulated {

// Runs f, which calls the kernel, once for every thread of every block. Throws std::logic_error when some threads wait
// at a barrier that others never reach. Warps and threads take turns in ascending or descending order, a warp as far as
// it can get: what depends on the order lacks a barrier.
void run_grid(dim3 grid, unsigned threads, size_t shared, const std::function<void()>& f);
void descending_order(bool descending);

// What the runtime counts: allocations, how many of them it grants, the bytes they hold, waits of the host, how many of
// those the device lives through, launches, of which the one numbered `dropped` does nothing, and products, of which
// the one numbered `failed` fails.
struct Counted {
  int64_t allocations = 0, most_allocations = INT64_MAX;
  int64_t held = 0, peak = 0;
  int64_t waits = 0, most_waits = INT64_MAX;
  int64_t launches = 0, dropped = -1;
  int64_t products = 0, failed = -1;
};
Counted& counted();

// Whether the device says it is one: off, because its kernels take large tiles, which are slow here.
bool& hopper();

void* dynamic_shared();  // aligned to 1024 bytes
// Where a pointer into it lies, and back: addresses as descriptors of matrices hold them.
uint32_t shared_offset(const void* p);
const void* at_shared_offset(uint32_t offset);
void wait_for_block();
void wait_for_warp();
// Copies and products that a thread starts and later waits for, in groups (cp.async, wgmma). Between the two a device
// may do them at any time: here copies are done at once and products when they are waited for, in descending order the
// other way round. So it shows when a thread does not wait for what it reads, or overwrites what a product still reads.
// A thread that ends with products under way throws.
enum class Async { Copies, Products };
bool is_late(Async kind);
void keep_for_later(Async kind, std::function<void()> work);
template <class Work>
void start(Async kind, Work&& work) {
  if (is_late(kind)) {
    keep_for_later(kind, std::forward<Work>(work));
  } else {
    work();
  }
}
void commit(Async kind);
void wait_for_groups(Async kind, size_t pending);  // until all but the last `pending` groups are done

// Arrivals (native/cuda/arrivals.h) in a word of shared memory. A tile is brought at once or, in descending order, not
// before no thread can go on and one waits for this very tile: who does not wait for it reads what was there before,
// and a tile that is brought while another is still read shows as well. A block that ends with tiles on their way
// throws.
void set_arrivals(uint64_t* word, unsigned threads);
void arrive(uint64_t* word);
void expect_bytes(uint64_t* word, unsigned bytes);
void wait_for_arrivals(const uint64_t* word, bool parity);
void bring(uint64_t* word, unsigned bytes, std::function<void()> copy);

// What the lanes of a warp leave for each other: written before a barrier of the warp, read behind it. Every other
// barrier has the same words, so that one between writing and reading keeps rounds apart.
using LaneWords = uint32_t[16];
LaneWords& own_words();            // of the coming barrier
const LaneWords* words_of_warp();  // (32), of the last one

// The word that lane `from` passed.
inline uint32_t exchange(uint32_t word, int from) {
  own_words()[0] = word;
  wait_for_warp();
  return words_of_warp()[from][0];
}

// c += a b of a whole warp, in the fragments of native/cuda/tiles.h: the lanes pass them, and the first behind the
// barrier multiplies for all.
void multiply_fragments(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

}  // namespace emulated
}  // namespace spark::cuda

inline void __syncthreads() { spark::cuda::emulated::wait_for_block(); }
inline void __syncwarp() { spark::cuda::emulated::wait_for_warp(); }

inline float __shfl_xor_sync(unsigned, float x, int step) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  return std::bit_cast<float>(spark::cuda::emulated::exchange(std::bit_cast<uint32_t>(x), lane ^ step));
}

inline unsigned __shfl_sync(unsigned, unsigned x, int from) { return spark::cuda::emulated::exchange(x, from); }

inline float __uint_as_float(uint32_t x) { return std::bit_cast<float>(x); }
inline uint32_t __float_as_uint(float x) { return std::bit_cast<uint32_t>(x); }
inline float __expf(float x) { return std::exp(x); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
