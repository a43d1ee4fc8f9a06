// One block, with residual stream x:
//   mid = x   + o_proj(attention(rope(q_proj(n)), rope(k_proj(n)), v_proj(n))),   n = rmsnorm(x)
//   out = mid + down_proj(silu(gate_proj(n')) ⊙ up_proj(n')),                     n' = rmsnorm(mid)
// Qwen 2 adds a bias to q, k and v; Qwen 3 norms each head of q and k before it turns.
#include "model/llama.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace spark {

namespace {

void check_cancel(const std::atomic<bool>* cancel) {
  if (cancel && cancel->load(std::memory_order_relaxed)) throw Error("interrupted", "interrupted by the caller");
}

}  // namespace

const char* recompute_name(Recompute recompute) {
  constexpr const char* kNames[] = {"none", "cheap", "block", "offload"};
  return kNames[static_cast<int>(recompute)];
}

Llama::Llama(Backend& backend, std::shared_ptr<GgufFile> file, const std::atomic<bool>* cancel)
    : backend_(backend),
      config_(read_config(*file)),
      weights_(load_weights(backend, std::move(file), config_, cancel)) {}

// Angles in double: position · base^(−2i / rotary) / rope_freqs[i] / linear scale. Grown by doubling.
void Llama::reserve_positions(int64_t count) {
  if (count <= rope_positions_) return;
  const int64_t positions = std::max<int64_t>({count, 2 * rope_positions_, 512}), pairs = config_.rotary / 2;
  std::vector<float> table(static_cast<size_t>(positions * pairs * 2));
  for (int64_t i = 0; i < pairs; ++i) {
    double frequency = std::pow(config_.rope_base, -2.0 * static_cast<double>(i) / static_cast<double>(config_.rotary));
    frequency /= config_.rope_scale;
    if (!weights_.rope_factors.empty()) frequency /= weights_.rope_factors[static_cast<size_t>(i)];
    for (int64_t p = 0; p < positions; ++p) {
      const double angle = static_cast<double>(p) * frequency;
      table[static_cast<size_t>((p * pairs + i) * 2)] = static_cast<float>(std::cos(angle));
      table[static_cast<size_t>((p * pairs + i) * 2 + 1)] = static_cast<float>(std::sin(angle));
    }
  }
  Buffer grown(backend_, table.size() * sizeof(float));
  backend_.upload(grown.floats(), table.data(), table.size() * sizeof(float));
  rope_ = std::move(grown);
  rope_positions_ = positions;
}

// Memory for u (rows, S) of each stack of the group.
void Llama::allocate_low_rank(BlockActivations& a, Arena& arena, ProjectionGroup group, int64_t rows, int64_t layer,
                              const LoraView* lora) const {
  if (!lora) return;
  for (size_t p = 0; p < kProjections; ++p) {
    const int64_t S = lora->layers[static_cast<size_t>(layer)].stacks[p].rank;
    if (S > 0 && kProjectionTable[p].group == group) a.u[p] = arena.activations(rows * S);
  }
}

// Memory for what attention leaves for its backward pass.
void Llama::allocate_attention(BlockActivations& a, Arena& arena, int64_t N, int64_t layer,
                               const LoraView* lora) const {
  const int64_t H = config_.heads, K = config_.kv_heads;
  if (!a.norm1) a.norm1 = arena.activations(N * config_.width);
  a.rstd1 = arena.floats(N);
  a.q = arena.activations(N * config_.q_width());
  a.k = arena.activations(N * config_.kv_width()), a.v = arena.activations(N * config_.kv_width());
  if (config_.qk_norm) {
    a.q_raw = arena.activations(N * config_.q_width()), a.q_rstd = arena.floats(N * H);
    a.k_raw = arena.activations(N * config_.kv_width()), a.k_rstd = arena.floats(N * K);
  }
  a.o = arena.activations(N * config_.q_width()), a.lse = arena.floats(N * H);
  allocate_low_rank(a, arena, ProjectionGroup::Qkv, N, layer, lora);
  allocate_low_rank(a, arena, ProjectionGroup::O, a.M, layer, lora);
}

// Memory for what the feed forward leaves for its backward pass.
void Llama::allocate_feed_forward(BlockActivations& a, Arena& arena, int64_t layer, const LoraView* lora) const {
  const int64_t F = config_.feed_forward;
  a.rstd2 = arena.floats(a.M);
  if (!a.norm2) a.norm2 = arena.activations(a.M * config_.width);
  a.gate = arena.activations(a.M * F), a.up = arena.activations(a.M * F);
  if (!a.hidden) a.hidden = arena.activations(a.M * F);
  allocate_low_rank(a, arena, ProjectionGroup::GateUp, a.M, layer, lora);
  allocate_low_rank(a, arena, ProjectionGroup::Down, a.M, layer, lora);
}

// y = x Wᵀ + u Bᵀ + residual + bias for projections of one group, with u (N, S) = scale · x Aᵀ of each stack kept.
void Llama::project(Outputs outputs, const BlockActivations& a, const Activation* x, const Activation* residual,
                    int64_t layer, int64_t N, const LoraView* lora) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  const LoraLayer own = lora ? lora->layers[static_cast<size_t>(layer)] : LoraLayer{};
  for (const auto& [projection, y] : outputs) {
    const size_t p = static_cast<size_t>(projection);
    const LoraStack& stack = own.stacks[p];
    if (stack.rank == 0) continue;
    backend_.lora_down(a.u[p], x, stack.a, stack.scale, N, block.projections[p].cols, stack.rank);
  }
  for (const auto& [projection, y] : outputs) {
    const size_t p = static_cast<size_t>(projection);
    LowRank up;
    if (const LoraPair& pair = own.pairs[p]; pair.b) {
      const size_t s = static_cast<size_t>(pair.stack);
      up = {backend_.at(a.u[s], pair.column), own.stacks[s].rank, pair.rank, pair.b};
    }
    backend_.linear_forward(y, x, block.projections[p], up, residual, N);
    if (block.biases[p].data) backend_.add_bias(y, block.biases[p], N);
  }
}

// From x to mid. Where only some rows go on, they are gathered into memory of the arena that is free again afterwards.
void Llama::attention_forward(Arena& arena, BlockActivations& a, int64_t layer, const PackedTokens& batch,
                              const LoraView* lora) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  const int64_t N = batch.packing.tokens, C = config_.width, D = config_.head_size;
  const int64_t H = config_.heads, K = config_.kv_heads;
  backend_.rmsnorm_forward(a.norm1, a.rstd1, a.x, block.attention_norm, config_.norm_epsilon, N);
  project({{Projection::Q, config_.qk_norm ? a.q_raw : a.q},
           {Projection::K, config_.qk_norm ? a.k_raw : a.k},
           {Projection::V, a.v}},
          a, a.norm1, nullptr, layer, N, lora);
  if (config_.qk_norm) {
    backend_.rmsnorm_forward(a.q, a.q_rstd, a.q_raw, block.q_norm, config_.norm_epsilon, N * H);
    backend_.rmsnorm_forward(a.k, a.k_rstd, a.k_raw, block.k_norm, config_.norm_epsilon, N * K);
  }
  backend_.rope_forward(a.q, rope(), batch.packing, H, D);
  backend_.rope_forward(a.k, rope(), batch.packing, K, D);
  backend_.attention_forward(a.o, a.lse, a.q, a.k, a.v, batch.packing, {H, K, D});
  const Arena::Scope scope(arena);
  const Activation* x = rows_of(arena, a.x, a, C);                  // (M, C)
  const Activation* o = rows_of(arena, a.o, a, config_.q_width());  // (M, H D)
  project({{Projection::O, a.mid}}, a, o, x, layer, a.M, lora);
}

// The rows of x (N, width) that go on after the attention: x itself where all do, else a copy (M, width) in the arena.
const Activation* Llama::rows_of(Arena& arena, const Activation* x, const BlockActivations& a, int64_t width) {
  if (!a.rows) return x;
  Activation* y = arena.activations(a.M * width);  // (M, width)
  backend_.gather_rows(y, x, a.rows, a.M, width);
  return y;
}

// From mid to hidden.
void Llama::feed_forward_forward(BlockActivations& a, int64_t layer, const LoraView* lora) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  backend_.rmsnorm_forward(a.norm2, a.rstd2, a.mid, block.feed_forward_norm, config_.norm_epsilon, a.M);
  project({{Projection::Gate, a.gate}, {Projection::Up, a.up}}, a, a.norm2, nullptr, layer, a.M, lora);
  backend_.swiglu_forward(a.hidden, a.gate, a.up, a.M * config_.feed_forward);
}

// From mid and hidden to the block's output.
void Llama::down_forward(Activation* out, BlockActivations& a, int64_t layer, const LoraView* lora) {
  project({{Projection::Down, out}}, a, a.hidden, a.mid, layer, a.M, lora);
}

// A block whose activations stay in the arena.
void Llama::block_forward(Arena& arena, Activation* out, BlockActivations& a, int64_t layer, const PackedTokens& batch,
                          const LoraView* lora) {
  allocate_attention(a, arena, batch.packing.tokens, layer, lora);
  a.mid = arena.activations(a.M * config_.width);
  attention_forward(arena, a, layer, batch, lora);
  allocate_feed_forward(a, arena, layer, lora);
  feed_forward_forward(a, layer, lora);
  down_forward(out, a, layer, lora);
}

// A block whose activations are not kept: its feed forward reuses the memory of its attention.
void Llama::passing_block_forward(Arena& arena, Activation* out, BlockActivations a, int64_t layer,
                                  const PackedTokens& batch, const LoraView* lora) {
  const Arena::Scope scope(arena);
  a.mid = arena.activations(a.M * config_.width);
  {
    const Arena::Scope attention(arena);
    allocate_attention(a, arena, batch.packing.tokens, layer, lora);
    attention_forward(arena, a, layer, batch, lora);
  }
  allocate_feed_forward(a, arena, layer, lora);
  feed_forward_forward(a, layer, lora);
  down_forward(out, a, layer, lora);
}

// Memory for the input of every block (N, C) and, as the last element, for what is returned (M, C). `turns`: they lie
// in two buffers that take turns.
std::vector<Activation*> Llama::allocate_inputs(Arena& arena, int64_t N, int64_t M, bool turns) const {
  std::vector<Activation*> x;
  for (int64_t layer = 0; layer <= config_.layers; ++layer) {
    const int64_t rows = layer < config_.layers ? N : M;
    x.push_back(turns && layer > 1 ? x[static_cast<size_t>(layer - 2)] : arena.activations(rows * config_.width));
  }
  return x;
}

// x (N, C) = the tokens' rows of the embedding, with what LoRA adds to them: u Bᵀ, u = scale · A[tokens].
void Llama::embed(Arena& arena, Activation* x, const PackedTokens& batch, const LoraView* lora) {
  const int64_t N = batch.packing.tokens;
  backend_.embedding(x, weights_.embedding, batch.tokens, N);
  if (!lora || lora->embedding.rank == 0) return;
  const LoraFactors& own = lora->embedding;
  const Arena::Scope scope(arena);
  Activation* u = arena.activations(N * own.rank);  // (N, R)
  backend_.lora_rows_forward(u, own.a, batch.tokens, own.scale, N, own.rank);
  backend_.lora_up(x, {u, own.rank, own.rank, own.b}, N, config_.width);
}

const Activation* Llama::forward(Arena& arena, const PackedTokens& batch, const RowsRead& read, const LoraView* lora,
                                 SavedActivations* saved, const std::atomic<bool>* cancel) {
  const int64_t N = batch.packing.tokens, layers = config_.layers;
  reserve_positions(batch.packing.longest);
  const bool keep = saved && !keeps_inputs_alone(saved->recompute);
  const bool offload = saved && saved->recompute == Recompute::Offload;
  const std::vector<Activation*> x = allocate_inputs(arena, N, read.rows ? read.count : N, !saved || offload);
  BlockActivations recomputed;  // with Cheap: shared by all blocks, until the backward pass is over
  if (keep && saved->recompute == Recompute::Cheap) {
    recomputed.norm1 = arena.activations(N * config_.width), recomputed.norm2 = arena.activations(N * config_.width);
    recomputed.hidden = arena.activations(N * config_.feed_forward);
  }
  embed(arena, x[0], batch, lora);
  for (int64_t layer = 0; layer < layers; ++layer) {
    check_cancel(cancel);
    const RowsRead rows = layer + 1 == layers ? read : RowsRead{};
    Activation* out = x[static_cast<size_t>(layer + 1)];
    BlockActivations a = recomputed;
    a.M = rows.rows ? rows.count : N, a.rows = rows.rows, a.x = x[static_cast<size_t>(layer)];
    // The last block's input stays on the device: backward begins with it.
    if (offload && layer + 1 < layers) backend_.offload(layer, a.x, N * config_.width);
    if (offload && layer > 0) backend_.settle(layer - 1);  // `out` is the memory of that input
    if (keep) {
      block_forward(arena, out, a, layer, batch, lora);
    } else {
      passing_block_forward(arena, out, a, layer, batch, lora);
    }
    if (saved) saved->blocks.push_back(a);
  }
  return x.back();
}

std::string Llama::first_not_finite(Arena& arena, const SavedActivations& saved, const Activation* x, int64_t M,
                                    int64_t N) {
  const auto bad = [&](const Activation* data, int64_t count) { return !backend_.all_finite(data, count); };
  const int64_t C = config_.width;
  const bool offload = saved.recompute == Recompute::Offload;
  const Arena::Scope scope(arena);
  Activation* fetched = offload ? arena.activations(N * C) : nullptr;  // (N, C), where the blocks of the pass were
  for (size_t layer = 0; layer < saved.blocks.size(); ++layer) {
    const BlockActivations& a = saved.blocks[layer];
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    const bool away = offload && layer + 1 < saved.blocks.size();
    if (away) backend_.fetch(fetched, static_cast<int64_t>(layer), N * C), backend_.settle(static_cast<int64_t>(layer));
    if (bad(away ? fetched : a.x, N * C))
      return layer ? "blk." + std::to_string(layer - 1) + ".ffn_down output" : "token_embd output";
    if (keeps_inputs_alone(saved.recompute)) continue;
    if (bad(a.q, N * config_.q_width())) return prefix + "attn_q output";
    if (bad(a.k, N * config_.kv_width())) return prefix + "attn_k output";
    if (bad(a.v, N * config_.kv_width())) return prefix + "attn_v output";
    if (bad(a.o, N * config_.q_width())) return prefix + "attention output";
    if (bad(a.mid, a.M * C)) return prefix + "attn_output output";
    if (bad(a.gate, a.M * config_.feed_forward)) return prefix + "ffn_gate output";
    if (bad(a.up, a.M * config_.feed_forward)) return prefix + "ffn_up output";
  }
  if (bad(x, M * C)) return "blk." + std::to_string(config_.layers - 1) + ".ffn_down output";
  return "";
}

}  // namespace spark
