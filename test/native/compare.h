// Comparing vectors, and the packed batches that engine tests share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "train/engine.h"

namespace spark_test {

// Largest difference, relative to the largest value expected. NaN counts as infinitely far.
template <class A, class B>
double distance(const A& got, const B& expected) {
  if (std::size(got) != std::size(expected)) return 1e30;
  double largest = 1e-30, difference = 0;
  for (size_t i = 0; i < std::size(got); ++i) {
    const double d = std::abs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
    if (!std::isfinite(d)) return 1e30;
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    difference = std::max(difference, d);
  }
  return difference / largest;
}

// Owns what a spark::Batch views.
struct OwnedBatch {
  std::vector<int32_t> tokens, cu_seqlens{0};
  std::vector<uint8_t> loss_mask;
  std::vector<float> old_logprobs, ref_logprobs, advantages;
  std::vector<int32_t> step_ids, value_positions;
  std::vector<float> returns;
  std::vector<int32_t> choice_positions, choice_offsets, choice_tokens;
  std::vector<float> choice_targets;

  spark::Batch view() const {
    return {tokens,          cu_seqlens, loss_mask,        old_logprobs,   ref_logprobs,  advantages,    step_ids,
            value_positions, returns,    choice_positions, choice_offsets, choice_tokens, choice_targets};
  }
  double loss_tokens() const { return static_cast<double>(std::count(loss_mask.begin(), loss_mask.end(), 1)); }
};

}  // namespace spark_test
