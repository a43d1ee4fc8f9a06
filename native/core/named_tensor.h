// A tensor on its way in or out of the engine: a name, a shape, fp32 values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace spark {

struct NamedTensor {
  std::string name;            // blk.0.attn_q.weight.lora_a, value_head.fc1.weight, …
  std::vector<int64_t> shape;  // row-major, outermost first
  std::vector<float> data;
};

}  // namespace spark
