// Causal attention over packed sequences, forward (FlashAttention 2: Dao 2023). A block takes 64 queries of one head, a
// warp 16 of them; keys and values come by 64 while the block works on the ones before. Per query row i:
//   s_j = q_i · k_j / √D (j ≤ i),  lse = log Σ exp s_j,  o = Σ exp(s_j − lse) v_j
// The running maximum and sum are kept in powers of two: exp2 is one instruction.
#include "cuda/attention_hopper.h"

namespace spark::cuda {

namespace {

constexpr int kQueries = 64;
constexpr int kKeys = 64;

template <int HD>
constexpr size_t kShared = sizeof(Bf16) * HD * (kQueries + 4 * kKeys);

template <int HD, bool VECTOR>
__global__ __launch_bounds__(kFewThreads) void forward(Bf16* o, float* lse, AttentionInputs in) {
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  const auto [sequence, q0, own_rows, head, query, k, v] = QueryBlock::own(in, kQueries);
  if (own_rows <= 0) return;
  const Tile<kQueries, HD> qs{shared};
  const auto ks = [&](int64_t j) { return Tile<kKeys, HD>{shared + HD * (kQueries + j % 2 * kKeys)}; };
  const auto vs = [&](int64_t j) { return Tile<kKeys, HD>{shared + HD * (kQueries + (2 + j % 2) * kKeys)}; };
  const auto load = [&](int64_t j) {
    const int64_t at = j * kKeys, rows = sequence.length - at;
    ks(j).template load<VECTOR, kFewThreads>(k + at * in.kv_stride(), in.kv_stride(), rows, in.D);
    vs(j).template load<VECTOR, kFewThreads>(v + at * in.kv_stride(), in.kv_stride(), rows, in.D);
  };
  qs.template load<VECTOR, kFewThreads>(in.q + query, in.q_stride(), own_rows, in.D);
  load(0);
  commit_copies();

  const int lane = threadIdx.x % kWarp, row0 = threadIdx.x / kWarp * 16;
  const int64_t tiles = q0 / kKeys + 1;
  const float scale = in.scale * kLog2E;
  Fragment q[HD / 16];
  Accumulator out[HD / 8] = {};
  RunningSoftmax softmax;
  for (int64_t j = 0; j < tiles; ++j) {
    if (j + 1 < tiles) load(j + 1);
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();
    if (j == 0) {
      SPARK_UNROLL
      for (int step = 0; step < HD / 16; ++step) q[step] = qs.a(row0, step * 16);
    }
    Accumulator s[kKeys / 8] = {};
    SPARK_UNROLL
    for (int step = 0; step < HD / 16; ++step) {
      multiply_row(s, q[step], [&](int n) { return ks(j).b_by_columns(n, step * 16); });
    }
    const bool diagonal = j + 1 == tiles;
    SPARK_UNROLL
    for (int tile = 0; tile < kKeys / 8; ++tile) {
      SPARK_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int row = row0 + lane / 4 + i / 2 * 8, col = tile * 8 + lane % 4 * 2 + i % 2;
        if (diagonal && col > row) s[tile].at[i] = -INFINITY;
      }
    }
    const float2 factor = softmax.advance(s, scale);
    SPARK_UNROLL
    for (int tile = 0; tile < HD / 8; ++tile) {
      out[tile].at[0] *= factor.x, out[tile].at[1] *= factor.x;
      out[tile].at[2] *= factor.y, out[tile].at[3] *= factor.y;
    }
    SPARK_UNROLL
    for (int step = 0; step < kKeys / 16; ++step) {
      const Fragment p = as_fragment(s[2 * step], s[2 * step + 1]);
      multiply_row(out, p, [&](int n) { return vs(j).b_by_rows(step * 16, n); });
    }
    __syncthreads();  // the next round loads over these keys
  }
  softmax.finish();
  const int64_t rows = own_rows - row0;
  store_accumulators<VECTOR>(o + query + row0 * in.q_stride(), in.q_stride(), out, rows, in.D, 1.0f / softmax.sum[0],
                             1.0f / softmax.sum[1]);
  if (lane % 4 > 0) return;
  SPARK_UNROLL
  for (int row = 0; row < 2; ++row) {
    const int own = lane / 4 + row * 8;
    if (own >= rows) continue;
    lse[(sequence.first + q0 + row0 + own) * in.heads + head] = softmax.lse(row);
  }
}

}  // namespace

void CudaBackend::attention_forward(Activation* o, float* lse, const Activation* q, const Activation* k,
                                    const Activation* v, const Packing& packing, const AttentionShape& shape) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(shape.head_size));
  const AttentionInputs in = attention_inputs(q, k, v, packing, shape, scale);
  if (uses_hopper(shape, {q, k, v, o})) {
    hopper_attention_forward(bf16(o), lse, in, packing, stream_);
    return;
  }
  with_head_size(shape, {q, k, v, o}, [&](auto hd, auto vector) {
    launch(forward<hd(), vector()>, attention_grid(shape.heads, packing, kQueries), kFewThreads, kShared<hd()>, stream_,
           bf16(o), lse, in);
  });
}

}  // namespace spark::cuda
