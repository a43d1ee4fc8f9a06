// The named model shapes that benchmarks use, and the tensors a model of such a shape has.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "model/projections.h"

namespace spark::bench {

struct Shape {
  const char* name;
  int64_t C, L, H, K, D, F, V;
  int64_t context;
  float rope_base;
  bool tied;  // the output head is the embedding
};

inline constexpr std::array<Shape, 5> kShapes = {{
    {"tiny", 64, 2, 4, 2, 16, 160, 512, 2048, 10000.0f, true},              // seconds even with torch.compile
    {"30m", 512, 8, 8, 4, 64, 1536, 8192, 4096, 10000.0f, true},            //
    {"160m", 1024, 12, 16, 8, 64, 2816, 16384, 4096, 10000.0f, true},       //
    {"1b-layer", 2048, 1, 32, 8, 64, 8192, 128256, 8192, 500000.0f, true},  // one block of Llama-3.2-1B's width
    {"8b", 4096, 32, 32, 8, 128, 14336, 128256, 131072, 500000.0f, false},  // Llama-3.1-8B, 16 GB in bf16
}};

inline const Shape& find_shape(const std::string& name) {
  std::string all;
  for (const Shape& shape : kShapes) {
    if (name == shape.name) return shape;
    all += std::string(" ") + shape.name;
  }
  throw Error("usage", "shape: expected one of" + all + ", got " + name);
}

struct ShapeTensor {
  std::string name;
  int64_t rows, cols;  // rows 0: a vector of norms, always F32
};

inline std::vector<ShapeTensor> tensors_of(const Shape& s) {
  std::vector<ShapeTensor> all = {{"token_embd.weight", s.V, s.C}, {"output_norm.weight", 0, s.C}};
  if (!s.tied) all.push_back({"output.weight", s.V, s.C});
  for (int64_t layer = 0; layer < s.L; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    all.push_back({block + "attn_norm.weight", 0, s.C});
    for (const ProjectionEntry& p : kProjectionTable) {
      const ProjectionShape shape = p.shape({s.C, s.H * s.D, s.K * s.D, s.F});
      all.push_back({p.weight(layer), shape.out, shape.in});
      if (p.group == ProjectionGroup::O) all.push_back({block + "ffn_norm.weight", 0, s.C});
    }
  }
  return all;
}

}  // namespace spark::bench
