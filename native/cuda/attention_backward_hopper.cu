// The backward pass of attention.h on Hopper's tensor cores: the two kernels of attention_backward.cu with tiles from
// rings, each computing warpgroup with 64 keys or queries. The first kernel computes scores and their gradients
// transposed, so that in both they stay in registers as a factor of the next product. The products that add to dk, dv
// and dq are still running when the next round's scores begin.
#include "cuda/attention_hopper.h"

namespace spark::cuda {

namespace {

constexpr int kOwn = kComputing * kGroupRows;  // keys, or queries, of a block
constexpr int kRound = 64;
constexpr int kSlots = 4;
constexpr int kRows = kRound + 2;  // brought of lse and delta: from an even token on

template <int HD>
using Own = Ring<kOwn, HD, 1, 2>;  // keys and values, or queries and their output's gradients
template <int HD>
using Others = Ring<kRound, HD, kSlots, 2>;  // the other two

template <int HD>
constexpr size_t kTiles = Own<HD>::kValues + kSlots * Others<HD>::kValues;
template <int HD>
constexpr int kWords = Own<HD>::kWords + Others<HD>::kWords;
template <int HD>
constexpr size_t kShared = sizeof(Bf16) * kTiles<HD> + sizeof(float2) * kSlots * kRows + sizeof(uint64_t) * kWords<HD> +
                           sizeof(float) * kComputing * kWarpgroup;

struct BackwardMaps {
  TileMap q, k, v, dout;
};

using Scores = Accumulator[kRound / 8];  // (64, kRound)
using Factor = Fragment[kRound / 16];    // the same in bf16

// c (64, kRound) = own rows from `row` on times the rows of `round`, over HD
template <int HD>
__device__ inline void multiply_rows(Scores& c, const Panels<kOwn, HD>& own, int row, const Panels<kRound, HD>& round) {
  start_products();
  multiply_async<false>(c, own.by_columns(row, 0), round.by_columns(0, 0));
  SPARK_UNROLL
  for (int k = 16; k < HD; k += 16) multiply_async<true>(c, own.by_columns(row, k), round.by_columns(0, k));
  commit_products();
}

// c (64, HD) += factor (64, kRound) times `round`
template <int HD>
__device__ inline void add_rows(Accumulator (&c)[HD / 8], const Factor& factor, const Panels<kRound, HD>& round) {
  hold(c);
  start_products();
  SPARK_UNROLL
  for (int step = 0; step < kRound / 16; ++step) multiply_async(c, factor[step], round.by_rows(step * 16));
  commit_products();
}

// Bits of all values of a lane: what has to be computed before it can be stored.
template <int TILES>
__device__ inline float bits_of(const Accumulator (&c)[TILES]) {
  uint32_t bits = 0;
  SPARK_UNROLL
  for (int tile = 0; tile < TILES; ++tile) {
    SPARK_UNROLL
    for (int i = 0; i < 4; ++i) bits |= __float_as_uint(c[tile].at[i]);
  }
  return __uint_as_float(bits);
}

// What a block has in shared memory.
template <int HD>
struct Room {
  Own<HD> own;
  Others<HD> others;
  float2* rows;  // (kSlots, kRows): lse in powers of two, and delta
  float* spare;  // of this thread, if it computes

  __device__ static Room of(Bf16* shared) {
    auto* rows = reinterpret_cast<float2*>(shared + kTiles<HD>);
    auto* words = reinterpret_cast<uint64_t*>(rows + kSlots * kRows);
    auto* spare = reinterpret_cast<float*>(words + kWords<HD>) + threadIdx.x - kWarpgroup;
    return {{shared, words}, {shared + Own<HD>::kValues, words + Own<HD>::kWords}, rows, spare};
  }
  // The last barrier of all threads.
  __device__ void set() const {
    if (threadIdx.x == 0) {
      own.set();
      others.set();
      share_arrivals();
    }
    __syncthreads();
  }
};

constexpr int kLanes = 16;  // a head's row, 8 values each
constexpr int kRowThreads = 256;

// rows (H, stride) of lse in powers of two and delta = Σ do ∘ o; beyond the tokens of queries whose every probability
// is zero
__global__ void prepare_rows(float2* rows, const float* lse, const Bf16* dout, const Bf16* o, int64_t tokens,
                             int64_t stride, int heads, int D) {
  const int64_t i = (int64_t{blockIdx.x} * kRowThreads + threadIdx.x) / kLanes;
  const int col = static_cast<int>(threadIdx.x % kLanes) * 8;
  const bool exists = i < tokens * heads;
  float sum = 0;
  if (exists && col < D) {
    const auto a = Values<8>::load(dout + i * D + col), b = Values<8>::load(o + i * D + col);
    SPARK_UNROLL
    for (int j = 0; j < 8; ++j) sum += a.at[j] * b.at[j];
  }
  SPARK_UNROLL
  for (int step = kLanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
  if (col > 0 || i >= stride * heads) return;
  const int64_t token = i / heads, head = i % heads;
  rows[head * stride + token] = {exists ? lse[i] * kLog2E : INFINITY, sum};
}

template <int HD>
__global__ __launch_bounds__(kRingThreads, 1) void keys_backward(AttentionInputs in, HopperGradients gradients,
                                                                 int64_t stride, TileList tiles,
                                                                 const __grid_constant__ BackwardMaps maps) {
#ifdef SPARK_HOPPER_CODE
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  const auto room = Room<HD>::of(shared);
  const auto& own = room.own;
  const auto& others = room.others;
  room.set();
  // Round j goes over head j / per_head of the group and one run of queries, from the first that sees these keys on.
  const auto first_tile = [](const KeyBlock& keys) { return static_cast<int>(keys.first / kRound); };
  const auto rounds_of_head = [&](const KeyBlock& keys) {
    return static_cast<int>((keys.sequence.length + kRound - 1) / kRound) - first_tile(keys);
  };
  Turn<1> own_turn;
  Turn<kSlots> turn;
  if (own_group() == 0) {
    give_registers<kFewBringingRegisters>();
    if (threadIdx.x > 0) return;
    tiles.each_key_block(in, kOwn, [&](const KeyBlock& keys) {
      own.fill(own_turn, 0, [&](int slot, const Arrivals& arrivals) {
        const int64_t token = keys.sequence.first + keys.first;
        bring(own.tile(slot, 0), maps.k, keys.kv_head, token, arrivals);
        bring(own.tile(slot, 1), maps.v, keys.kv_head, token, arrivals);
      });
      const int64_t end = keys.sequence.first + keys.sequence.length;
      for (int head = keys.kv_head * keys.group; head < (keys.kv_head + 1) * keys.group; ++head) {
        for (int64_t token = keys.sequence.first + keys.first; token < end; token += kRound) {
          others.fill(turn, sizeof(float2) * kRows, [&](int slot, const Arrivals& arrivals) {
            bring(others.tile(slot, 0), maps.q, head, token, arrivals);
            bring(others.tile(slot, 1), maps.dout, head, token, arrivals);
            bring_bytes(room.rows + slot * kRows, gradients.rows + head * stride + token / 2 * 2,
                        sizeof(float2) * kRows, arrivals);
          });
        }
      }
    });
    return;
  }

  take_registers<kManyComputingRegisters>();
  const int group0 = (own_group() - 1) * kGroupRows, row0 = group0 + own_warp() * 16;
  const float scale = in.scale * kLog2E;
  Scores p, ds;         // (64 keys, kRound queries)
  Factor left, slope;   // the same in bf16
  Turn<kSlots> before;  // of the slot that is released next
  Accumulator dk[HD / 8], dv[HD / 8];
  const auto start_scores = [&] {
    multiply_rows<HD>(p, own.tile(0, 0), group0, others.tile(turn.slot, 0));
    multiply_rows<HD>(ds, own.tile(0, 1), group0, others.tile(turn.slot, 1));
  };
  tiles.each_key_block(in, kOwn, [&](const KeyBlock& keys) {
    const int per_head = rounds_of_head(keys), rounds = per_head * keys.group;
    const int odd = static_cast<int>((keys.sequence.first + keys.first) % 2);
    const auto row_values = [&] { return room.rows + turn.slot * kRows + odd; };
    const auto probabilities = [&](int j) {
      // Tokens from the block's first key to the round's first query, and from there to the sequence's end.
      const int ahead = (j % per_head) * kRound, rows = static_cast<int>(keys.rows) - ahead;
      if (ahead < kOwn || rows < kRound) {
        each_value(p, [&](float& score, int row, int col) {
          if (row0 + row > ahead + col || col >= rows) score = -INFINITY;
        });
      }
      const float2* at = row_values();
      each_value(p, [&](float& score, int, int col) { score = power_of_two(score * scale - at[col].x); });
    };
    const auto slopes = [&] {
      const float2* at = row_values();
      each_value(ds, p, [&](float& s, float probability, int, int col) { s = probability * (s - at[col].y); });
    };
    SPARK_UNROLL
    for (int tile = 0; tile < HD / 8; ++tile) dk[tile] = dv[tile] = {};
    // Products are started in the order s, dp, dv, dk of a round, then the next round's. Scores of a round are started
    // when dv of the one before is done, behind its dk: p and left are not needed any more, and registers suffice.
    own.wait(own_turn);
    others.wait(turn);
    start_scores();
    wait_for_products<1>(p);
    for (int j = 0;; ++j) {
      probabilities(j);
      keep(left, p);
      add_rows<HD>(dv, left, others.tile(turn.slot, 1));
      wait_for_products<1>(ds);
      slopes();
      keep(slope, ds);
      add_rows<HD>(dk, slope, others.tile(turn.slot, 0));
      wait_for_products<1>(dv);
      turn.next();
      if (j + 1 == rounds) break;
      others.wait(turn);
      start_scores();
      wait_for_products<1>(p);
      hold(dk);
      others.release(before);
    }
    own.release(own_turn);
    wait_for_products<0>(dk);
    others.release(before);
    const int64_t at = keys.at + row0 * in.kv_stride(), rows = keys.rows - row0;
    store_accumulators<true>(gradients.dk + at, in.kv_stride(), dk, rows, in.D, in.scale, in.scale);
    store_accumulators<true>(gradients.dv + at, in.kv_stride(), dv, rows, in.D, 1.0f, 1.0f);
  });
#endif
}

template <int HD>
__global__ __launch_bounds__(kRingThreads, 1) void queries_backward(AttentionInputs in, HopperGradients gradients,
                                                                    int64_t stride, TileList tiles,
                                                                    const __grid_constant__ BackwardMaps maps) {
#ifdef SPARK_HOPPER_CODE
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  const auto room = Room<HD>::of(shared);
  const auto& own = room.own;
  const auto& others = room.others;
  room.set();
  const auto rounds_of = [](const QueryBlock& queries) {  // over keys that some of these rows see
    const int64_t end = queries.first + kOwn, length = queries.sequence.length;
    return static_cast<int>(((end < length ? end : length) + kRound - 1) / kRound);
  };
  Turn<1> own_turn;
  Turn<kSlots> turn;
  if (own_group() == 0) {
    give_registers<kBringingRegisters>();
    if (threadIdx.x > 0) return;
    tiles.each_query_block(in, kOwn, [&](const QueryBlock& queries) {
      const int64_t first = queries.sequence.first;
      const int kv_head = queries.head / (in.heads / in.kv_heads);
      own.fill(own_turn, 0, [&](int slot, const Arrivals& arrivals) {
        bring(own.tile(slot, 0), maps.q, queries.head, first + queries.first, arrivals);
        bring(own.tile(slot, 1), maps.dout, queries.head, first + queries.first, arrivals);
      });
      for (int j = 0; j < rounds_of(queries); ++j) {
        others.fill(turn, 0, [&](int slot, const Arrivals& arrivals) {
          bring(others.tile(slot, 0), maps.k, kv_head, first + j * kRound, arrivals);
          bring(others.tile(slot, 1), maps.v, kv_head, first + j * kRound, arrivals);
        });
      }
    });
    return;
  }

  take_registers<kComputingRegisters>();
  const int group0 = (own_group() - 1) * kGroupRows, row0 = group0 + own_warp() * 16;
  const float scale = in.scale * kLog2E;
  Scores p, ds;         // (64 queries, kRound keys)
  Factor slope;         // ds of the round before, in bf16
  Turn<kSlots> before;  // that round's
  Accumulator dq[HD / 8];
  const auto start_scores = [&] {
    multiply_rows<HD>(p, own.tile(0, 0), group0, others.tile(turn.slot, 0));
    multiply_rows<HD>(ds, own.tile(0, 1), group0, others.tile(turn.slot, 1));
  };
  tiles.each_query_block(in, kOwn, [&](const QueryBlock& queries) {
    float2 rows[2];  // g and g + 8
    SPARK_UNROLL
    for (int i = 0; i < 2; ++i) {
      const int row = row0 + static_cast<int>(threadIdx.x % kWarp / 4) + i * 8;
      rows[i] = {INFINITY, 0};
      if (row >= queries.rows) continue;
      rows[i] = gradients.rows[queries.head * stride + queries.sequence.first + queries.first + row];
    }
    const auto probabilities = [&](int j) {
      // Tokens from the round's first key to the block's first query.
      const int behind = static_cast<int>(queries.first) - j * kRound;
      if (behind < kRound) {
        each_value(p, [&](float& score, int row, int col) {
          if (col > behind + row0 + row) score = -INFINITY;
        });
      }
      each_value(p, [&](float& score, int row, int) { score = power_of_two(score * scale - rows[row / 8].x); });
    };
    const auto slopes = [&] {
      each_value(ds, p, [&](float& s, float probability, int row, int) { s = probability * (s - rows[row / 8].y); });
    };
    const int rounds = rounds_of(queries);
    SPARK_UNROLL
    for (int tile = 0; tile < HD / 8; ++tile) dq[tile] = {};
    own.wait(own_turn);
    others.wait(turn);
    start_scores();
    wait_for_products<0>(ds);
    hold(p);
    probabilities(0);
    slopes();
    keep(slope, ds);
    turn.next();
    for (int j = 1; j < rounds; ++j) {
      others.wait(turn);
      start_scores();
      add_rows<HD>(dq, slope, others.tile(before.slot, 0));
      wait_for_products<2>(p);
      probabilities(j);
      stay_before(room.spare, bits_of(p));
      wait_for_products<1>(ds);
      slopes();
      stay_before(room.spare, bits_of(ds));
      wait_for_products<0>(dq);
      others.release(before);
      keep(slope, ds);
      turn.next();
    }
    own.release(own_turn);
    add_rows<HD>(dq, slope, others.tile(before.slot, 0));
    wait_for_products<0>(dq);
    others.release(before);
    store_accumulators<true>(gradients.dq + queries.at + row0 * in.q_stride(), in.q_stride(), dq, queries.rows - row0,
                             in.D, in.scale, in.scale);
  });
#endif
}

template <int HD>
void backward(const AttentionInputs& in, const HopperGradients& gradients, const Packing& packing, Stream stream) {
  const int64_t stride = row_stride(packing.tokens);
  launch(prepare_rows, dim3(blocks_for(stride * in.heads, kRowThreads / kLanes)), kRowThreads, 0, stream,
         gradients.rows, gradients.lse, gradients.dout, gradients.o, packing.tokens, stride, in.heads, in.D);
  const auto maps = [&](int query_rows, int key_rows) {
    return BackwardMaps{tile_map(in.q, packing.tokens, in.heads, in.D, query_rows),
                        tile_map(in.k, packing.tokens, in.kv_heads, in.D, key_rows),
                        tile_map(in.v, packing.tokens, in.kv_heads, in.D, key_rows),
                        tile_map(gradients.dout, packing.tokens, in.heads, in.D, query_rows)};
  };
  launch_hopper(keys_backward<HD>, tile_list(in.kv_heads, packing, kOwn), kShared<HD>, stream, maps(kRound, kOwn), in,
                gradients, stride);
  launch_hopper(queries_backward<HD>, tile_list(in.heads, packing, kOwn), kShared<HD>, stream, maps(kOwn, kRound), in,
                gradients, stride);
}

}  // namespace

void hopper_attention_backward(const AttentionInputs& in, const HopperGradients& gradients, const Packing& packing,
                               Stream stream) {
  if (in.D <= 64) {
    backward<64>(in, gradients, packing, stream);
  } else {
    backward<128>(in, gradients, packing, stream);
  }
}

}  // namespace spark::cuda
