// One block, with residual stream x:
//   mid = x   + o_proj(attention(rope(q_proj(n)), rope(k_proj(n)), v_proj(n))),   n = rmsnorm(x)
//   out = mid + down_proj(silu(gate_proj(n')) ⊙ up_proj(n')),                     n' = rmsnorm(mid)
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

Llama::Llama(Backend& backend, std::shared_ptr<GgufFile> file, const std::atomic<bool>* cancel)
    : backend_(backend),
      config_(read_config(*file)),
      weights_(load_weights(backend, std::move(file), config_, cancel)) {}

// Angles in double: position · base^(−2i / rotary) / rope_freqs[i] / linear scale. Grown by doubling.
void Llama::ensure_positions(int64_t count) {
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

BlockActivations Llama::allocate_block(Arena& arena, int64_t N, const LoraView* lora) const {
  const int64_t C = config_.width, F = config_.feed_forward;
  BlockActivations a;
  a.norm1 = arena.floats(N * C), a.rstd1 = arena.floats(N);
  a.q = arena.floats(N * config_.q_width());
  a.k = arena.floats(N * config_.kv_width()), a.v = arena.floats(N * config_.kv_width());
  a.o = arena.floats(N * config_.q_width()), a.lse = arena.floats(N * config_.heads);
  a.mid = arena.floats(N * C), a.norm2 = arena.floats(N * C), a.rstd2 = arena.floats(N);
  a.gate = arena.floats(N * F), a.up = arena.floats(N * F), a.hidden = arena.floats(N * F);
  if (lora) {
    for (float*& u : a.u) u = arena.floats(N * lora->rank);
  }
  return a;
}

void Llama::project(float* y, float* u, const float* x, int64_t layer, Projection p, int64_t N, const LoraView* lora) {
  const Weight& w = weights_.blocks[static_cast<size_t>(layer)].projections[static_cast<int>(p)];
  backend_.linear_forward(y, x, w, N);
  if (!lora) return;
  const LoraPair& pair = lora->layers[static_cast<size_t>(layer)][static_cast<size_t>(p)];
  if (pair.a) backend_.lora_forward(y, u, x, pair.a, pair.b, lora->scale, N, w.cols, w.rows, lora->rank);
}

void Llama::project_backward(float* dx, bool accumulate, float* du, const float* dy, const float* x, const float* u,
                             int64_t layer, Projection p, int64_t N, const LoraView& lora) {
  const Weight& w = weights_.blocks[static_cast<size_t>(layer)].projections[static_cast<int>(p)];
  if (dx) backend_.linear_backward(dx, dy, w, N, accumulate);
  const LoraPair& pair = lora.layers[static_cast<size_t>(layer)][static_cast<size_t>(p)];
  if (pair.a) {
    backend_.lora_backward(dx, pair.da, pair.db, du, dy, x, u, pair.a, pair.b, lora.scale, N, w.cols, w.rows,
                           lora.rank);
  }
}

void Llama::block_forward(float* out, BlockActivations& a, int64_t layer, const PackedTokens& batch,
                          const LoraView* lora) {
  const BlockWeights& block = weights_.blocks[static_cast<size_t>(layer)];
  const int64_t N = batch.packing.tokens, C = config_.width, D = config_.head_size;
  const auto apply = [&](float* y, const float* x, Projection p) {
    project(y, a.u[static_cast<int>(p)], x, layer, p, N, lora);
  };
  backend_.rmsnorm_forward(a.norm1, a.rstd1, a.x, block.attention_norm, config_.norm_epsilon, N);
  apply(a.q, a.norm1, Projection::Q);
  apply(a.k, a.norm1, Projection::K);
  apply(a.v, a.norm1, Projection::V);
  backend_.rope_forward(a.q, rope_.floats(), batch.packing, config_.heads, D, config_.rotary);
  backend_.rope_forward(a.k, rope_.floats(), batch.packing, config_.kv_heads, D, config_.rotary);
  backend_.attention_forward(a.o, a.lse, a.q, a.k, a.v, batch.packing, {config_.heads, config_.kv_heads, D});
  apply(a.mid, a.o, Projection::O);
  backend_.add(a.mid, a.x, N * C);

  backend_.rmsnorm_forward(a.norm2, a.rstd2, a.mid, block.feed_forward_norm, config_.norm_epsilon, N);
  apply(a.gate, a.norm2, Projection::Gate);
  apply(a.up, a.norm2, Projection::Up);
  backend_.swiglu_forward(a.hidden, a.gate, a.up, N * config_.feed_forward);
  apply(out, a.hidden, Projection::Down);
  backend_.add(out, a.mid, N * C);
}

const float* Llama::forward(Arena& arena, const PackedTokens& batch, const LoraView* lora,
                            std::vector<BlockActivations>* saved, const std::atomic<bool>* cancel) {
  const int64_t N = batch.packing.tokens, C = config_.width;
  ensure_positions(batch.packing.longest);
  float* x = arena.floats(N * C);
  backend_.embedding(x, weights_.embedding, batch.tokens, N);
  if (saved) {
    for (int64_t layer = 0; layer < config_.layers; ++layer) {
      check_cancel(cancel);
      BlockActivations& a = saved->emplace_back(allocate_block(arena, N, lora));
      a.x = x;
      x = arena.floats(N * C);
      block_forward(x, a, layer, batch, lora);
    }
    return x;
  }
  float* next = arena.floats(N * C);
  const Arena::Scope scope(arena);
  BlockActivations a = allocate_block(arena, N, lora);
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    check_cancel(cancel);
    a.x = x;
    block_forward(next, a, layer, batch, lora);
    std::swap(x, next);
  }
  return x;
}

void Llama::feed_forward_block_backward(Arena& arena, BlockActivations& a, int64_t layer, int64_t N,
                                        const LoraView& lora, float* dx) {
  const int64_t C = config_.width, F = config_.feed_forward;
  const Arena::Scope scope(arena);
  float* dhidden = arena.floats(N * F);     // (N, F)
  float* dnorm = arena.floats(N * C);       // (N, C)
  float* du = arena.floats(N * lora.rank);  // (N, R)
  const auto back = [&](float* to, bool accumulate, const float* dy, const float* x, Projection p) {
    project_backward(to, accumulate, du, dy, x, a.u[static_cast<int>(p)], layer, p, N, lora);
  };
  back(dhidden, false, dx, a.hidden, Projection::Down);
  backend_.swiglu_backward(a.gate, a.up, dhidden, a.gate, a.up, N * F);  // gate and up become their gradients
  back(dnorm, false, a.gate, a.norm2, Projection::Gate);
  back(dnorm, true, a.up, a.norm2, Projection::Up);
  const Weight& norm = weights_.blocks[static_cast<size_t>(layer)].feed_forward_norm;
  backend_.rmsnorm_backward(dx, dnorm, a.mid, a.rstd2, norm, N);
}

void Llama::attention_block_backward(Arena& arena, BlockActivations& a, int64_t layer, const PackedTokens& batch,
                                     const LoraView& lora, float* dx) {
  const int64_t N = batch.packing.tokens, C = config_.width, D = config_.head_size;
  const Arena::Scope scope(arena);
  float* dout = arena.floats(N * config_.q_width());  // (N, H D)
  float* dq = arena.floats(N * config_.q_width());    // (N, H D)
  float* dk = arena.floats(N * config_.kv_width());   // (N, K D)
  float* dv = arena.floats(N * config_.kv_width());   // (N, K D)
  float* du = arena.floats(N * lora.rank);            // (N, R)
  // Nothing below the first block is trained: its input needs no gradient.
  float* dnorm = layer > 0 ? arena.floats(N * C) : nullptr;  // (N, C)
  const auto back = [&](float* to, bool accumulate, const float* dy, const float* x, Projection p) {
    project_backward(to, accumulate, du, dy, x, a.u[static_cast<int>(p)], layer, p, N, lora);
  };
  back(dout, false, dx, a.o, Projection::O);
  backend_.attention_backward(dq, dk, dv, dout, a.q, a.k, a.v, a.o, a.lse, batch.packing,
                              {config_.heads, config_.kv_heads, D});
  backend_.rope_backward(dq, rope_.floats(), batch.packing, config_.heads, D, config_.rotary);
  backend_.rope_backward(dk, rope_.floats(), batch.packing, config_.kv_heads, D, config_.rotary);
  back(dnorm, false, dq, a.norm1, Projection::Q);
  back(dnorm, true, dk, a.norm1, Projection::K);
  back(dnorm, true, dv, a.norm1, Projection::V);
  const Weight& norm = weights_.blocks[static_cast<size_t>(layer)].attention_norm;
  if (dnorm) backend_.rmsnorm_backward(dx, dnorm, a.x, a.rstd1, norm, N);
}

void Llama::backward(Arena& arena, const PackedTokens& batch, const LoraView& lora,
                     std::vector<BlockActivations>& saved, float* dx, const std::atomic<bool>* cancel) {
  for (int64_t layer = config_.layers - 1; layer >= 0; --layer) {
    check_cancel(cancel);
    BlockActivations& a = saved[static_cast<size_t>(layer)];
    feed_forward_block_backward(arena, a, layer, batch.packing.tokens, lora, dx);
    attention_block_backward(arena, a, layer, batch, lora, dx);
  }
}

std::string Llama::first_not_finite(const std::vector<BlockActivations>& saved, const float* x, int64_t N) const {
  const auto bad = [&](const float* data, int64_t count) {
    return !std::isfinite(backend_.sum_of_squares(data, count));
  };
  const int64_t C = config_.width;
  for (size_t layer = 0; layer < saved.size(); ++layer) {
    const BlockActivations& a = saved[layer];
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    if (bad(a.x, N * C)) return layer ? "blk." + std::to_string(layer - 1) + ".ffn_down output" : "token_embd output";
    if (bad(a.q, N * config_.q_width())) return prefix + "attn_q output";
    if (bad(a.k, N * config_.kv_width())) return prefix + "attn_k output";
    if (bad(a.v, N * config_.kv_width())) return prefix + "attn_v output";
    if (bad(a.o, N * config_.q_width())) return prefix + "attention output";
    if (bad(a.mid, N * C)) return prefix + "attn_output output";
    if (bad(a.gate, N * config_.feed_forward)) return prefix + "ffn_gate output";
    if (bad(a.up, N * config_.feed_forward)) return prefix + "ffn_up output";
    if (bad(a.hidden, N * config_.feed_forward)) return prefix + "swiglu output";
  }
  if (bad(x, N * C)) return "blk." + std::to_string(config_.layers - 1) + ".ffn_down output";
  return "";
}

}  // namespace spark
