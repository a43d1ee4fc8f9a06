// The forward pass of attention.h on Hopper's tensor cores (FlashAttention 3: Shah et al. 2024, without its producer
// warps). A block takes 128 queries of one head, a warpgroup 64 of them; keys come by 128, from the queries' own down
// to the first. While a warpgroup takes the exponentials of one run of keys its scores of the next are under way.
#include "cuda/attention_ring.h"

namespace spark::cuda {

namespace {

constexpr int kQueries = 128, kKeys = kQueries;  // so that one run of keys has the diagonal
constexpr int kThreads = kQueries / kGroupRows * kWarpgroup;

template <int HD>
constexpr size_t kShared = sizeof(Bf16) * HD * (kQueries + 4 * kKeys);

using Scores = Accumulator[kKeys / 8];  // (64 queries, kKeys)

template <int HD>
__global__ __launch_bounds__(kThreads, 1) void forward(Bf16* o, float* lse, AttentionInputs in) {
#ifdef SPARK_HOPPER_CODE
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  const auto [sequence, q0, own_rows, head, query, k, v] = QueryBlock::own(in, kQueries);
  if (own_rows <= 0) return;
  const int tiles = static_cast<int>(q0 / kKeys) + 1;
  const Panels<kQueries, HD> qs{shared};
  const auto ks = [&](int j) { return Panels<kKeys, HD>{shared + HD * (kQueries + j % 2 * kKeys)}; };
  const auto vs = [&](int j) { return Panels<kKeys, HD>{shared + HD * (kQueries + (2 + j % 2) * kKeys)}; };
  // Round j takes the keys of tile tiles − 1 − j.
  const auto load = [&](const Panels<kKeys, HD>& to, const Bf16* from, int j) {
    const int64_t at = int64_t{tiles - 1 - j} * kKeys;
    to.template load<kThreads>(from + at * in.kv_stride(), in.kv_stride(), sequence.length - at, in.D);
  };
  qs.template load<kThreads>(in.q + query, in.q_stride(), own_rows, in.D);
  load(ks(0), k, 0);
  commit_copies();
  load(vs(0), v, 0);
  if (tiles > 1) load(ks(1), k, 1);
  commit_copies();

  const int group0 = own_group() * kGroupRows, row0 = group0 + own_warp() * 16;
  const float scale = in.scale * kLog2E;
  Scores s;
  Fragment p[kKeys / 16];
  Accumulator out[HD / 8] = {};
  RunningSoftmax softmax;
  const auto start_scores = [&](int j) {
    start_products();
    multiply_async<false>(s, qs.by_columns(group0, 0), ks(j).by_columns(0, 0));
    SPARK_UNROLL
    for (int at = 16; at < HD; at += 16) multiply_async<true>(s, qs.by_columns(group0, at), ks(j).by_columns(0, at));
    commit_products();
  };
  const auto start_output = [&](int j) {
    hold(out);
    start_products();
    SPARK_UNROLL
    for (int step = 0; step < kKeys / 16; ++step) multiply_async(out, p[step], vs(j).by_rows(step * 16));
    commit_products();
  };
  arrived<1>();
  start_scores(0);
  wait_for_products<0>(s);
  each_value(s, [&](float& score, int row, int col) {  // the first keys are the queries' own
    if (col > row0 + row) score = -INFINITY;
  });
  softmax.advance(s, scale);
  keep(p, s);
  for (int j = 1; j < tiles; ++j) {
    arrived<0>();  // keys j and values j − 1; by now all threads are done with the ones before them
    start_scores(j);
    start_output(j - 1);
    if (j + 1 < tiles) load(ks(j + 1), k, j + 1);
    load(vs(j), v, j);
    commit_copies();
    wait_for_products<1>(s);
    const float2 factor = softmax.advance(s, scale);
    wait_for_products<0>(out);
    SPARK_UNROLL
    for (int tile = 0; tile < HD / 8; ++tile) {
      out[tile].at[0] *= factor.x, out[tile].at[1] *= factor.x;
      out[tile].at[2] *= factor.y, out[tile].at[3] *= factor.y;
    }
    keep(p, s);
  }
  arrived<0>();
  start_output(tiles - 1);
  wait_for_products<0>(out);
  softmax.finish();
  const int64_t rows = own_rows - row0;
  store_accumulators<true>(o + query + row0 * in.q_stride(), in.q_stride(), out, rows, in.D, 1.0f / softmax.sum[0],
                           1.0f / softmax.sum[1]);
  const int lane = threadIdx.x % kWarp;
  if (lane % 4 > 0) return;
  SPARK_UNROLL
  for (int row = 0; row < 2; ++row) {
    const int own = lane / 4 + row * 8;
    if (own >= rows) continue;
    lse[(sequence.first + q0 + row0 + own) * in.heads + head] = softmax.lse(row);
  }
#endif
}

}  // namespace

void hopper_attention_forward(Bf16* o, float* lse, const AttentionInputs& in, const Packing& packing, Stream stream) {
  if (const TrialAttention trial = trial_attention(); trial != TrialAttention::Old) {
    ring_attention_forward(o, lse, in, packing, stream, trial == TrialAttention::Turns);
    return;
  }
  const dim3 grid = attention_grid(in.heads, packing, kQueries);
  if (in.D <= 64) {
    launch(forward<64>, grid, kThreads, kShared<64>, stream, o, lse, in);
  } else {
    launch(forward<128>, grid, kThreads, kShared<128>, stream, o, lse, in);
  }
}

}  // namespace spark::cuda
