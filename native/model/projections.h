// The seven frozen projections of a block: what each is called in every format, what it reads and what it makes.
// Weights, LoRA's parameters and both adapter formats follow this one table.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace spark {

// In the order adapters list them.
enum class Projection { Q, K, V, O, Gate, Up, Down };
constexpr int kProjections = 7;

// Projections that read the same input, and so may share one stacked LoRA A.
enum class ProjectionGroup { Qkv, O, GateUp, Down };

// How many values a token has where projections read and write.
struct BlockWidths {
  int64_t stream = 0;        // C, of the residual stream and its norms
  int64_t queries = 0;       // H D
  int64_t keys = 0;          // K D; values are as wide
  int64_t feed_forward = 0;  // F
};

struct ProjectionShape {
  int64_t out = 0, in = 0;
};

struct ProjectionEntry {
  const char* target;  // in our options and messages
  const char* tensor;  // in a block of a GGUF
  const char* module;  // in a layer of Hugging Face's models
  ProjectionGroup group;
  int64_t BlockWidths::* in;
  int64_t BlockWidths::* out;
  bool turns;  // rope turns what it makes, so its rows stand in the order of the file's rotary pairs

  constexpr ProjectionShape shape(const BlockWidths& widths) const { return {widths.*out, widths.*in}; }
  std::string weight(int64_t layer) const { return "blk." + std::to_string(layer) + "." + tensor + ".weight"; }
};

inline constexpr std::array<ProjectionEntry, kProjections> kProjectionTable = [] {
  using enum ProjectionGroup;
  constexpr auto C = &BlockWidths::stream, HD = &BlockWidths::queries, KD = &BlockWidths::keys,
                 F = &BlockWidths::feed_forward;
  return std::array<ProjectionEntry, kProjections>{{
      // clang-format off
      {"q",    "attn_q",      "self_attn.q_proj", Qkv,    C,  HD, true},
      {"k",    "attn_k",      "self_attn.k_proj", Qkv,    C,  KD, true},
      {"v",    "attn_v",      "self_attn.v_proj", Qkv,    C,  KD, false},
      {"o",    "attn_output", "self_attn.o_proj", O,      HD, C,  false},
      {"gate", "ffn_gate",    "mlp.gate_proj",    GateUp, C,  F,  false},
      {"up",   "ffn_up",      "mlp.up_proj",      GateUp, C,  F,  false},
      {"down", "ffn_down",    "mlp.down_proj",    Down,   F,  C,  false},
      // clang-format on
  }};
}();

// What else an adapter may be of: the embedding and the output projection, as GGUFs call them.
constexpr const char* kEmbeddingWeight = "token_embd.weight";
constexpr const char* kHeadWeight = "output.weight";

constexpr const ProjectionEntry& projection_entry(Projection p) { return kProjectionTable[static_cast<size_t>(p)]; }
constexpr const char* projection_target(Projection p) { return projection_entry(p).target; }
constexpr ProjectionGroup projection_group(Projection p) { return projection_entry(p).group; }

}  // namespace spark
