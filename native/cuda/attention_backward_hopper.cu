// The backward pass of attention.h on Hopper's tensor cores: the two kernels of attention_backward.cu, each warpgroup
// with 64 keys or queries. The first kernel computes scores and their gradients transposed, so that in both kernels
// they stay in registers as a factor of the next product. The products that add to dk, dv and dq are still running when
// the next round's scores begin.
#include "cuda/attention_hopper.h"

namespace spark::cuda {

namespace {

constexpr int kOwn = 128;  // keys, or queries, of a block
constexpr int kRound = 64;
constexpr int kStages = 3;  // one arrives, one is computed with, one is still added
constexpr int kThreads = kOwn / kGroupRows * kWarpgroup;

template <int HD>
constexpr size_t kShared = sizeof(Bf16) * HD * (2 * kOwn + 2 * kStages * kRound) + sizeof(float) * 2 * kStages * kRound;

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

// Two tiles a round, in turn.
template <int HD>
struct Stages {
  Bf16* data;

  __device__ Panels<kRound, HD> first(int j) const { return {data + j % kStages * 2 * kRound * HD}; }
  __device__ Panels<kRound, HD> second(int j) const { return {data + (j % kStages * 2 + 1) * kRound * HD}; }
};

template <int HD>
__global__ __launch_bounds__(kThreads, 1) void keys_backward(AttentionInputs in, AttentionGradients gradients) {
#ifdef SPARK_HOPPER_CODE
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  const auto [sequence, k0, own_rows, kv_head, group, key] = KeyBlock::own(in, kOwn);
  if (own_rows <= 0) return;
  const Panels<kOwn, HD> ks{shared}, vs{shared + HD * kOwn};
  const Stages<HD> stages{shared + HD * 2 * kOwn};  // queries and their output's gradients
  float* row_values = reinterpret_cast<float*>(shared + HD * (2 * kOwn + 2 * kStages * kRound));
  const auto lses = [&](int j) { return row_values + j % kStages * kRound; };  // in powers of two
  const auto deltas = [&](int j) { return row_values + (kStages + j % kStages) * kRound; };
  // Round j goes over head j / per_head of the group and one run of queries, from the first that sees these keys on.
  const int first_tile = static_cast<int>(k0 / kRound);
  const int per_head = static_cast<int>((sequence.length + kRound - 1) / kRound) - first_tile;
  const int rounds = per_head * group;
  const auto query_of = [&](int j) { return int64_t{first_tile + j % per_head} * kRound; };
  const auto load = [&](int j) {
    const int head = kv_head * group + j / per_head;
    const int64_t q0 = query_of(j), rows = sequence.length - q0;
    const int64_t at = (sequence.first + q0) * in.q_stride() + head * in.D;
    stages.first(j).template load<kThreads>(in.q + at, in.q_stride(), rows, in.D);
    stages.second(j).template load<kThreads>(gradients.dout + at, in.q_stride(), rows, in.D);
    if (threadIdx.x >= kRound) return;
    const bool exists = threadIdx.x < rows;
    const int64_t row = (sequence.first + q0 + threadIdx.x) * in.heads + head;
    lses(j)[threadIdx.x] = exists ? gradients.lse[row] * kLog2E : INFINITY;  // exp2(s − ∞) = 0
    deltas(j)[threadIdx.x] = exists ? gradients.delta[row] : 0.0f;
  };
  const int group0 = own_group() * kGroupRows, row0 = group0 + own_warp() * 16;
  const float scale = in.scale * kLog2E;
  Scores p, ds;  // (64 keys, kRound queries)
  const auto start_scores = [&](int j) {
    multiply_rows<HD>(p, ks, group0, stages.first(j));
    multiply_rows<HD>(ds, vs, group0, stages.second(j));
  };
  const auto probabilities = [&](int j) {
    // Tokens from the block's first key to the round's first query.
    const int ahead = static_cast<int>(query_of(j) - k0);
    if (ahead < kOwn) {
      each_value(p, [&](float& score, int row, int col) {
        if (row0 + row > ahead + col) score = -INFINITY;
      });
    }
    each_value(p, [&](float& score, int, int col) { score = power_of_two(score * scale - lses(j)[col]); });
  };
  const auto slopes = [&](int j) {
    each_value(ds, p,
               [&](float& slope, float probability, int, int col) { slope = probability * (slope - deltas(j)[col]); });
  };

  ks.template load<kThreads>(in.k + key, in.kv_stride(), own_rows, in.D);
  vs.template load<kThreads>(in.v + key, in.kv_stride(), own_rows, in.D);
  load(0);
  commit_copies();
  arrived<0>();
  if (rounds > 1) load(1);
  commit_copies();
  start_scores(0);
  wait_for_products<0>(ds);
  hold(p);
  probabilities(0);
  slopes(0);
  Factor left, slope;  // p and ds of the round before, in bf16
  keep(left, p);
  keep(slope, ds);
  Accumulator dk[HD / 8] = {}, dv[HD / 8] = {};
  for (int j = 1; j < rounds; ++j) {
    arrived<0>();  // round j; by now all threads are done with round j − 2
    start_scores(j);
    add_rows<HD>(dv, left, stages.second(j - 1));
    add_rows<HD>(dk, slope, stages.first(j - 1));
    if (j + 1 < rounds) load(j + 1);
    commit_copies();
    wait_for_products<3>(p);
    probabilities(j);
    wait_for_products<2>(ds);
    slopes(j);
    wait_for_products<0>(dk);
    hold(dv);
    keep(left, p);
    keep(slope, ds);
  }
  add_rows<HD>(dv, left, stages.second(rounds - 1));
  add_rows<HD>(dk, slope, stages.first(rounds - 1));
  wait_for_products<0>(dk);
  hold(dv);
  const int64_t at = key + row0 * in.kv_stride(), rows = own_rows - row0;
  store_accumulators<true>(gradients.dk + at, in.kv_stride(), dk, rows, in.D, in.scale, in.scale);
  store_accumulators<true>(gradients.dv + at, in.kv_stride(), dv, rows, in.D, 1.0f, 1.0f);
#endif
}

template <int HD>
__global__ __launch_bounds__(kThreads, 1) void queries_backward(AttentionInputs in, AttentionGradients gradients) {
#ifdef SPARK_HOPPER_CODE
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  const auto [sequence, q0, own_rows, head, query, k, v] = QueryBlock::own(in, kOwn);
  if (own_rows <= 0) return;
  const int64_t seen = q0 + kOwn < sequence.length ? q0 + kOwn : sequence.length;  // keys that some of these rows see
  const int rounds = static_cast<int>((seen + kRound - 1) / kRound);
  const Panels<kOwn, HD> qs{shared}, dos{shared + HD * kOwn};
  const Stages<HD> stages{shared + HD * 2 * kOwn};  // keys and values
  const auto load = [&](int j) {
    const int64_t at = int64_t{j} * kRound, rows = sequence.length - at;
    stages.first(j).template load<kThreads>(k + at * in.kv_stride(), in.kv_stride(), rows, in.D);
    stages.second(j).template load<kThreads>(v + at * in.kv_stride(), in.kv_stride(), rows, in.D);
  };
  const int group0 = own_group() * kGroupRows, row0 = group0 + own_warp() * 16;
  const float scale = in.scale * kLog2E;
  float lse[2], delta[2];  // of rows g and g + 8
  SPARK_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int own = row0 + static_cast<int>(threadIdx.x % kWarp / 4) + i * 8;
    const int64_t row = (sequence.first + q0 + own) * in.heads + head;
    lse[i] = own < own_rows ? gradients.lse[row] * kLog2E : INFINITY;
    delta[i] = own < own_rows ? gradients.delta[row] : 0.0f;
  }
  Scores p, ds;  // (64 queries, kRound keys)
  const auto start_scores = [&](int j) {
    multiply_rows<HD>(p, qs, group0, stages.first(j));
    multiply_rows<HD>(ds, dos, group0, stages.second(j));
  };
  const auto probabilities = [&](int j) {
    // Tokens from the round's first key to the block's first query.
    const int behind = static_cast<int>(q0) - j * kRound;
    if (behind < kRound) {
      each_value(p, [&](float& score, int row, int col) {
        if (col > behind + row0 + row) score = -INFINITY;
      });
    }
    each_value(p, [&](float& score, int row, int) { score = power_of_two(score * scale - lse[row / 8]); });
  };
  const auto slopes = [&] {
    each_value(ds, p,
               [&](float& slope, float probability, int row, int) { slope = probability * (slope - delta[row / 8]); });
  };

  qs.template load<kThreads>(in.q + query, in.q_stride(), own_rows, in.D);
  dos.template load<kThreads>(gradients.dout + query, in.q_stride(), own_rows, in.D);
  load(0);
  commit_copies();
  arrived<0>();
  if (rounds > 1) load(1);
  commit_copies();
  start_scores(0);
  wait_for_products<0>(ds);
  hold(p);
  probabilities(0);
  slopes();
  Factor slope;  // ds of the round before, in bf16
  keep(slope, ds);
  Accumulator dq[HD / 8] = {};
  for (int j = 1; j < rounds; ++j) {
    arrived<0>();  // round j; by now all threads are done with round j − 2
    start_scores(j);
    add_rows<HD>(dq, slope, stages.first(j - 1));
    if (j + 1 < rounds) load(j + 1);
    commit_copies();
    wait_for_products<2>(p);
    probabilities(j);
    wait_for_products<1>(ds);
    slopes();
    wait_for_products<0>(dq);
    keep(slope, ds);
  }
  add_rows<HD>(dq, slope, stages.first(rounds - 1));
  wait_for_products<0>(dq);
  store_accumulators<true>(gradients.dq + query + row0 * in.q_stride(), in.q_stride(), dq, own_rows - row0, in.D,
                           in.scale, in.scale);
#endif
}

template <int HD>
void backward(const AttentionInputs& in, const AttentionGradients& gradients, const Packing& packing, Stream stream) {
  launch(keys_backward<HD>, attention_grid(in.kv_heads, packing, kOwn), kThreads, kShared<HD>, stream, in, gradients);
  launch(queries_backward<HD>, attention_grid(in.heads, packing, kOwn), kThreads, kShared<HD>, stream, in, gradients);
}

}  // namespace

void hopper_attention_backward(const AttentionInputs& in, const AttentionGradients& gradients, const Packing& packing,
                               Stream stream) {
  if (in.D <= 64) {
    backward<64>(in, gradients, packing, stream);
  } else {
    backward<128>(in, gradients, packing, stream);
  }
}

}  // namespace spark::cuda
