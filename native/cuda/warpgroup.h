// The tensor core's product of a warpgroup, Hopper's wgmma (PTX ISA, "Asynchronous Warpgroup Level Matrix
// Instructions"): four warps compute c (64, N) += a (64, 16) b (16, N). b and, if wanted, a lie in shared memory; a
// warp holds 16 rows of c, and of an a in registers, in the fragments of tiles.h.
//
// Products run while the threads go on. From start_products() on, their registers and tiles must not be touched until
// wait_for_products() says that they are done. Their tiles are brought by the copying unit (tile_map.h).
//
// Only sm_90a has these instructions: kernels that call these functions have a body there alone (attention_hopper.h).
#pragma once

#include <algorithm>

#include "cuda/tiles.h"

namespace spark::cuda {

constexpr int kWarpgroup = 4 * kWarp;

// Where a factor lies in shared memory ("Matrix Descriptor Format"): the start, the bytes between neighbouring panels
// of 64 columns when these are columns of the product, the bytes between eight rows and the next eight, and 128-byte
// swizzling; all but the last in units of 16 bytes.
struct Descriptor {
  uint64_t bits;

  __device__ static Descriptor make(uint32_t start, uint32_t panel_bytes) {
    constexpr uint32_t kEightRows = 8 * 128, kSwizzle128 = 1;
    return {uint64_t{start >> 4} | uint64_t{panel_bytes >> 4} << 16 | uint64_t{kEightRows >> 4} << 32 |
            uint64_t{kSwizzle128} << 62};
  }
  // `bytes` further on, a multiple of 16
  __device__ Descriptor behind(uint32_t bytes) const { return {bits + (bytes >> 4)}; }
};

#ifdef SPARK_CUDA_EMULATED

__device__ inline uint32_t product_address(const void* p) { return emulated::shared_offset(p); }

namespace emulated {

// The value of a factor at depth `k` (0 to 15) and place `major` across it. `along`: the depth runs along the columns
// of the tile; else down its rows.
inline float factor_value(Descriptor d, int major, int k, bool along) {
  const auto field = [&](int shift) { return static_cast<uint32_t>(d.bits >> shift & 0x3fff) << 4; };
  const uint32_t start = field(0), panel = field(16), eight_rows = field(32);
  const int row = along ? major : k, col = along ? k : major;
  uint32_t address = start + static_cast<uint32_t>(row / 8) * eight_rows + static_cast<uint32_t>(row % 8) * 128;
  address += static_cast<uint32_t>(col / 64) * panel + static_cast<uint32_t>(col % 64) * 2;
  address ^= (address >> 7 & 7) << 4;
  return widen(*static_cast<const Bf16*>(at_shared_offset(address)));
}

// c += a(row, k) b(col, k) for the sixteen rows of this thread's warp
template <int TILES, class A, class B>
void multiply(Accumulator (&c)[TILES], A&& a, B&& b) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  float rows[2][16];
  for (int i = 0; i < 32; ++i) rows[i / 16][i % 16] = a(lane / 4 + i / 16 * 8, i % 16);
  for (int tile = 0; tile < TILES; ++tile) {
    for (int side = 0; side < 2; ++side) {
      for (int k = 0; k < 16; ++k) {
        const float value = b(tile * 8 + lane % 4 * 2 + side, k);
        for (int below = 0; below < 2; ++below) c[tile].at[2 * below + side] += rows[below][k] * value;
      }
    }
  }
}

}  // namespace emulated

template <bool ADD, int TILES>
__device__ inline void multiply_async(Accumulator (&c)[TILES], Descriptor a, Descriptor b) {
  emulated::start(emulated::Async::Products, [&c, a, b] {
    const int first = static_cast<int>(threadIdx.x % kWarpgroup / kWarp) * 16;
    if (!ADD) std::fill_n(c, TILES, Accumulator{});
    emulated::multiply(
        c, [&](int row, int k) { return emulated::factor_value(a, first + row, k, true); },
        [&](int col, int k) { return emulated::factor_value(b, col, k, true); });
  });
}

template <int TILES>
__device__ inline void multiply_async(Accumulator (&c)[TILES], const Fragment& a, Descriptor b) {
  emulated::start(emulated::Async::Products, [&c, &a, b] {
    std::copy_n(a.word, 4, emulated::own_words());
    emulated::wait_for_warp();
    emulated::multiply(
        c,
        [words = emulated::words_of_warp()](int row, int k) {
          const uint32_t word = words[row % 8 * 4 + k % 8 / 2][row / 8 + 2 * (k / 8)];
          return k % 2 ? high_half(word) : low_half(word);
        },
        [&](int col, int k) { return emulated::factor_value(b, col, k, false); });
  });
}

__device__ inline void start_products() {}
template <int TILES>
__device__ inline void hold(Accumulator (&)[TILES]) {}
__device__ inline void commit_products() { emulated::commit(emulated::Async::Products); }
template <int PENDING, int TILES>
__device__ inline void wait_for_products(Accumulator (&)[TILES]) {
  emulated::wait_for_groups(emulated::Async::Products, PENDING);
}

#else

__device__ inline uint32_t product_address(const void* p) { return shared_address(p); }

// clang-format off
#define SPARK_FOUR(how, c, i) how((c)[i].at[0]), how((c)[i].at[1]), how((c)[i].at[2]), how((c)[i].at[3])
#define SPARK_32(how, c, i) SPARK_FOUR(how, c, i), SPARK_FOUR(how, c, i + 1), SPARK_FOUR(how, c, i + 2), \
                            SPARK_FOUR(how, c, i + 3), SPARK_FOUR(how, c, i + 4), SPARK_FOUR(how, c, i + 5), \
                            SPARK_FOUR(how, c, i + 6), SPARK_FOUR(how, c, i + 7)
#define SPARK_NAMES_32 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, " \
                       "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define SPARK_NAMES_64 SPARK_NAMES_32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, " \
                       "%47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define SPARK_WGMMA(n, c, rest) "wgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 {" c "}, " rest ";\n"
// clang-format on

// c = a bᵀ, or += with ADD: rows of tiles in shared memory times rows. What c held before is not even read without ADD:
// a register that the compiler sets in between would make ptxas wait for every product.
template <bool ADD, int TILES>
__device__ inline void multiply_async(Accumulator (&c)[TILES], Descriptor a, Descriptor b) {
  static_assert(TILES == 8 || TILES == 16, "64 or 128 columns");
  if constexpr (TILES == 8 && ADD) {
    asm volatile(SPARK_WGMMA(64, SPARK_NAMES_32, "%32, %33, 1, 1, 1, 0, 0")
                 : SPARK_32("+f", c, 0)
                 : "l"(a.bits), "l"(b.bits));
  } else if constexpr (TILES == 8) {
    asm volatile(SPARK_WGMMA(64, SPARK_NAMES_32, "%32, %33, 0, 1, 1, 0, 0")
                 : SPARK_32("=f", c, 0)
                 : "l"(a.bits), "l"(b.bits));
  } else if constexpr (ADD) {
    asm volatile(SPARK_WGMMA(128, SPARK_NAMES_64, "%64, %65, 1, 1, 1, 0, 0")
                 : SPARK_32("+f", c, 0), SPARK_32("+f", c, 8)
                 : "l"(a.bits), "l"(b.bits));
  } else {
    asm volatile(SPARK_WGMMA(128, SPARK_NAMES_64, "%64, %65, 0, 1, 1, 0, 0")
                 : SPARK_32("=f", c, 0), SPARK_32("=f", c, 8)
                 : "l"(a.bits), "l"(b.bits));
  }
}

// c += a b: a in registers, the depth are rows of b's tile.
template <int TILES>
__device__ inline void multiply_async(Accumulator (&c)[TILES], const Fragment& a, Descriptor b) {
  static_assert(TILES == 8 || TILES == 16, "64 or 128 columns");
  if constexpr (TILES == 8) {
    asm volatile(SPARK_WGMMA(64, SPARK_NAMES_32, "{%32, %33, %34, %35}, %36, 1, 1, 1, 1")
                 : SPARK_32("+f", c, 0)
                 : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b.bits));
  } else {
    asm volatile(SPARK_WGMMA(128, SPARK_NAMES_64, "{%64, %65, %66, %67}, %68, 1, 1, 1, 1")
                 : SPARK_32("+f", c, 0), SPARK_32("+f", c, 8)
                 : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b.bits));
  }
}

#undef SPARK_FOUR
#undef SPARK_32
#undef SPARK_NAMES_32
#undef SPARK_NAMES_64
#undef SPARK_WGMMA

// Keeps the compiler from moving registers that products write across this place.
template <int TILES>
__device__ inline void hold(Accumulator (&c)[TILES]) {
  SPARK_UNROLL
  for (int tile = 0; tile < TILES; ++tile) {
    SPARK_UNROLL
    for (int i = 0; i < 4; ++i) asm volatile("" : "+f"(c[tile].at[i])::"memory");
  }
}

// What was written to registers before is seen by the products that follow.
__device__ inline void start_products() { asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory"); }
// What was started since the last commit is one group.
__device__ inline void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory"); }
// Until all but the last PENDING groups are done; c is of one that is.
template <int PENDING, int TILES>
__device__ inline void wait_for_products(Accumulator (&c)[TILES]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(PENDING) : "memory");
  hold(c);
}

#endif

// ROWS × WIDTH values in shared memory as wgmma reads them: panels of 64 columns one behind the other, a row of a panel
// 128 bytes, its eight pieces of 16 bytes turned by the row's number. `data` lies on 1024 bytes.
template <int ROWS, int WIDTH>
struct Panels {
  static constexpr int kPanel = 64, kPanelBytes = ROWS * kPanel * 2;
  Bf16* data;

  // A factor whose depth are columns `col` to col + 15, with its rows from `row` on, a multiple of 8.
  __device__ Descriptor by_columns(int row, int col) const {
    const Descriptor first = Descriptor::make(product_address(data + row * kPanel), 16);  // the 16 is not looked at
    return first.behind(static_cast<uint32_t>(col / kPanel * kPanelBytes + col % kPanel * 2));
  }
  // A factor whose depth are rows `row` to row + 15, with all columns.
  __device__ Descriptor by_rows(int row) const {
    return Descriptor::make(product_address(data), kPanelBytes).behind(static_cast<uint32_t>(row * kPanel * 2));
  }
};

}  // namespace spark::cuda
