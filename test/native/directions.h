// A gradient against the slope of the loss it belongs to, through the engine alone; and trained parameters to begin
// with.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "compare.h"
#include "train/engine.h"

namespace spark_test {

inline spark::LoraOptions small_lora() {
  spark::LoraOptions options;
  options.rank = 3, options.alpha = 6, options.seed = 3;
  return options;
}

// An adapter whose B is not zero: two large steps from the start.
inline void stir(spark::Adapter& adapter, const OwnedBatch& batch) {
  spark::OptimizerOptions options;
  options.learning_rate = 0.05f;
  for (int i = 0; i < 2; ++i) {
    adapter.accumulate_sft(batch.view(), batch.loss_tokens(), nullptr);
    adapter.optimizer_step(options);
  }
}

inline double sum_of_squares(const std::vector<spark::NamedTensor>& tensors) {
  double sum = 0;
  for (const spark::NamedTensor& t : tensors)
    for (const float x : t.data) sum += static_cast<double>(x) * x;
  return sum;
}

// With AdamW's β = 0 and a huge ε, one step moves the weights by −(lr / ε) · gradient: a directional derivative without
// touching the parameters from outside. The loss must change by −(lr / ε) |gradient|² (central difference by ± lr; a
// negative rate is refused, so the way back is a reload).
inline void check_direction(spark::Trainable& trainable, const std::function<double()>& accumulate,
                            const std::string& state) {
  trainable.zero_grad();
  trainable.save_state(state);
  accumulate();
  const auto gradient = trainable.tensors(true);
  const double squared = sum_of_squares(gradient);
  REQUIRE(squared > 0);
  trainable.zero_grad();
  const double length = 2e-3 / std::sqrt(squared);
  const auto loss_after = [&](double times) {
    trainable.load_state(state);
    spark::OptimizerOptions options;
    options.beta1 = 0, options.beta2 = 0, options.epsilon = 1e6f, options.max_grad_norm = 0;
    options.learning_rate = static_cast<float>(1e6 * length * times);
    accumulate();
    trainable.optimizer_step(options);
    const double loss = accumulate();
    trainable.zero_grad();
    return loss;
  };
  // Richardson: the slope at 0 from two one-sided differences.
  const double start = loss_after(0), once = loss_after(1), twice = loss_after(2);
  const double slope = (4 * once - twice - 3 * start) / 2;
  CHECK(std::abs(slope / (-length * squared) - 1) < 5e-3);  // a ratio: Approx would add an absolute 5e-3
  trainable.load_state(state);
}

}  // namespace spark_test
