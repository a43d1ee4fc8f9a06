// Causal attention over packed sequences, backward, from lse alone (FlashAttention 2: Dao 2023). With p_ij = exp(s_ij −
// lse_i) and delta_i = do_i · o_i:
//   dv_j = Σ_i p_ij do_i,   ds_ij = p_ij (do_i · v_j − delta_i),   dq_i = Σ_j ds_ij k_j / √D,   dk_j = Σ_i ds_ij q_i /
//   √D
//
// Two kernels, so that every sum has one writer and one order: one goes over queries for 64 keys (all query heads of
// their group), one over keys for 64 queries. The scores are computed in both: 7 products instead of 5, the price of
// equal bits without atomics. Scores and their gradients stay in registers and are the next product's factor: the first
// kernel computes them transposed, keys as rows.
#include "cuda/attention_hopper.h"

namespace spark::cuda {

namespace {

constexpr int kOwn = 64;  // keys, or queries, of a block: 16 a warp

// Queries, or keys, of a round: fewer where a head's accumulators take half of the registers.
template <int HD>
constexpr int kRound = HD == 64 ? 64 : 32;

template <int HD>
constexpr size_t kShared = sizeof(Bf16) * HD * (2 * kOwn + 4 * kRound<HD>)+sizeof(float) * 4 * kRound<HD>;

// delta (N, H) = Σ do ∘ o: a warp for each head of a token
__global__ void dot_rows(float* delta, const Bf16* dout, const Bf16* o, int64_t rows, int D) {
  const int64_t row = int64_t{blockIdx.x} * (kFewThreads / kWarp) + threadIdx.x / kWarp;
  if (row >= rows) return;
  float sum = 0;
  for (int d = threadIdx.x % kWarp; d < D; d += kWarp) sum += widen(dout[row * D + d]) * widen(o[row * D + d]);
  sum = warp_sum(sum);
  if (threadIdx.x % kWarp == 0) delta[row] = sum;
}

template <int HD, bool VECTOR>
__global__ __launch_bounds__(kFewThreads) void keys_backward(AttentionInputs in, AttentionGradients gradients) {
  constexpr int kQueries = kRound<HD>;
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  const auto [sequence, k0, own_rows, kv_head, group, key] = KeyBlock::own(in, kOwn);
  if (own_rows <= 0) return;
  const Tile<kOwn, HD> ks{shared}, vs{shared + HD * kOwn};
  const auto qs = [&](int64_t j) { return Tile<kQueries, HD>{shared + HD * (2 * kOwn + j % 2 * kQueries)}; };
  const auto dos = [&](int64_t j) { return Tile<kQueries, HD>{shared + HD * (2 * kOwn + (2 + j % 2) * kQueries)}; };
  float* row_values = reinterpret_cast<float*>(shared + HD * (2 * kOwn + 4 * kQueries));
  const auto lses = [&](int64_t j) { return row_values + j % 2 * kQueries; };  // in powers of two
  const auto deltas = [&](int64_t j) { return row_values + (2 + j % 2) * kQueries; };
  // Round j goes over head j / per_head of the group and one run of queries, from the first that sees these keys on.
  const int64_t first_tile = k0 / kQueries, per_head = (sequence.length + kQueries - 1) / kQueries - first_tile;
  const int64_t rounds = per_head * group;
  const auto head_of = [&](int64_t j) { return kv_head * group + static_cast<int>(j / per_head); };
  const auto query_of = [&](int64_t j) { return (first_tile + j % per_head) * kQueries; };
  const auto load = [&](int64_t j) {
    const int64_t q0 = query_of(j), rows = sequence.length - q0;
    const int64_t at = (sequence.first + q0) * in.q_stride() + head_of(j) * in.D;
    qs(j).template load<VECTOR, kFewThreads>(in.q + at, in.q_stride(), rows, in.D);
    dos(j).template load<VECTOR, kFewThreads>(gradients.dout + at, in.q_stride(), rows, in.D);
    for (int i = threadIdx.x; i < kQueries; i += kFewThreads) {
      const int64_t row = (sequence.first + q0 + i) * in.heads + head_of(j);
      lses(j)[i] = i < rows ? gradients.lse[row] * kLog2E : INFINITY;  // exp2(s − ∞) = 0: a query that is not there
      deltas(j)[i] = i < rows ? gradients.delta[row] : 0.0f;
    }
  };
  ks.template load<VECTOR, kFewThreads>(in.k + key, in.kv_stride(), own_rows, in.D);
  vs.template load<VECTOR, kFewThreads>(in.v + key, in.kv_stride(), own_rows, in.D);
  load(0);
  commit_copies();

  const int lane = threadIdx.x % kWarp, row0 = threadIdx.x / kWarp * 16;
  const float scale = in.scale * kLog2E;
  Accumulator dk[HD / 8] = {}, dv[HD / 8] = {};
  for (int64_t j = 0; j < rounds; ++j) {
    if (j + 1 < rounds) load(j + 1);
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    Accumulator p[kQueries / 8] = {}, ds[kQueries / 8] = {};  // (16 keys, kQueries)
    SPARK_UNROLL
    for (int step = 0; step < HD / 16; ++step) {
      multiply_row(p, ks.a(row0, step * 16), [&](int n) { return qs(j).b_by_columns(n, step * 16); });
      multiply_row(ds, vs.a(row0, step * 16), [&](int n) { return dos(j).b_by_columns(n, step * 16); });
    }
    const int64_t ahead = query_of(j) - k0;  // tokens from the block's first key to the round's first query
    SPARK_UNROLL
    for (int tile = 0; tile < kQueries / 8; ++tile) {
      SPARK_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int row = row0 + lane / 4 + i / 2 * 8, col = tile * 8 + lane % 4 * 2 + i % 2;
        const bool visible = row <= ahead + col;
        const float probability = visible ? power_of_two(p[tile].at[i] * scale - lses(j)[col]) : 0.0f;
        p[tile].at[i] = probability;
        ds[tile].at[i] = probability * (ds[tile].at[i] - deltas(j)[col]);
      }
    }
    SPARK_UNROLL
    for (int step = 0; step < kQueries / 16; ++step) {
      const Fragment left = as_fragment(p[2 * step], p[2 * step + 1]);
      multiply_row(dv, left, [&](int n) { return dos(j).b_by_rows(step * 16, n); });
      const Fragment slope = as_fragment(ds[2 * step], ds[2 * step + 1]);
      multiply_row(dk, slope, [&](int n) { return qs(j).b_by_rows(step * 16, n); });
    }
    __syncthreads();  // the next round loads over these queries
  }
  const int64_t at = key + row0 * in.kv_stride(), rows = own_rows - row0;
  store_accumulators<VECTOR>(gradients.dk + at, in.kv_stride(), dk, rows, in.D, in.scale, in.scale);
  store_accumulators<VECTOR>(gradients.dv + at, in.kv_stride(), dv, rows, in.D, 1.0f, 1.0f);
}

template <int HD, bool VECTOR>
__global__ __launch_bounds__(kFewThreads) void queries_backward(AttentionInputs in, AttentionGradients gradients) {
  constexpr int kKeys = kRound<HD>;
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  const auto [sequence, q0, own_rows, head, query, k, v] = QueryBlock::own(in, kOwn);
  if (own_rows <= 0) return;
  const Tile<kOwn, HD> qs{shared}, dos{shared + HD * kOwn};
  const auto ks = [&](int64_t j) { return Tile<kKeys, HD>{shared + HD * (2 * kOwn + j % 2 * kKeys)}; };
  const auto vs = [&](int64_t j) { return Tile<kKeys, HD>{shared + HD * (2 * kOwn + (2 + j % 2) * kKeys)}; };
  const auto load = [&](int64_t j) {
    const int64_t at = j * kKeys, rows = sequence.length - at;
    ks(j).template load<VECTOR, kFewThreads>(k + at * in.kv_stride(), in.kv_stride(), rows, in.D);
    vs(j).template load<VECTOR, kFewThreads>(v + at * in.kv_stride(), in.kv_stride(), rows, in.D);
  };
  qs.template load<VECTOR, kFewThreads>(in.q + query, in.q_stride(), own_rows, in.D);
  dos.template load<VECTOR, kFewThreads>(gradients.dout + query, in.q_stride(), own_rows, in.D);
  load(0);
  commit_copies();

  const int lane = threadIdx.x % kWarp, row0 = threadIdx.x / kWarp * 16;
  const float scale = in.scale * kLog2E;
  float lse[2], delta[2];  // of rows g and g + 8
  SPARK_UNROLL
  for (int i = 0; i < 2; ++i) {
    const int own = row0 + lane / 4 + i * 8;
    const int64_t row = (sequence.first + q0 + own) * in.heads + head;
    lse[i] = own < own_rows ? gradients.lse[row] * kLog2E : INFINITY;
    delta[i] = own < own_rows ? gradients.delta[row] : 0.0f;
  }
  const int64_t seen = q0 + kOwn < sequence.length ? q0 + kOwn : sequence.length;  // keys that some of these rows see
  const int64_t rounds = (seen + kKeys - 1) / kKeys;
  Accumulator dq[HD / 8] = {};
  for (int64_t j = 0; j < rounds; ++j) {
    if (j + 1 < rounds) load(j + 1);
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    Accumulator s[kKeys / 8] = {}, ds[kKeys / 8] = {};  // (16 queries, kKeys)
    SPARK_UNROLL
    for (int step = 0; step < HD / 16; ++step) {
      multiply_row(s, qs.a(row0, step * 16), [&](int n) { return ks(j).b_by_columns(n, step * 16); });
      multiply_row(ds, dos.a(row0, step * 16), [&](int n) { return vs(j).b_by_columns(n, step * 16); });
    }
    const int64_t behind = q0 - j * kKeys;  // tokens from the round's first key to the block's first query
    SPARK_UNROLL
    for (int tile = 0; tile < kKeys / 8; ++tile) {
      SPARK_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int row = row0 + lane / 4 + i / 2 * 8, col = tile * 8 + lane % 4 * 2 + i % 2;
        const bool visible = col <= behind + row;
        const float probability = visible ? power_of_two(s[tile].at[i] * scale - lse[i / 2]) : 0.0f;
        ds[tile].at[i] = probability * (ds[tile].at[i] - delta[i / 2]);
      }
    }
    SPARK_UNROLL
    for (int step = 0; step < kKeys / 16; ++step) {
      const Fragment slope = as_fragment(ds[2 * step], ds[2 * step + 1]);
      multiply_row(dq, slope, [&](int n) { return ks(j).b_by_rows(step * 16, n); });
    }
    __syncthreads();  // the next round loads over these keys
  }
  store_accumulators<VECTOR>(gradients.dq + query + row0 * in.q_stride(), in.q_stride(), dq, own_rows - row0, in.D,
                             in.scale, in.scale);
}

}  // namespace

void CudaBackend::attention_backward(Activation* dq, Activation* dk, Activation* dv, const Activation* dout,
                                     const Activation* q, const Activation* k, const Activation* v, const Activation* o,
                                     const float* lse, const Packing& packing, const AttentionShape& shape) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_size));
  const AttentionInputs in = attention_inputs(q, k, v, packing, shape, scale);
  if (uses_hopper(shape, {q, k, v, o, dout, dq, dk, dv})) {
    const auto count = static_cast<size_t>(shape.heads * row_stride(packing.tokens));
    auto* row_values = static_cast<float2*>(scratch(kSums, count * sizeof(float2)));
    hopper_attention_backward(in, {bf16(dout), bf16(o), lse, row_values, bf16(dq), bf16(dk), bf16(dv)}, packing,
                              stream_);
    return;
  }
  const int64_t rows = packing.tokens * shape.heads;
  auto* delta = static_cast<float*>(scratch(kSums, static_cast<size_t>(rows) * sizeof(float)));  // (N, H)
  launch(dot_rows, dim3(blocks_for(rows, kFewThreads / kWarp)), kFewThreads, 0, stream_, delta, bf16(dout), bf16(o),
         rows, static_cast<int>(shape.head_size));
  const AttentionGradients gradients{bf16(dout), lse, delta, bf16(dq), bf16(dk), bf16(dv)};
  with_head_size(shape, {q, k, v, dout, dq, dk, dv}, [&](auto hd, auto vector) {
    launch(keys_backward<hd(), vector()>, attention_grid(shape.kv_heads, packing, kOwn), kFewThreads, kShared<hd()>,
           stream_, in, gradients);
    launch(queries_backward<hd(), vector()>, attention_grid(shape.heads, packing, kOwn), kFewThreads, kShared<hd()>,
           stream_, in, gradients);
  });
}

}  // namespace spark::cuda
