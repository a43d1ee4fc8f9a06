// Tiles of (N, heads, D) bf16 brought to shared memory by the device's own copying unit (TMA): one thread starts a
// tile, an Arrivals counts its bytes. A tile is ROWS tokens of one head in 64 columns, laid out as a panel of
// warpgroup.h. Columns from D on and tokens beyond the tensor become zero; tokens beyond a sequence are the next
// sequence's.
#pragma once

#include "cuda/arrivals.h"

#ifndef SPARK_CUDA_EMULATED
#include <cuda.h>
#endif

namespace spark::cuda {

#ifdef SPARK_CUDA_EMULATED
struct TileMap {
  const Bf16* from = nullptr;
  int64_t tokens = 0;
  int heads = 0, D = 0, rows = 0;
};
#else
using TileMap = CUtensorMap;
#endif

// Of x (tokens, heads, D) in tiles of `rows` tokens, at most 256. x lies on 16 bytes, and D is a multiple of 8. A
// kernel takes it as `const __grid_constant__`.
TileMap tile_map(const Bf16* x, int64_t tokens, int heads, int D, int rows);

// The panels of rows `token` … of `head`, of ROWS × WIDTH values; `arrivals` counts panel_bytes() of them.
template <int ROWS, int WIDTH>
__device__ inline void bring(const Panels<ROWS, WIDTH>& to, const TileMap& map, int head, int64_t token,
                             const Arrivals& arrivals);

#ifdef SPARK_CUDA_EMULATED
__device__ inline void bring_panel(Bf16* to, const TileMap& map, int col, int head, int token, Arrivals arrivals) {
  const uint32_t start = emulated::shared_offset(to), bytes = static_cast<uint32_t>(map.rows) * 128;
  emulated::bring(arrivals.word, bytes, [=] {
    for (int row = 0; row < map.rows; ++row) {
      for (int c = 0; c < 64; ++c) {
        uint32_t address = start + static_cast<uint32_t>(row) * 128 + static_cast<uint32_t>(c) * 2;
        address ^= (address >> 7 & 7) << 4;
        const bool exists = token + row < map.tokens && col + c < map.D;
        const Bf16* value = map.from + ((int64_t{token} + row) * map.heads + head) * map.D + col + c;
        *const_cast<Bf16*>(static_cast<const Bf16*>(emulated::at_shared_offset(address))) = exists ? *value : Bf16{0};
      }
    }
  });
}
#else
__device__ inline void bring_panel(Bf16* to, const TileMap& map, int col, int head, int token, Arrivals arrivals) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], "
      "[%5];\n" ::"r"(shared_address(to)),
      "l"(&map), "r"(col), "r"(head), "r"(token), "r"(shared_address(arrivals.word))
      : "memory");
}
#endif

// `bytes` from global to shared memory, a multiple of 16 between places on 16 bytes
__device__ inline void bring_bytes(void* to, const void* from, unsigned bytes, const Arrivals& arrivals) {
#ifdef SPARK_CUDA_EMULATED
  emulated::bring(arrivals.word, bytes, [=] { std::memcpy(to, from, bytes); });
#else
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];\n" ::"r"(
                   shared_address(to)),
               "l"(from), "r"(bytes), "r"(shared_address(arrivals.word))
               : "memory");
#endif
}

template <int ROWS, int WIDTH>
__device__ inline void bring(const Panels<ROWS, WIDTH>& to, const TileMap& map, int head, int64_t token,
                             const Arrivals& arrivals) {
  SPARK_UNROLL
  for (int col = 0; col < WIDTH; col += 64) {
    bring_panel(to.data + col * ROWS, map, col, head, static_cast<int>(token), arrivals);
  }
}

}  // namespace spark::cuda
