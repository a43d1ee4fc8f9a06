// What the attention kernels share whose tiles come through rings of slots in shared memory: one thread brings them,
// two warpgroups compute with them, each at its own pace. While one takes exponentials the other's products run.
#pragma once

#include "cuda/attention_hopper.h"
#include "cuda/memory.h"
#include "cuda/tile_map.h"

namespace spark::cuda {

constexpr int kComputing = 2;  // warpgroups, behind the one that brings tiles
constexpr int kRingThreads = (1 + kComputing) * kWarpgroup;
constexpr unsigned kReaders = kComputing * kWarpgroup / kWarp;  // warps, each of which says that it is done with a slot
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

  __device__ __host__ int count() const { return heads * sequences * most; }
  // f(head, sequence, nth) for each of this block; nth = 0 is the tile of a sequence that comes first.
  template <class F>
  __device__ void each_own(F&& f) const {
    const int blocks = static_cast<int>(gridDim.x), block = static_cast<int>(blockIdx.x), all = count();
    for (int turn = 0; turn * blocks < all; ++turn) {
      const int t = turn * blocks + (turn % 2 ? blocks - 1 - block : block), at = t / heads;
      if (t < all) f(t % heads, static_cast<unsigned>(at % sequences), at / sequences);
    }
  }
  // f(QueryBlock) or f(KeyBlock) for each of this block that is not behind its sequence's end
  template <class F>
  __device__ void each_query_block(const AttentionInputs& in, int rows, F&& f) const {
    each_own([&](int head, unsigned b, int nth) {
      const QueryBlock own = QueryBlock::of(in, rows, head, b, most - 1 - nth);
      if (own.rows > 0) f(own);
    });
  }
  template <class F>
  __device__ void each_key_block(const AttentionInputs& in, int rows, F&& f) const {
    each_own([&](int head, unsigned b, int nth) {
      const KeyBlock own = KeyBlock::of(in, rows, head, b, nth);
      if (own.rows > 0) f(own);
    });
  }
};

inline TileList tile_list(int heads, const Packing& packing, int rows) {
  return {heads, static_cast<int>(packing.sequences), static_cast<int>(blocks_for(packing.longest, rows))};
}

// At most so many blocks: few in the trial (attention_choice.cu), so that each goes through several tiles.
int& most_ring_blocks();

// kernel(arguments…, tiles, maps) by a block for each multiprocessor
template <class Kernel, class Maps, class... Arguments>
void launch_ring(Kernel kernel, const TileList& tiles, size_t shared, Stream stream, const Maps& maps,
                 Arguments... arguments) {
  const auto blocks = static_cast<unsigned>(std::min({tiles.count(), multiprocessors(), most_ring_blocks()}));
  launch(kernel, dim3(blocks), kRingThreads, shared, stream, arguments..., tiles, maps);
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

struct RingGradients {
  const Bf16 *dout, *o;  // (N, H, D)
  const float* lse;      // (N, H)
  float2* rows;          // (H, row_stride(N)) of scratch
  Bf16 *dq, *dk, *dv;    // (N, H, D), (N, K, D) twice
};
// Tiles of them are brought 16 bytes at a time, so one row too early and, at the end, a tile and a row too many.
inline int64_t row_stride(int64_t tokens) { return (tokens + kGroupRows + 3) / 2 * 2; }
void ring_attention_backward(const AttentionInputs& in, const RingGradients& gradients, const Packing& packing,
                             Stream stream);

}  // namespace spark::cuda
