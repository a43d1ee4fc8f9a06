// What an adapter adds to one weight: alpha / rank · B A.
#pragma once

#include <string>

namespace spark {

struct LoraWeight {
  std::string name;  // of the weight in its GGUF: blk.0.attn_q.weight
  int rank = 0;
  float alpha = 0;
  float scale() const { return alpha / static_cast<float>(rank); }
  bool operator==(const LoraWeight&) const = default;
};

}  // namespace spark
