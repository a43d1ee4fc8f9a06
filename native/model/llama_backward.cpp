// The backward pass of the trunk: input gradients and dA, dB; no gradient of a base weight exists.
#include <algorithm>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "model/llama.h"

namespace spark {

// dA and dB of the group's stacks, then dx = Σ dy W + du A, where du A of a stack is added by the product of its last
// projection. dx may be the memory of x: when it is written, x is no longer needed.
void Llama::project_backward(Activation* dx, Outputs gradients, Arena& arena, const BlockActivations& a,
                             const Activation* x, int64_t layer, int64_t N, const LoraView& lora) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  const LoraLayer& own = lora.layers[static_cast<size_t>(layer)];
  const auto weight = [&](Projection p) -> const Weight& { return block.projections[static_cast<size_t>(p)]; };
  const Arena::Scope scope(arena);
  Activation* du[kProjections] = {};  // (N, S) of each stack
  for (const auto& [projection, dy] : gradients) {
    const size_t p = static_cast<size_t>(projection);
    if (own.stacks[p].rank > 0) du[p] = arena.activations(N * own.stacks[p].rank);
  }
  for (const auto& [projection, dy] : gradients) {
    const LoraPair& pair = own.pairs[static_cast<size_t>(projection)];
    if (!pair.b) continue;
    const size_t s = static_cast<size_t>(pair.stack);
    const int64_t out = weight(projection).rows;
    backend_.lora_up_backward(backend_.at(du[s], pair.column), pair.db, dy, out, backend_.at(a.u[s], pair.column),
                              own.stacks[s].rank, pair.b, own.stacks[s].scale, N, out, pair.rank);
  }
  for (const auto& [projection, dy] : gradients) {
    const size_t p = static_cast<size_t>(projection);
    const LoraStack& stack = own.stacks[p];
    if (stack.rank > 0) backend_.lora_down_backward(stack.da, du[p], x, N, weight(projection).cols, stack.rank);
  }
  if (!dx) return;
  for (const auto* gradient = gradients.begin(); gradient != gradients.end(); ++gradient) {
    const Projection projection = gradient->first;
    const LoraPair& pair = own.pairs[static_cast<size_t>(projection)];
    const size_t s = static_cast<size_t>(pair.stack);
    const LoraStack& stack = own.stacks[s];
    LowRank down;
    if (pair.b && stack.last == projection) down = {du[s], stack.rank, stack.rank, stack.a};
    backend_.linear_backward(dx, gradient->second, weight(projection), down, N, gradient != gradients.begin());
  }
}

void Llama::feed_forward_backward(Arena& arena, BlockActivations& a, int64_t layer, const LoraView& lora,
                                  Activation* dx) {
  const int64_t M = a.M;
  Activation* dhidden = a.hidden;  // (M, F)
  project_backward(dhidden, {{Projection::Down, dx}}, arena, a, a.hidden, layer, M, lora);
  backend_.swiglu_backward(a.gate, a.up, dhidden, a.gate, a.up, M * config_.feed_forward);  // over gate and up
  Activation* dnorm = a.norm2;                                                              // (M, C)
  project_backward(dnorm, {{Projection::Gate, a.gate}, {Projection::Up, a.up}}, arena, a, a.norm2, layer, M, lora);
  const Vector& norm = weights_.blocks[static_cast<size_t>(layer)].feed_forward_norm;
  backend_.rmsnorm_backward(dx, dnorm, a.mid, a.rstd2, norm, M);
}

// From dy (N heads, D) to the gradient of what was normed, which is new memory of the arena.
Activation* Llama::norm_heads_backward(Arena& arena, Activation* dy, const Activation* x, const float* rstd,
                                       const Vector& w, int64_t N) {
  Activation* dx = arena.activations(N * w.size);  // (N heads, D)
  backend_.zero(dx, N * w.size);
  backend_.rmsnorm_backward(dx, dy, x, rstd, w, N);
  return dx;
}

// From dx (M, C) of mid to dx_all (N, C) of the block's input; the two are the same memory when all rows go on.
void Llama::attention_backward(Arena& arena, BlockActivations& a, int64_t layer, const PackedTokens& batch,
                               const LoraView& lora, Activation* dx, Activation* dx_all) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  const int64_t N = batch.packing.tokens, C = config_.width, D = config_.head_size, Q = config_.q_width();
  const int64_t H = config_.heads, K = config_.kv_heads;
  const Arena::Scope scope(arena);
  Activation* dout_rows = arena.activations(a.M * Q);                // (M, H D)
  Activation* dout = a.rows ? arena.activations(N * Q) : dout_rows;  // (N, H D)
  Activation* dq = arena.activations(N * Q);                         // (N, H D)
  Activation* dk = arena.activations(N * config_.kv_width());        // (N, K D)
  Activation* dv = arena.activations(N * config_.kv_width());        // (N, K D)
  // Where nothing below the first block is trained, its input needs no gradient.
  Activation* dnorm = layer > 0 || lora.embedding.rank > 0 ? a.norm1 : nullptr;  // (N, C)
  const Activation* o_rows = rows_of(arena, a.o, a, Q);                          // (M, H D)
  project_backward(dout_rows, {{Projection::O, dx}}, arena, a, o_rows, layer, a.M, lora);
  if (a.rows) {
    backend_.zero(dout, N * Q);
    backend_.scatter_rows(dout, dout_rows, a.rows, 1, a.M, Q);
    backend_.zero(dx_all, N * C);
    backend_.scatter_rows(dx_all, dx, a.rows, 1, a.M, C);
  }
  backend_.attention_backward(dq, dk, dv, dout, a.q, a.k, a.v, a.o, a.lse, batch.packing, {H, K, D});
  backend_.rope_backward(dq, rope(), batch.packing, H, D);
  backend_.rope_backward(dk, rope(), batch.packing, K, D);
  if (config_.qk_norm) {
    dq = norm_heads_backward(arena, dq, a.q_raw, a.q_rstd, block.q_norm, N * H);
    dk = norm_heads_backward(arena, dk, a.k_raw, a.k_rstd, block.k_norm, N * K);
  }
  project_backward(dnorm, {{Projection::Q, dq}, {Projection::K, dk}, {Projection::V, dv}}, arena, a, a.norm1, layer, N,
                   lora);
  if (dnorm) backend_.rmsnorm_backward(dx_all, dnorm, a.x, a.rstd1, block.attention_norm, N);
}

// Computes again what forward did not keep of the first half of a block, by the same ops on the same inputs: the same
// bits.
void Llama::recompute_attention(Arena& arena, BlockActivations& a, Recompute kind, int64_t layer,
                                const PackedTokens& batch, const LoraView& lora) {
  const int64_t N = batch.packing.tokens;
  if (keeps_inputs_alone(kind)) {
    allocate_attention(a, arena, N, layer, &lora);
    a.mid = arena.activations(a.M * config_.width);
    attention_forward(arena, a, layer, batch, &lora);
  } else if (kind == Recompute::Cheap) {
    const Vector& norm = weights_.blocks[static_cast<size_t>(layer)].attention_norm;
    backend_.rmsnorm_forward(a.norm1, a.rstd1, a.x, norm, config_.norm_epsilon, N);
  }
}

// The same for the second half, without the block's output, which backward does not need.
void Llama::recompute_feed_forward(Arena& arena, BlockActivations& a, Recompute kind, int64_t layer,
                                   const LoraView& lora) {
  if (keeps_inputs_alone(kind)) {
    allocate_feed_forward(a, arena, layer, &lora);
    feed_forward_forward(a, layer, &lora);
    constexpr size_t kDown = static_cast<size_t>(Projection::Down);
    const LoraStack& down = lora.layers[static_cast<size_t>(layer)].stacks[kDown];
    if (down.rank > 0) {
      backend_.lora_down(a.u[kDown], a.hidden, down.a, down.scale, a.M, config_.feed_forward, down.rank);
    }
  } else if (kind == Recompute::Cheap) {
    const Vector& norm = weights_.blocks[static_cast<size_t>(layer)].feed_forward_norm;
    backend_.rmsnorm_forward(a.norm2, a.rstd2, a.mid, norm, config_.norm_epsilon, a.M);
    backend_.swiglu_forward(a.hidden, a.gate, a.up, a.M * config_.feed_forward);
  }
}

// Waits for the input of `layer`, and begins to fetch that of layer − 1, which backward reaches next. It goes into the
// memory that held the input of layer + 1 or, for the last layer, what forward returned: neither is needed any more.
void Llama::fetch_ahead(const SavedActivations& saved, int64_t layer, int64_t N) {
  if (layer > 0) backend_.fetch(saved.blocks[static_cast<size_t>(layer - 1)].x, layer - 1, N * config_.width);
  if (layer + 1 < config_.layers) backend_.settle(layer);
}

namespace {

// Memory for as many tokens as there are rows, whatever they are: the planner does not know them.
RowsByToken rows_by_token(Backend& backend, Arena& arena, std::span<const int32_t> tokens) {
  std::vector<int32_t> rows(tokens.size()), distinct, offsets;
  std::iota(rows.begin(), rows.end(), 0);
  const auto token = [&](int32_t row) { return tokens[static_cast<size_t>(row)]; };
  std::stable_sort(rows.begin(), rows.end(), [&](int32_t a, int32_t b) { return token(a) < token(b); });
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!distinct.empty() && distinct.back() == token(rows[i])) continue;
    distinct.push_back(token(rows[i])), offsets.push_back(static_cast<int32_t>(i));
  }
  offsets.push_back(static_cast<int32_t>(rows.size()));
  const auto uploaded = [&](const std::vector<int32_t>& values) {
    int32_t* to = arena.ints(static_cast<int64_t>(tokens.size()) + 1);
    backend.upload(to, values.data(), values.size() * sizeof(int32_t));
    return to;
  };
  return {static_cast<int64_t>(distinct.size()), uploaded(distinct), uploaded(offsets), uploaded(rows)};
}

}  // namespace

// dA and dB of the embedding from dx (N, C).
void Llama::embed_backward(Arena& arena, const Activation* dx, const PackedTokens& batch, const LoraFactors& lora) {
  const int64_t N = batch.packing.tokens, C = config_.width, R = lora.rank;
  const Arena::Scope scope(arena);
  Activation *u = arena.activations(N * R), *du = arena.activations(N * R);  // (N, R) each
  backend_.lora_rows_forward(u, lora.a, batch.tokens, lora.scale, N, R);
  backend_.lora_up_backward(du, lora.db, dx, C, u, R, lora.b, lora.scale, N, C, R);
  backend_.lora_rows_backward(lora.da, du, rows_by_token(backend_, arena, batch.on_host), R);
}

void Llama::backward(Arena& arena, const PackedTokens& batch, const LoraView& lora, SavedActivations& saved,
                     Activation* dx, const std::atomic<bool>* cancel) {
  const int64_t N = batch.packing.tokens;
  Activation* dx_all = saved.blocks.back().rows ? arena.activations(N * config_.width) : dx;  // (N, C)
  for (int64_t layer = config_.layers - 1; layer >= 0; --layer) {
    if (cancel && cancel->load(std::memory_order_relaxed)) throw Error("interrupted", "interrupted by the caller");
    BlockActivations& a = saved.blocks[static_cast<size_t>(layer)];
    if (saved.recompute == Recompute::Offload) fetch_ahead(saved, layer, N);
    const Arena::Scope scope(arena);
    recompute_attention(arena, a, saved.recompute, layer, batch, lora);
    {
      // Frees the three (M, F) that are computed again before attention's gradients take memory.
      const Arena::Scope feed_forward(arena);
      recompute_feed_forward(arena, a, saved.recompute, layer, lora);
      feed_forward_backward(arena, a, layer, lora, dx);
    }
    attention_backward(arena, a, layer, batch, lora, dx, dx_all);
    dx = dx_all;
  }
  if (lora.embedding.rank > 0) embed_backward(arena, dx, batch, lora.embedding);
}

}  // namespace spark
