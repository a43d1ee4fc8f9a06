// Rings of slots in shared memory through which tiles come: one thread brings them, two warpgroups compute with them,
// each at its own pace. While one takes exponentials the other's products run.
#pragma once

#include "cuda/tile_map.h"

namespace spark::cuda {

constexpr int kComputing = 2;  // warpgroups, behind the one that brings tiles
constexpr int kRingThreads = (1 + kComputing) * kWarpgroup;

// Threads that say together that they are done with a slot: the first lane for its warp, whose reads __syncwarp puts in
// order. compute-sanitizer's racecheck does not know that and reports the other lanes' reads, so the library that it is
// given (native/cmake/cuda.cmake, spark_cuda_racecheck) lets every thread speak for itself.
#ifdef SPARK_EVERY_READER_ARRIVES
constexpr int kTogether = 1;
#else
constexpr int kTogether = kWarp;
#endif
constexpr unsigned kReaders = kComputing * kWarpgroup / kTogether;

// Of a thread, of the 168 that each has at first: 40 · 128 + 232 · 256 are the multiprocessor's 65,536, less 1,024, and
// so are 24 · 128 + 240 · 256, where 232 are not enough.
constexpr int kBringingRegisters = 40, kComputingRegisters = 232;
constexpr int kFewBringingRegisters = 24, kManyComputingRegisters = 240;

// A ring of SLOTS slots, or a single one, each with PARTS tiles of ROWS × WIDTH.
template <int ROWS, int WIDTH, int SLOTS, int PARTS = 1>
struct Ring {
  static constexpr size_t kTile = size_t{ROWS} * WIDTH, kValues = PARTS * kTile;  // of a tile, of a slot
  static constexpr unsigned kBytes = sizeof(Bf16) * PARTS * ROWS * WIDTH;
  static constexpr int kWords = 2 * SLOTS;
  Bf16* data;
  uint64_t* words;

  __device__ Panels<ROWS, WIDTH> tile(int slot, int part = 0) const { return {data + slot * kValues + part * kTile}; }
  __device__ Arrivals filled(int slot) const { return {words + slot}; }
  __device__ Arrivals emptied(int slot) const { return {words + SLOTS + slot}; }

  __device__ void set() const {
    for (int slot = 0; slot < SLOTS; ++slot) {
      filled(slot).set(1);
      emptied(slot).set(kReaders);
    }
  }
  // By the thread that brings tiles: once the slot's last use is over (arrivals.h), f(slot, arrivals) is to bring its
  // tiles and `more` bytes.
  template <class F>
  __device__ void fill(Turn<SLOTS>& turn, unsigned more, F&& f) const {
    emptied(turn.slot).wait(turn.parity + 1);
    filled(turn.slot).expect(kBytes + more);
    f(turn.slot, filled(turn.slot));
    turn.next();
  }
  // the same for a slot of one tile
  __device__ void fill(Turn<SLOTS>& turn, const TileMap& map, int head, int64_t token) const {
    fill(turn, 0, [&](int slot, const Arrivals& arrivals) { bring(tile(slot), map, head, token, arrivals); });
  }
  __device__ void wait(const Turn<SLOTS>& turn) const { filled(turn.slot).wait(turn.parity); }
  // By every thread that computes, when its warp's products with the tile are done.
  __device__ void release(Turn<SLOTS>& turn) const {
    __syncwarp();
    if (threadIdx.x % kTogether == 0) emptied(turn.slot).arrive();
    turn.next();
  }
};

}  // namespace spark::cuda
