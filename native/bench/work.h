// The data of a benchmark: packed sequences for SFT, five-step trajectories for PPO. It depends on the flags and the
// seed alone. `export_work` writes it, with the starting adapters, for bench/peers, so that the peers do the same work
// and arrive at the same losses.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/safetensors.h"
#include "model/adapter_io.h"
#include "train/engine.h"

namespace spark::bench {

struct Step {
  int32_t sequence;    // trajectory
  int32_t begin, end;  // its action tokens, packed positions
  int32_t value_at;    // packed position of the last token of its state
  float reward;        // R_t
};

struct Work {
  std::vector<int32_t> tokens;     // (N)
  std::vector<int32_t> cu{0};      // (B + 1)
  std::vector<uint8_t> loss_mask;  // (N)
  std::vector<Step> steps;         // (T), PPO only
  // Where values are read and what they should be, (T): the critic alone; PPO's are in its batches.
  std::vector<int32_t> value_positions;
  std::vector<float> returns;
  int64_t common = 0;  // tokens that all sequences begin with, and go on after
  int64_t count() const { return static_cast<int64_t>(tokens.size()); }
  // Tokens that a pass computes, where what sequences begin with alike is computed once in units of so many tokens.
  int64_t computed(int64_t prefix_unit) const {
    return count() - (prefix_unit > 0 ? (sequences() - 1) * (common / prefix_unit * prefix_unit) : 0);
  }
  int64_t sequences() const { return static_cast<int64_t>(cu.size()) - 1; }
  int64_t loss_tokens() const {
    int64_t all = 0;
    for (const uint8_t mask : loss_mask) all += mask;
    return all;
  }
  int64_t longest() const {
    int32_t most = 0;
    for (size_t s = 1; s < cu.size(); ++s) most = std::max(most, cu[s] - cu[s - 1]);
    return most;
  }
  // Pairs of tokens that causal attention meets, Σ n² / 2.
  double attention_pairs() const {
    double all = 0;
    for (size_t s = 1; s < cu.size(); ++s) {
      const double n = cu[s] - cu[s - 1];
      all += n * n / 2;
    }
    return all;
  }
  // Tokens that step-by-step training computes: every step is a sequence of its own, its state before its action.
  int64_t stepwise_tokens() const {
    int64_t all = 0;
    for (const Step& step : steps) all += step.end - cu[static_cast<size_t>(step.sequence)];
    return all;
  }
};

// Draws that are the same in every standard library (the standard's distributions are not).
class Draw {
 public:
  explicit Draw(uint64_t seed) : engine_(seed) {}
  int32_t between(int64_t low, int64_t high) {  // both included
    return static_cast<int32_t>(low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1)));
  }

 private:
  std::mt19937_64 engine_;
};

// What sequences begin with.
struct Beginning {
  int64_t common = 0;  // tokens, the same in all of them, without a loss
  bool apart = false;  // but for the very first, which is each one's own, so that nothing can be shared
};

// Sequences of `length` tokens, the last one shorter when N is no multiple. The second half of what comes behind their
// beginning carries the loss, or all of it but a first token.
inline Work sft_work(int64_t N, int64_t length, int64_t vocabulary, uint64_t seed, bool all_lose,
                     const Beginning& beginning = {}) {
  Work work;
  Draw draw(seed);
  for (int64_t begin = 0; begin < N; begin += length) {
    const int64_t n = std::min(length, N - begin), common = std::min(beginning.common, n);
    for (int64_t i = 0; i < n; ++i) {
      const bool again = i < common && begin > 0;
      work.tokens.push_back(again ? work.tokens[static_cast<size_t>(i)] : draw.between(0, vocabulary - 1));
      work.loss_mask.push_back(i > common && (all_lose || i >= common + (n - common) / 2));
    }
    work.common = std::min(begin == 0 ? common : work.common, beginning.apart ? 0 : n - 1);
    if (beginning.apart) work.tokens[static_cast<size_t>(begin)] = static_cast<int32_t>(begin / length % vocabulary);
    work.cu.push_back(static_cast<int32_t>(begin + n));
  }
  return work;
}

// The sequences of sft_work with a value read every `every` tokens of each.
inline Work critic_work(int64_t N, int64_t length, int64_t every, int64_t vocabulary, uint64_t seed) {
  Work work = sft_work(N, length, vocabulary, seed, true);
  Draw draw(seed + 1);
  for (size_t s = 1; s < work.cu.size(); ++s) {
    for (int64_t at = work.cu[s - 1]; at < work.cu[s]; at += every) {
      work.value_positions.push_back(static_cast<int32_t>(at));
      work.returns.push_back(static_cast<float>(draw.between(0, 32)) / 8.0f - 1.0f);
    }
  }
  return work;
}

// A prompt of about 200 tokens, then five steps of 60 to 80 tokens the model wrote; after each but the last an
// observation of 30 to 40.
inline Work ppo_work(int64_t trajectories, int64_t vocabulary, uint64_t seed) {
  constexpr int kSteps = 5;
  Work work;
  Draw draw(seed);
  const auto append = [&](int32_t count, uint8_t mask) {
    for (int32_t i = 0; i < count; ++i) {
      work.tokens.push_back(draw.between(0, vocabulary - 1));
      work.loss_mask.push_back(mask);
    }
  };
  for (int32_t sequence = 0; sequence < trajectories; ++sequence) {
    append(draw.between(160, 240), 0);
    for (int t = 0; t < kSteps; ++t) {
      const int32_t begin = static_cast<int32_t>(work.count());
      append(draw.between(60, 80), 1);
      work.steps.push_back({sequence, begin, static_cast<int32_t>(work.count()), begin - 1,
                            static_cast<float>(draw.between(0, 32)) / 8.0f - 1.0f});
      if (t + 1 < kSteps) append(draw.between(30, 40), 0);
    }
    work.cu.push_back(static_cast<int32_t>(work.count()));
  }
  return work;
}

// The same trajectories as step-by-step training computes them: every step a sequence of its own, which has all that
// came before it and a loss on its own action alone.
inline Work stepwise(const Work& nested) {
  Work work;
  for (const Step& step : nested.steps) {
    const int32_t from = nested.cu[static_cast<size_t>(step.sequence)], moved = work.cu.back() - from;
    work.tokens.insert(work.tokens.end(), nested.tokens.begin() + from, nested.tokens.begin() + step.end);
    work.loss_mask.resize(static_cast<size_t>(step.begin + moved), 0);
    work.loss_mask.resize(work.tokens.size(), 1);
    work.steps.push_back({static_cast<int32_t>(work.sequences()), step.begin + moved, step.end + moved,
                          step.value_at + moved, step.reward});
    work.cu.push_back(static_cast<int32_t>(work.count()));
  }
  return work;
}

// What both sides must agree on beside the data.
struct Recipe {
  std::string mode;  // sft | ppo
  int rank = 8;
  float alpha = 16, learning_rate = 1e-3f, clip = 0.2f, kl_coefficient = 0.1f, max_grad_norm = 1.0f;
  int64_t batch_trajectories = 4;  // per optimizer step and per packed call
  bool one_trunk = false;          // PPO: the critic reads the actor's trunk, one pass for both
};

inline nlohmann::json work_json(const Work& work, const Recipe& recipe) {
  nlohmann::json steps = nlohmann::json::array();
  for (const Step& step : work.steps) {
    steps.push_back({{"sequence", step.sequence},
                     {"begin", step.begin},
                     {"end", step.end},
                     {"value_at", step.value_at},
                     {"reward", step.reward}});
  }
  return {{"mode", recipe.mode},
          {"rank", recipe.rank},
          {"alpha", recipe.alpha},
          {"learning_rate", recipe.learning_rate},
          {"clip", recipe.clip},
          {"kl_coefficient", recipe.kl_coefficient},
          {"max_grad_norm", recipe.max_grad_norm},
          {"batch_trajectories", recipe.batch_trajectories},
          {"tokens", work.tokens},
          {"cu_seqlens", work.cu},
          {"loss_mask", work.loss_mask},
          {"steps", steps}};
}

// work.json, actor/ and critic/ (PEFT folders) and value_head.safetensors into `folder`, which is created. `critic` may
// be null.
inline void export_work(const std::string& folder, const Work& work, const Recipe& recipe, const ModelInfo& info,
                        Adapter& actor, Critic* critic) {
  std::filesystem::create_directories(folder);
  std::filesystem::remove_all(folder + "/actor");
  actor.save_peft(folder + "/actor");
  if (critic) {
    std::filesystem::remove_all(folder + "/critic");
    LoraTensors lora;
    lora.rank = recipe.rank;
    lora.alpha = recipe.alpha;
    const std::vector<NamedTensor> all = critic->tensors(false);
    SafetensorsWriter head;
    for (const NamedTensor& tensor : all) {
      if (tensor.name.starts_with("value_head.")) {
        head.tensors.push_back({tensor.name, tensor.shape, tensor.data});
      } else {
        lora.tensors.push_back(tensor);
      }
    }
    save_peft(folder + "/critic", lora,
              {.layers = info.layers,
               .width = info.width,
               .heads = info.heads,
               .kv_heads = info.kv_heads,
               .head_size = info.head_size,
               .feed_forward = info.feed_forward,
               .architecture = info.architecture,
               .base_name = ""});
    head.write(folder + "/value_head.safetensors", true);
  }
  std::ofstream out(folder + "/work.json");
  if (!(out << work_json(work, recipe) << std::flush)) throw Error("io_error", folder + "/work.json: cannot write");
}

}  // namespace spark::bench
