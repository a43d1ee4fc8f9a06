// The named model shapes that benchmarks use. All have a tied output head.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/error.h"

namespace spark::bench {

struct Shape {
  const char* name;
  int64_t C, L, H, K, D, F, V;
  int64_t context;
  float rope_base;
};

inline constexpr std::array<Shape, 5> kShapes = {{
    {"tiny", 64, 2, 4, 2, 16, 160, 512, 2048, 10000.0f},              // seconds even with torch.compile
    {"30m", 512, 8, 8, 4, 64, 1536, 8192, 4096, 10000.0f},            //
    {"160m", 1024, 12, 16, 8, 64, 2816, 16384, 4096, 10000.0f},       //
    {"1b-layer", 2048, 1, 32, 8, 64, 8192, 128256, 8192, 500000.0f},  // one block at the width of Llama-3.2-1B
    {"8b", 4096, 32, 32, 8, 128, 14336, 128256, 131072, 500000.0f},   // Llama-3.1-8B, 15 GB in bf16
}};

inline const Shape& find_shape(const std::string& name) {
  std::string all;
  for (const Shape& shape : kShapes) {
    if (name == shape.name) return shape;
    all += std::string(" ") + shape.name;
  }
  throw Error("usage", "shape: expected one of" + all + ", got " + name);
}

}  // namespace spark::bench
