// What reads the trunk's residual stream: the final norm with the output projection (log-probs) or with the value head.
// Only rows that are asked for are normed and projected, and logits exist for one chunk of rows at a time: a gradient
// is written over them and turned into dx before the next chunk. (N, V) never exists.
#pragma once

#include <functional>

#include "model/llama.h"
#include "model/parameters.h"

namespace spark {

// Rows of x that predict, and what they predict: row r of x speaks of the token after it.
struct LossRows {
  int64_t count = 0;                 // M
  const int32_t* rows = nullptr;     // (M) distinct
  const int32_t* targets = nullptr;  // (M) token ids
};

// Writes dlp (count) for rows first … first + count of LossRows, given their lp. Called once a chunk, in order.
using LogprobGradient = std::function<void(float* dlp, const float* lp, int64_t first, int64_t count)>;

// lp (M) =. With `gradient`, also dx (N, C) += of the loss whose slopes it gives.
void output_logprobs(const Llama& model, Arena& arena, float* lp, const float* x, const LossRows& rows, float* dx,
                     const LogprobGradient& gradient, const std::atomic<bool>* cancel);

// Rows of x where a value is read.
struct ValueRows {
  int64_t count = 0;              // T
  const int32_t* rows = nullptr;  // (T) distinct
};

// Adds value_head.fc1.weight (E, C), .fc1.bias (E), .fc2.weight (1, E), .fc2.bias (1).
void add_value_head_parameters(ParameterLayout& layout, int64_t width, int64_t hidden);
// fc1 normal with deviation 1/√C, the rest zero: V starts as 0 everywhere.
void initialize_value_head(ParameterSet& parameters, uint64_t seed);

class ValueHead {
 public:
  // `first` is the index of fc1.weight; gradients go to the set's Pending buffer.
  ValueHead(const ParameterSet& parameters, int first, int64_t hidden);
  // What forward keeps for backward, in the arena.
  struct Saved {
    float *gathered = nullptr, *rstd = nullptr;  // (T, C), (T): rows of x, before the final norm
    float *normed = nullptr, *z = nullptr;       // (T, C), (T, E)
  };
  Saved forward(const Llama& model, Arena& arena, float* v, const float* x, const ValueRows& rows) const;  // v (T) =
  // dx (N, C) +=; dv (T)
  void backward(const Llama& model, Arena& arena, float* dx, const float* dv, const Saved& saved,
                const ValueRows& rows) const;

 private:
  ValueHeadParameters values_, gradients_;
  int64_t hidden_;
};

}  // namespace spark
