// How fast the engine trains: a LoRA SFT step, or a PPO iteration over five-step trajectories, on a GGUF model. One
// JSON document on stdout.
//   bench_train MODEL.gguf [sft|ppo] [--tokens 2048] [--length 256] [--trajectories 8] [--threads 0]
//               [--backend cpu|cuda] [--compute auto|f32|bf16] [--recompute auto|none|cheap|block] [--rank 8]
//               [--loss half|all] [--repeats 5] [--warmup 2] [--seed 1] [--export FOLDER] [--turns]
//
// sft: forward, backward, AdamW on --tokens packed tokens in sequences of --length, the second half of each with loss,
// or
//      all of it.
// ppo: old log-probs, reference log-probs (no adapter) and values of --trajectories, then one epoch of actor and critic
//      updates, four trajectories per update. src/train/ppo.ts in miniature; the data is that of work.h.
// --export writes the data and the starting adapters for bench/peers.
// --turns lets another program take turns with this one: a JSON line when warm, then for each line `run N` on stdin one
//      JSON line with the N repeats, at the end of stdin the document on one line.
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "flags.h"
#include "measure.h"
#include "onednn_time.h"
#include "products.h"
#include "train/engine.h"
#include "work.h"

using namespace spark;
using namespace spark::bench;
using nlohmann::json;

namespace {

// One repeat, and the losses it saw: {sft} or {policy, value}.
using Repeat = std::function<json()>;

Batch view(const Work& work) {
  Batch batch;
  batch.tokens = work.tokens, batch.cu_seqlens = work.cu, batch.loss_mask = work.loss_mask;
  return batch;
}

Repeat sft_repeat(const Work& work, const Recipe& recipe, std::shared_ptr<Adapter> adapter) {
  return [&work, &recipe, adapter] {
    const SftMetrics metrics = adapter->accumulate_sft(view(work), static_cast<double>(work.loss_tokens()), nullptr);
    adapter->optimizer_step({.learning_rate = recipe.learning_rate, .max_grad_norm = recipe.max_grad_norm});
    return json{{"sft", metrics.loss_sum / static_cast<double>(metrics.tokens)}};
  };
}

// The packed batch of one optimizer step of PPO, and what an iteration holds on to.
struct PpoBatch {
  Work work;
  std::vector<float> old_logprobs, reference, advantages;  // (N)
  std::vector<int32_t> value_positions;                    // (T)
  std::vector<float> rewards;                              // (T)

  Batch fields() const {
    Batch batch = view(work);
    batch.old_logprobs = old_logprobs, batch.ref_logprobs = reference, batch.advantages = advantages;
    batch.value_positions = value_positions, batch.returns = rewards;
    return batch;
  }
};

std::vector<PpoBatch> split(const Work& work, int64_t trajectories) {
  std::vector<PpoBatch> batches;
  for (int64_t first = 0; first < work.sequences(); first += trajectories) {
    const int64_t last = std::min(first + trajectories, work.sequences());
    const int32_t begin = work.cu[static_cast<size_t>(first)], end = work.cu[static_cast<size_t>(last)];
    PpoBatch batch;
    batch.work.tokens.assign(work.tokens.begin() + begin, work.tokens.begin() + end);
    batch.work.loss_mask.assign(work.loss_mask.begin() + begin, work.loss_mask.begin() + end);
    for (int64_t s = first + 1; s <= last; ++s) batch.work.cu.push_back(work.cu[static_cast<size_t>(s)] - begin);
    for (const Step& step : work.steps) {
      if (step.sequence < first || step.sequence >= last) continue;
      batch.work.steps.push_back({static_cast<int32_t>(step.sequence - first), step.begin - begin, step.end - begin,
                                  step.value_at - begin, step.reward});
      batch.value_positions.push_back(step.value_at - begin);
      batch.rewards.push_back(step.reward);
    }
    batch.advantages.assign(batch.work.tokens.size(), 0.0f);
    batches.push_back(std::move(batch));
  }
  return batches;
}

Repeat ppo_repeat(std::vector<PpoBatch>& batches, const Recipe& recipe, std::shared_ptr<Model> model,
                  std::shared_ptr<Adapter> actor, std::shared_ptr<Critic> critic) {
  return [&batches, &recipe, model, actor, critic] {
    for (PpoBatch& batch : batches) {
      const Batch fields = batch.fields();
      batch.old_logprobs = model->logprobs(fields, actor.get(), nullptr);
      batch.reference = model->logprobs(fields, nullptr, nullptr);
      const std::vector<float> values = critic->values(fields, nullptr);
      for (size_t t = 0; t < values.size(); ++t) {
        const Step& step = batch.work.steps[t];
        std::fill(batch.advantages.begin() + step.begin, batch.advantages.begin() + step.end, step.reward - values[t]);
      }
    }
    double policy = 0, value = 0;
    const OptimizerOptions options{.learning_rate = recipe.learning_rate, .max_grad_norm = recipe.max_grad_norm};
    for (const PpoBatch& batch : batches) {
      const double tokens = static_cast<double>(batch.work.loss_tokens()),
                   steps = static_cast<double>(batch.rewards.size());
      const PolicyMetrics p = actor->accumulate_policy(
          batch.fields(), {.normalizer = tokens, .clip = recipe.clip, .kl_coefficient = recipe.kl_coefficient},
          nullptr);
      const ValueMetrics v = critic->accumulate_value(batch.fields(), steps, nullptr);
      actor->optimizer_step(options);
      critic->optimizer_step(options);
      policy += (p.clip_loss_sum + recipe.kl_coefficient * p.kl_loss_sum) / tokens;
      value += v.loss_sum / steps;
    }
    const double count = static_cast<double>(batches.size());
    return json{{"policy", policy / count}, {"value", value / count}};
  };
}

// Repeats with their times, losses and peak memory.
class Runner {
 public:
  explicit Runner(Repeat repeat) : repeat_(std::move(repeat)), before_(PeakMemory::resident()) {}
  void warm(int64_t count) {
    for (int64_t i = 0; i < count; ++i) losses_.push_back(repeat_());
  }
  json run(int64_t count) {
    peak_.restart();
    json turn = {{"ms", json::array()}};
    for (int64_t i = 0; i < count; ++i) {
      const double start = now();
      losses_.push_back(repeat_());
      ms_.push_back((now() - start) * 1e3);
      turn["ms"].push_back(ms_.back());
    }
    highest_ = std::max(highest_, peak_.bytes());
    turn["peak_bytes"] = highest_;
    return turn;
  }
  const Repeat& repeat() const { return repeat_; }
  json document(double tokens) const {
    if (ms_.empty()) throw Error("usage", "nothing was measured: expected at least one repeat");
    const double middle = median(ms_), least = *std::min_element(ms_.begin(), ms_.end());
    return {{"tokens", tokens},
            {"repeats", ms_.size()},
            {"ms_median", middle},
            {"ms_min", least},
            {"ms", ms_},
            {"tokens_per_second", tokens / middle * 1e3},
            {"tokens_per_second_best", tokens / least * 1e3},
            {"peak_bytes", highest_},
            {"peak_how", peak_.how()},
            {"resident_before_bytes", before_},
            {"losses", losses_}};
  }

 private:
  Repeat repeat_;
  PeakMemory peak_;
  std::vector<double> ms_;
  std::vector<json> losses_;
  double highest_ = 0, before_;
};

// Product FLOP of one repeat, and what share of it the products take: by the machine's rate, and inside oneDNN (one
// more repeat).
json product_share(const Runner& runner, const ModelInfo& info, const Work& work, bool ppo, bool bf16,
                   double step_seconds) {
  const double N = static_cast<double>(work.count()), M = static_cast<double>(work.loss_tokens());
  // PPO: log-probs twice and values once, forward only; then actor and critic, forward and backward.
  const double flop = ppo ? 2 * product_flop(info, N, M, false) + product_flop(info, N, 0, false) +
                                product_flop(info, N, M, true) + product_flop(info, N, 0, true)
                          : product_flop(info, N, M, true);
  const double rate = sgemm_rate(1024, 1024, 1024), fast = bf16_rate(1024, 1024, 1024);
  onednn_time = {};
  const double start = now();
  runner.repeat()();
  const double step = now() - start;
  return {{"flop", flop},
          {"sgemm_1024_flops", rate},
          {"bf16_1024_flops", fast},
          {"flops", flop / step_seconds},
          {"share_of_rate", flop / step_seconds / (bf16 && fast > 0 ? fast : rate)},
          {"onednn_calls", onednn_time.calls},
          {"share_inside_onednn", onednn_time.seconds / step}};
}

json describe(const ModelInfo& info) {
  return {{"name", std::filesystem::path(info.path).filename().string()},
          {"parameters", info.parameters},
          {"C", info.width},
          {"L", info.layers},
          {"H", info.heads},
          {"K", info.kv_heads},
          {"D", info.head_size},
          {"F", info.feed_forward},
          {"V", info.vocabulary},
          {"tensor_types", info.tensor_types},
          {"compute", info.compute},
          {"recompute", info.recompute},
          {"threads", info.threads}};
}

// What the engine says beforehand that the pass holds, to stand beside what it held. The rest of the process is not in
// it.
json planned(Adapter& adapter, const Work& work) {
  int64_t longest = 0;
  for (size_t s = 1; s < work.cu.size(); ++s) longest = std::max<int64_t>(longest, work.cu[s] - work.cu[s - 1]);
  const MemoryPlan plan = adapter.plan({.tokens = work.count(),
                                        .sequences = work.sequences(),
                                        .longest = longest,
                                        .loss_tokens = work.loss_tokens(),
                                        .values = 0});
  return {{"recompute", plan.recompute}, {"total_bytes", plan.total}, {"activation_bytes", plan.activations}};
}

void take_turns(Runner& runner, const json& ready) {
  std::cout << ready.dump() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.starts_with("run ")) throw Error("usage", "a turn: expected `run N`, got " + line);
    std::cout << runner.run(std::max(1L, std::strtol(line.c_str() + 4, nullptr, 10))).dump() << std::endl;
  }
}

int run(const Flags& flags) {
  const std::vector<std::string>& words = flags.words();
  const std::string mode = words.size() > 1 ? words[1] : "sft";
  if (words.empty() || words.size() > 2 || (mode != "sft" && mode != "ppo"))
    throw Error("usage",
                "usage: bench_train MODEL.gguf [sft|ppo] [flags]; the head of native/bench/train.cpp has them");
  const bool ppo = mode == "ppo";
  ModelOptions options;
  options.path = words[0], options.threads = static_cast<int>(flags.number("threads", 0));
  options.backend = flags.text("backend"), options.compute = flags.text("compute"),
  options.recompute = flags.text("recompute");
  const auto model = Model::open(options);
  const ModelInfo& info = model->info();
  const std::string& loss = flags.text("loss");
  if (loss != "half" && loss != "all") throw Error("usage", "--loss: expected half or all, got " + loss);
  const Recipe recipe{.mode = mode, .rank = static_cast<int>(flags.number("rank", 1))};
  const uint64_t seed = static_cast<uint64_t>(flags.number("seed", 0));
  const Work work =
      ppo ? ppo_work(flags.number("trajectories", 1), info.vocabulary, seed)
          : sft_work(flags.number("tokens", 2), flags.number("length", 2), info.vocabulary, seed, loss == "all");
  const LoraOptions lora{.rank = recipe.rank, .alpha = recipe.alpha, .seed = seed};
  const auto actor = model->create_adapter(lora);
  CriticOptions critic_options;
  critic_options.rank = recipe.rank, critic_options.alpha = recipe.alpha, critic_options.seed = seed + 1;
  const auto critic = ppo ? model->create_critic(critic_options) : nullptr;
  if (!flags.text("export").empty()) export_work(flags.text("export"), work, recipe, info, *actor, critic.get());

  std::vector<PpoBatch> batches = ppo ? split(work, recipe.batch_trajectories) : std::vector<PpoBatch>();
  Runner runner(ppo ? ppo_repeat(batches, recipe, model, actor, critic) : sft_repeat(work, recipe, actor));
  runner.warm(flags.number("warmup", 0));
  const bool turns = flags.on("turns");
  if (turns) {
    take_turns(runner, {{"ready", true}});
  } else {
    runner.run(flags.number("repeats", 1));
  }
  json document = runner.document(static_cast<double>(work.count()));
  document["mode"] = mode;
  document["model"] = describe(info);
  if (!ppo) document["planned"] = planned(*actor, work);
  document["sequences"] = work.sequences();
  document["loss_tokens"] = work.loss_tokens();
  if (ppo) document["stepwise_tokens"] = work.stepwise_tokens();
  document["products"] =
      product_share(runner, info, work, ppo, info.compute == "bf16", document["ms_median"].get<double>() * 1e-3);
  std::cout << document.dump(turns ? -1 : 2) << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(Flags(argc, argv,
                     {{"tokens", "2048"},
                      {"length", "256"},
                      {"trajectories", "8"},
                      {"threads", "0"},
                      {"rank", "8"},
                      {"loss", "half"},
                      {"backend", "cpu"},
                      {"compute", "auto"},
                      {"recompute", "auto"},
                      {"repeats", "5"},
                      {"warmup", "2"},
                      {"seed", "1"},
                      {"export", ""},
                      {"turns", "false"}}));
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", e.code().c_str(), e.what());
    return e.code() == "usage" ? 2 : 1;
  }
}
