// What reads the rows that the trunk returns: the final norm with the output projection (log-probs), with a few rows of
// it (choices) or with the value head. Logits exist for one chunk of rows at a time: a gradient is written over them
// and turned into dx before the next chunk. (N, V) never exists.
#pragma once

#include <functional>
#include <span>

#include "model/llama.h"
#include "model/parameters.h"

namespace spark {

// What rows of the trunk predict: the tokens after them.
struct LossRows {
  int64_t count = 0;                 // M
  const int32_t* targets = nullptr;  // (M) token ids
};

// dlp (count) of rows first … first + count of LossRows, given their lp: computed into `scratch` (count), or where it
// lies already. Called once a chunk, in order.
using LogprobGradient = std::function<const float*(float* scratch, const float* lp, int64_t first, int64_t count)>;

// lp (M) = from x (M, C), the rows of `rows` in order. With `gradient`, also dx (M, C) += of the loss whose slopes it
// gives. `lora` may be null; its head, where it has one, joins the output projection, and with `gradient` its da and db
// are added to.
void output_logprobs(const Llama& model, Arena& arena, float* lp, const Activation* x, const LossRows& rows,
                     const LoraView* lora, Activation* dx, const LogprobGradient& gradient,
                     const std::atomic<bool>* cancel);

// Choices among a few tokens each, in all J of them, at rows of the trunk.
struct ChoiceRows {
  std::span<const int32_t> offsets;    // (G + 1) on the host, from 0 to J
  const int32_t* on_device = nullptr;  // (G + 1) the same on the backend
  const int32_t* tokens = nullptr;     // (J) the alternatives
  std::span<const int32_t> tokens_on_host;
  const float* targets = nullptr;  // (J) the weight of each in the loss; null: no loss
  int64_t count() const { return offsets.empty() ? 0 : static_cast<int64_t>(offsets.size()) - 1; }
};

// lp (J) = log-softmax among the alternatives of each choice, from x (G, C), the rows of the choices in order. With
// targets, also dx (G, C) += of −Σ target · lp. Only the alternatives' rows of the output projection are unpacked, for
// some choices at a time. Where `lora`, which may be null, has a head, all of its rows are computed instead, once for
// each alternative of the largest choice: slower, and as exact.
void output_choices(const Llama& model, Arena& arena, float* lp, const Activation* x, const ChoiceRows& choices,
                    const LoraView* lora, Activation* dx, const std::atomic<bool>* cancel);

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
    const Activation* x = nullptr;  // (T, C): rows of the trunk, before the final norm
    float* rstd = nullptr;          // (T)
    Activation* normed = nullptr;   // (T, C)
    float* z = nullptr;             // (T, E)
  };
  // v (T) = from x (T, C), the rows where a value is read
  Saved forward(const Llama& model, Arena& arena, float* v, const Activation* x, int64_t T) const;
  // dx (T, C) +=; dv (T)
  void backward(const Llama& model, Arena& arena, Activation* dx, const float* dv, const Saved& saved, int64_t T) const;

 private:
  ValueHeadParameters values_, gradients_;
  int64_t hidden_;
};

}  // namespace spark
