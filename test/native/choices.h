// Choices for batches of tests, and the same read without the engine's choices: by a sequence for each alternative.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "compare.h"
#include "directions.h"
#include "tiny_model.h"

namespace spark_test {

// Adds a choice among `sizes[g]` tokens at each of the positions.
inline void add_choices(OwnedBatch& b, const std::vector<int32_t>& positions, const std::vector<int>& sizes,
                        int64_t vocabulary, uint32_t seed = 1) {
  b.choice_positions = positions;
  b.choice_offsets = {0};
  b.choice_tokens.clear();
  std::mt19937 random(seed);
  std::vector<int32_t> all(static_cast<size_t>(vocabulary));
  std::iota(all.begin(), all.end(), 0);
  for (size_t g = 0; g < positions.size(); ++g) {
    std::shuffle(all.begin(), all.end(), random);
    b.choice_tokens.insert(b.choice_tokens.end(), all.begin(), all.begin() + sizes[g]);
    b.choice_offsets.push_back(static_cast<int32_t>(b.choice_tokens.size()));
  }
  b.choice_targets = spark::normal_values(seed, "targets", static_cast<int64_t>(b.choice_tokens.size()), 0.2);
  for (float& t : b.choice_targets) t = std::max(t, 0.0f);  // half of them 0
}

// A choice at every third token, the last of each sequence among them, between 2 and 12 alternatives.
inline void add_many_choices(OwnedBatch& b, int64_t vocabulary) {
  std::vector<int32_t> positions;
  std::vector<int> sizes;
  for (size_t s = 0; s + 1 < b.cu_seqlens.size(); ++s) {
    for (int32_t i = b.cu_seqlens[s + 1] - 1; i >= b.cu_seqlens[s]; i -= 3) positions.push_back(i);
  }
  std::sort(positions.begin(), positions.end());
  for (size_t g = 0; g < positions.size(); ++g) sizes.push_back(2 + static_cast<int>(g * 7 % 11));
  add_choices(b, positions, sizes, vocabulary);
}

inline void drop_choices(OwnedBatch& b) {
  b.choice_positions.clear(), b.choice_offsets.clear(), b.choice_tokens.clear(), b.choice_targets.clear();
}

// For every alternative a sequence of its own: what leads to the choice, and the alternative, which alone has a loss.
inline OwnedBatch one_sequence_each(const OwnedBatch& b) {
  OwnedBatch out;
  for (size_t g = 0; g < b.choice_positions.size(); ++g) {
    const int32_t position = b.choice_positions[g];
    const int32_t first = *(std::upper_bound(b.cu_seqlens.begin(), b.cu_seqlens.end(), position) - 1);
    for (auto j = static_cast<size_t>(b.choice_offsets[g]); j < static_cast<size_t>(b.choice_offsets[g + 1]); ++j) {
      out.tokens.insert(out.tokens.end(), b.tokens.begin() + first, b.tokens.begin() + position + 1);
      out.tokens.push_back(b.choice_tokens[j]);
      out.loss_mask.resize(out.tokens.size(), 0);
      out.loss_mask.back() = 1;
      out.cu_seqlens.push_back(static_cast<int32_t>(out.tokens.size()));
    }
  }
  return out;
}

// The log-probs (J) of the alternatives from those of these sequences: normalised over each choice.
inline std::vector<double> among_themselves(const OwnedBatch& b, const OwnedBatch& each, const std::vector<float>& lp) {
  std::vector<double> out;
  for (size_t i = 0; i < lp.size(); ++i) {
    if (each.loss_mask[i]) out.push_back(lp[i]);
  }
  for (size_t g = 0; g < b.choice_positions.size(); ++g) {
    const auto begin = out.begin() + b.choice_offsets[g], end = out.begin() + b.choice_offsets[g + 1];
    double sum = 0;
    for (auto x = begin; x != end; ++x) sum += std::exp(*x);
    for (auto x = begin; x != end; ++x) *x -= std::log(sum);
  }
  return out;
}

// The slopes of −Σ target · lp by the log-probs of these sequences, over the whole vocabulary: what they are normalised
// by there falls out, as the slopes of a choice add up to 0.
inline std::vector<float> slopes_of_each(const OwnedBatch& b, const OwnedBatch& each, const std::vector<double>& lp) {
  std::vector<float> own, slopes;
  for (size_t g = 0; g < b.choice_positions.size(); ++g) {
    const auto begin = static_cast<size_t>(b.choice_offsets[g]), end = static_cast<size_t>(b.choice_offsets[g + 1]);
    double total = 0;
    for (size_t j = begin; j < end; ++j) total += b.choice_targets[j];
    for (size_t j = begin; j < end; ++j) {
      own.push_back(static_cast<float>(std::exp(lp[j]) * total - static_cast<double>(b.choice_targets[j])));
    }
  }
  size_t j = 0;
  for (const uint8_t mask : each.loss_mask) slopes.push_back(mask ? own[j++] : 0.0f);
  return slopes;
}

inline std::vector<float> take_gradients(spark::Trainable& trainable) {
  std::vector<float> all;
  for (const spark::NamedTensor& tensor : trainable.tensors(true)) {
    all.insert(all.end(), tensor.data.begin(), tensor.data.end());
  }
  trainable.zero_grad();
  return all;
}

constexpr int64_t kChooserVocabulary = 50;  // of the tiny model
inline const std::vector<int> kChooserLengths = {17, 1, 9, 40};

// An adapter that is not zero, and a batch with choices and nothing else to learn from.
struct Chooser {
  std::shared_ptr<spark::Model> model;
  std::shared_ptr<spark::Adapter> adapter;
  OwnedBatch batch;

  explicit Chooser(std::shared_ptr<spark::Model> opened, const std::vector<int>& lengths = kChooserLengths)
      : model(std::move(opened)), adapter(model->create_adapter(small_lora())) {
    const int64_t V = model->info().vocabulary;
    batch = tiny_batch(lengths, V);
    stir(*adapter, batch);
    batch.loss_mask.assign(batch.loss_mask.size(), 0);
    add_many_choices(batch, V);
  }
  std::vector<float> logprobs(const OwnedBatch& b) const {
    return model->choice_logprobs(b.view(), adapter.get(), nullptr);
  }
  spark::AccumulateMetrics accumulate(const OwnedBatch& b, float slope = 0) const {
    return adapter->accumulate(b.view(), std::vector<float>(b.tokens.size(), slope), nullptr);
  }
  std::vector<float> gradients(const OwnedBatch& b) const {
    accumulate(b);
    return take_gradients(*adapter);
  }
  double loss(const std::vector<double>& lp) const {
    double loss = 0;
    for (size_t j = 0; j < lp.size(); ++j) loss -= static_cast<double>(batch.choice_targets[j]) * lp[j];
    return loss;
  }
};

}  // namespace spark_test
