// What the attention kernels share whose tiles come through rings of slots in shared memory: one thread brings them, two
// warpgroups compute with them, each at its own pace. While one takes exponentials the other's products run.
#pragma once

#include "cuda/attention_hopper.h"
#include "cuda/tile_map.h"

namespace spark::cuda {

constexpr int kComputing = 2;  // warpgroups, behind the one that brings tiles
constexpr int kRingThreads = (1 + kComputing) * kWarpgroup;
constexpr unsigned kReaders = kComputing * kWarpgroup / kWarp;  // warps, each of which says that it is done with a slot
// Of a thread, of the 168 that each has at first: 40 · 128 + 232 · 256 are the multiprocessor's 65,536, less 1,024.
constexpr int kBringingRegisters = 40, kComputingRegisters = 232;

// A ring of SLOTS tiles of ROWS × WIDTH, or a single one.
template <int ROWS, int WIDTH, int SLOTS>
struct Ring {
  static constexpr size_t kValues = size_t{ROWS} * WIDTH;  // of a slot
  static constexpr unsigned kBytes = sizeof(Bf16) * ROWS * WIDTH;
  static constexpr int kWords = 2 * SLOTS;
  Bf16* data;
  uint64_t* words;

  __device__ Panels<ROWS, WIDTH> tile(int slot) const { return {data + slot * kValues}; }
  __device__ Arrivals filled(int slot) const { return {words + slot}; }
  __device__ Arrivals emptied(int slot) const { return {words + SLOTS + slot}; }

  __device__ void set() const {
    for (int slot = 0; slot < SLOTS; ++slot) {
      filled(slot).set(1);
      emptied(slot).set(kReaders);
    }
  }
  // By the thread that brings tiles: once the slot's last use is over (arrivals.h).
  __device__ void fill(Turn<SLOTS>& turn, const TileMap& map, int head, int64_t token) const {
    emptied(turn.slot).wait(turn.parity + 1);
    filled(turn.slot).expect(kBytes);
    bring(tile(turn.slot), map, head, token, filled(turn.slot));
    turn.next();
  }
  __device__ void wait(const Turn<SLOTS>& turn) const { filled(turn.slot).wait(turn.parity); }
  // By every warp that computes, when its products with the tile are done.
  __device__ void release(Turn<SLOTS>& turn) const {
    __syncwarp();
    if (threadIdx.x % kWarp == 0) emptied(turn.slot).arrive();
    turn.next();
  }
};

// Tiles of all heads and sequences, those with most work first. As many blocks as there are multiprocessors go through
// them, alternately from the first block to the last and back: each gets about as much work as the others, and the
// next tile of a block is on its way while it ends the one before.
struct TileList {
  int heads, sequences, most;  // tiles of the longest sequence

  __device__ int count() const { return heads * sequences * most; }
  // The i-th of this block; count() and more: there is none.
  __device__ int own(int i) const {
    const int blocks = static_cast<int>(gridDim.x), block = static_cast<int>(blockIdx.x);
    return i * blocks + (i % 2 ? blocks - 1 - block : block);
  }
  // f(QueryBlock) for each of this block that is not behind its sequence's end.
  template <class F>
  __device__ void each_own(const AttentionInputs& in, int rows, F&& f) const {
    const int blocks = static_cast<int>(gridDim.x), all = count();
    for (int i = 0; i * blocks < all; ++i) {
      const int t = own(i);
      if (t >= all) continue;
      const int at = t / heads;
      const QueryBlock queries = QueryBlock::of(in, rows, t % heads, static_cast<unsigned>(at % sequences),
                                                most - 1 - at / sequences);
      if (queries.rows > 0) f(queries);
    }
  }
};

inline TileList tile_list(int heads, const Packing& packing, int rows) {
  return {heads, static_cast<int>(packing.sequences), static_cast<int>(blocks_for(packing.longest, rows))};
}

// ptxas may move a wait for products before arithmetic that does not need them, which would then no longer run beside
// them. It moves none before a store: this one has to come after all that `value` is made of.
__device__ inline void stay_before(float* spare, float value) {
#ifdef SPARK_CUDA_EMULATED
  *spare = value;
#else
  asm volatile("st.volatile.shared.f32 [%0], %1;\n" ::"r"(shared_address(spare)), "f"(value) : "memory");
#endif
}

// SPARK_TRIAL_ATTENTION: which of Hopper's kernels. For measuring them in one run.
enum class TrialAttention { Old, New, Turns };
TrialAttention& trial_attention();

void ring_attention_forward(Bf16* o, float* lse, const AttentionInputs& in, const Packing& packing, Stream stream,
                            bool turns);

}  // namespace spark::cuda
