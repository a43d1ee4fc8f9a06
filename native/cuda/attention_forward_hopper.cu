// The forward pass of attention.h on Hopper's tensor cores (FlashAttention 3: Shah et al. 2024). A block takes 128
// queries of one head at a time, each computing warpgroup 64 of them; keys come by 128, from the queries' own down to
// the first, through rings of two slots. While a warpgroup takes the exponentials of one run of keys its sums over the
// run before are under way, and all of the other's products.
#include "cuda/attention_hopper.h"

namespace spark::cuda {

namespace {

constexpr int kQueries = kComputing * kGroupRows, kKeys = kQueries;  // so that one run of keys has the diagonal
constexpr int kSlots = 2;

template <int HD>
using Queries = Ring<kQueries, HD, 1>;
template <int HD>
using Keys = Ring<kKeys, HD, kSlots>;  // or values

template <int HD>
constexpr size_t kValuesShared = Queries<HD>::kValues + 2 * kSlots * Keys<HD>::kValues;
template <int HD>
constexpr int kWords = Queries<HD>::kWords + 2 * Keys<HD>::kWords;
template <int HD>
constexpr size_t kShared =
    sizeof(Bf16) * kValuesShared<HD> + sizeof(uint64_t) * kWords<HD> + sizeof(float) * kComputing * kWarpgroup;

struct ForwardMaps {
  TileMap q, k, v;
};

using Scores = Accumulator[kKeys / 8];  // (64 queries, kKeys)

template <int HD>
__global__ __launch_bounds__(kRingThreads, 1) void forward(Bf16* o, float* lse, AttentionInputs in, TileList tiles,
                                                           const __grid_constant__ ForwardMaps maps) {
#ifdef SPARK_HOPPER_CODE
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  auto* words = reinterpret_cast<uint64_t*>(shared + kValuesShared<HD>);
  const Queries<HD> qs{shared, words};
  const Keys<HD> ks{qs.data + qs.kValues, words + qs.kWords};
  const Keys<HD> vs{ks.data + kSlots * ks.kValues, ks.words + ks.kWords};
  if (threadIdx.x == 0) {
    qs.set();
    ks.set();
    vs.set();
    share_arrivals();
  }
  __syncthreads();  // the last of all threads

  Turn<1> query_turn;
  Turn<kSlots> key_turn, value_turn;
  if (own_group() == 0) {
    give_registers<kBringingRegisters>();
    if (threadIdx.x > 0) return;
    tiles.each_query_block(in, kQueries, [&](const QueryBlock& own) {
      const int64_t first = own.sequence.first;
      const int kv_head = own.head / (in.heads / in.kv_heads);
      qs.fill(query_turn, maps.q, own.head, first + own.first);
      for (int64_t at = own.first; at >= 0; at -= kKeys) {
        ks.fill(key_turn, maps.k, kv_head, first + at);
        vs.fill(value_turn, maps.v, kv_head, first + at);
      }
    });
    return;
  }

  take_registers<kComputingRegisters>();
  const int group0 = (own_group() - 1) * kGroupRows, row0 = group0 + own_warp() * 16;
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  float* spare = reinterpret_cast<float*>(words + kWords<HD>) + threadIdx.x - kWarpgroup;
  const float scale = in.scale * kLog2E;
  Scores s;
  Fragment p[kKeys / 16];
  Accumulator out[HD / 8];
  const auto start_scores = [&] {
    const auto keys = ks.tile(key_turn.slot);
    start_products();
    multiply_async<false>(s, qs.tile(0).by_columns(group0, 0), keys.by_columns(0, 0));
    SPARK_UNROLL
    for (int at = 16; at < HD; at += 16) {
      multiply_async<true>(s, qs.tile(0).by_columns(group0, at), keys.by_columns(0, at));
    }
    commit_products();
  };
  const auto start_output = [&] {
    const auto values = vs.tile(value_turn.slot);
    hold(out);
    start_products();
    SPARK_UNROLL
    for (int step = 0; step < kKeys / 16; ++step) multiply_async(out, p[step], values.by_rows(step * 16));
    commit_products();
  };
  tiles.each_query_block(in, kQueries, [&](const QueryBlock& own) {
    RunningSoftmax softmax;
    SPARK_UNROLL
    for (int tile = 0; tile < HD / 8; ++tile) out[tile] = {};
    qs.wait(query_turn);
    ks.wait(key_turn);
    start_scores();
    wait_for_products<0>(s);
    ks.release(key_turn);
    each_value(s, [&](float& score, int row, int col) {  // the first keys are the queries' own
      if (col > row0 + row) score = -INFINITY;
    });
    softmax.advance(s, scale);
    keep(p, s);
    for (int round = static_cast<int>(own.first / kKeys); round > 0; --round) {
      ks.wait(key_turn);
      vs.wait(value_turn);
      start_scores();
      start_output();
      wait_for_products<1>(s);
      ks.release(key_turn);
      const float2 factor = softmax.advance(s, scale);
      stay_before(spare, softmax.sum[0] + softmax.sum[1]);
      wait_for_products<0>(out);
      vs.release(value_turn);
      SPARK_UNROLL
      for (int tile = 0; tile < HD / 8; ++tile) {
        out[tile].at[0] *= factor.x, out[tile].at[1] *= factor.x;
        out[tile].at[2] *= factor.y, out[tile].at[3] *= factor.y;
      }
      keep(p, s);
    }
    qs.release(query_turn);
    vs.wait(value_turn);
    start_output();
    softmax.finish();
    wait_for_products<0>(out);
    vs.release(value_turn);
    const int64_t rows = own.rows - row0;
    store_accumulators<true>(o + own.at + row0 * in.q_stride(), in.q_stride(), out, rows, in.D, 1.0f / softmax.sum[0],
                             1.0f / softmax.sum[1]);
    SPARK_UNROLL
    for (int row = 0; row < 2; ++row) {
      const int at = lane / 4 + row * 8;
      if (lane % 4 > 0 || at >= rows) continue;
      lse[(own.sequence.first + own.first + row0 + at) * in.heads + own.head] = softmax.lse(row);
    }
  });
#endif
}

template <int HD>
void start(Bf16* o, float* lse, const AttentionInputs& in, const Packing& packing, Stream stream) {
  const ForwardMaps maps{tile_map(in.q, packing.tokens, in.heads, in.D, kQueries),
                         tile_map(in.k, packing.tokens, in.kv_heads, in.D, kKeys),
                         tile_map(in.v, packing.tokens, in.kv_heads, in.D, kKeys)};
  launch_hopper(forward<HD>, tile_list(in.heads, packing, kQueries), kShared<HD>, stream, maps, o, lse, in);
}

}  // namespace

void hopper_attention_forward(Bf16* o, float* lse, const AttentionInputs& in, const Packing& packing, Stream stream) {
  if (in.D <= 64) {
    start<64>(o, lse, in, packing, stream);
  } else {
    start<128>(o, lse, in, packing, stream);
  }
}

}  // namespace spark::cuda
