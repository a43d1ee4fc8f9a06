// How fast the engine trains: a LoRA SFT step, a critic step, or a PPO iteration over five-step trajectories, on a GGUF
// model or on random weights of a named shape made in memory. One JSON document on stdout. `--help` has the flags.
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "factory.h"
#include "flags.h"
#include "onednn_time.h"
#include "products.h"
#include "random_gguf.h"
#include "repeats.h"
#include "runner.h"
#include "train/model.h"
#include "work.h"

using namespace spark;
using namespace spark::bench;
using nlohmann::json;

namespace {

constexpr const char* kAbout =
    R"(How fast the engine trains: bench_train MODEL.gguf [sft|critic|ppo], or bench_train --shape SHAPE [sft|critic|ppo]

sft     forward, backward, AdamW on --tokens packed tokens in sequences of --length, which begin with the same --common
        tokens; the second half of the rest of each has a loss, or all of it
critic  the same with LoRA and the MLP value head, a value every --values tokens of each sequence
ppo     old log-probs, reference log-probs (no adapter) and values of --trajectories, then one epoch of actor and critic
        updates, --batch trajectories per update. src/train/ppo.ts in miniature; parts.buffers and parts.epoch have each
        half's time, tokens are those of the trajectories, each once

peak_bytes is that of the process, or with a device what was taken of its memory since before the model was loaded.)";

struct Options {
  std::vector<std::string> words;  // MODEL.gguf, unless there is a shape, and sft, critic or ppo
  std::string shape, type = "bf16", loss = "half", backend = "cpu", compute = "auto", recompute = "auto", folder;
  int64_t layers = 0, tokens = 2048, length = 256, values = 512, trajectories = 8, batch = 4, threads = 0, rank = 8,
          device = 0, memory_limit = 0, repeats = 5, warmup = 2, seed = 1, common = 0;
  bool turns = false, one_trunk = false, stepwise = false, apart = false;
};

void add_options(Flags& flags, Options& o) {
  flags.words("words", o.words, "MODEL.gguf, unless --shape is given; then sft, critic or ppo");
  flags.text("--shape", o.shape, "random weights in memory: tiny, 30m, 160m, 1b-layer, 8b (native/bench/shapes.h)");
  flags.text("--type", o.type, "of those weights: f32, bf16, Q8_0, Q4_K or the mixture Q4_K_M");
  flags.number("--layers", o.layers, 0, "of that shape; 0: as many as it has");
  flags.number("--tokens", o.tokens, 2, "packed tokens");
  flags.number("--length", o.length, 2, "of a sequence");
  flags.number("--common", o.common, 0, "sft: tokens that all sequences begin with, as instructions are");
  flags.yes("--apart", o.apart, "sft: each begins with a token of its own before them, so that nothing is shared");
  flags.text("--loss", o.loss, "which tokens of a sequence have one", {"half", "all"});
  flags.number("--values", o.values, 1, "tokens from one value to the next");
  flags.number("--trajectories", o.trajectories, 1, "of ppo");
  flags.number("--batch", o.batch, 1, "trajectories per update");
  flags.yes("--one-trunk", o.one_trunk, "ppo: the critic reads the actor's trunk");
  flags.yes("--stepwise", o.stepwise,
            "ppo: every step a sequence of its own, instead of all states of a trajectory in one");
  flags.number("--rank", o.rank, 1, "of LoRA");
  flags.number("--seed", o.seed, 0, "of the weights and the data");
  flags.text("--backend", o.backend, "auto, cpu or cuda");
  flags.number("--device", o.device, 0, "of several GPUs");
  flags.number("--threads", o.threads, 0, "0: all cores");
  flags.text("--compute", o.compute, "auto, f32, bf16 or fp8");
  flags.text("--recompute", o.recompute, "auto, none, cheap, block or offload");
  flags.number("--memory-limit", o.memory_limit, 0, "in MB (10^6 bytes); 0: what is free");
  flags.number("--repeats", o.repeats, 1, "that are measured");
  flags.number("--warmup", o.warmup, 0, "repeats before them");
  flags.text("--export", o.folder, "writes the data and the starting adapters for bench/peers into this folder");
  flags.yes("--turns", o.turns,
            "takes turns with another program: a JSON line when warm, then for each line `run N` on stdin one JSON "
            "line with the N repeats, at the end of stdin the document on one line");
}

struct Opened {
  std::shared_ptr<Model> model;
  std::unique_ptr<DeviceMemory> device;  // null: the model lives in the process's memory
};

Opened open(const Options& own, const std::string& path) {
  ModelOptions options;
  options.path = path, options.threads = static_cast<int>(own.threads);
  options.backend = own.backend, options.compute = own.compute, options.recompute = own.recompute,
  options.memory_limit = own.memory_limit * 1'000'000;
  options.device = static_cast<int>(own.device);
  auto backend = make_backend(options.backend, options.threads, options.compute, options.device);
  std::shared_ptr<GgufFile> file;
  if (path.empty()) {
    Shape shape = find_shape(own.shape);
    if (own.layers > 0) shape.L = own.layers;
    file = std::make_shared<RandomGguf>(shape, own.type, static_cast<uint64_t>(own.seed));
  } else {
    file = GgufFile::open(path);
  }
  Opened opened;
  const bool on_device = std::string(backend->name()) != "cpu";
  if (on_device) opened.device = std::make_unique<DeviceMemory>(*backend);  // the model keeps the backend
  opened.model = make_model(std::move(file), std::move(backend), options);
  return opened;
}

// What one run is made of; `work` and `batches` are what the repeat reads.
struct Setup {
  Recipe recipe;
  Work work;
  int64_t tokens = 0;  // of the work, each once: as many with --stepwise as without
  std::vector<PpoBatch> batches;
  std::shared_ptr<Adapter> actor;  // null: critic alone
  std::shared_ptr<Critic> critic;  // null: sft
  Repeat repeat;
};

Work make_work(const Options& own, const std::string& mode, int64_t vocabulary, uint64_t seed) {
  if (mode == "ppo") return ppo_work(own.trajectories, vocabulary, seed);
  if (mode == "critic") return critic_work(own.tokens, own.length, own.values, vocabulary, seed);
  return sft_work(own.tokens, own.length, vocabulary, seed, own.loss == "all", {own.common, own.apart});
}

std::unique_ptr<Setup> set_up(const Options& own, const std::string& mode, std::shared_ptr<Model> model) {
  auto s = std::make_unique<Setup>();
  const uint64_t seed = static_cast<uint64_t>(own.seed);
  s->recipe = {
      .mode = mode, .rank = static_cast<int>(own.rank), .batch_trajectories = own.batch, .one_trunk = own.one_trunk};
  if (s->recipe.one_trunk && mode != "ppo") throw Error("usage", "--one-trunk: expected with ppo, got " + mode);
  if ((own.common > 0 || own.apart) && mode != "sft")
    throw Error("usage", "--common and --apart: expected with sft, got " + mode);
  if (own.common >= own.length)
    throw Error("usage", "--common: expected less than --length, got " + std::to_string(own.common));
  if (own.stepwise && mode != "ppo") throw Error("usage", "--stepwise: expected with ppo, got " + mode);
  s->work = make_work(own, mode, model->info().vocabulary, seed);
  s->tokens = s->work.count();
  if (own.stepwise) {
    s->recipe.batch_trajectories *= static_cast<int64_t>(s->work.steps.size()) / s->work.sequences();
    s->work = stepwise(s->work);
  }
  if (mode != "critic") {
    s->actor = model->create_adapter({.rank = s->recipe.rank, .alpha = s->recipe.alpha, .seed = seed});
  }
  if (mode != "sft") {
    CriticOptions options;
    options.rank = s->recipe.rank, options.alpha = s->recipe.alpha, options.seed = seed + 1;
    if (s->recipe.one_trunk) options.trunk = s->actor;
    s->critic = model->create_critic(options);
  }
  if (mode == "ppo") s->batches = split(s->work, s->recipe.batch_trajectories);
  s->repeat = mode == "sft"      ? sft_repeat(s->work, s->recipe, s->actor)
              : mode == "critic" ? critic_repeat(s->work, s->recipe, s->critic)
                                 : ppo_repeat(s->batches, s->recipe, model, s->actor, s->critic);
  return s;
}

// Product FLOP of one repeat, and what share of it the products take: by the machine's rate, and inside oneDNN (one
// more repeat).
json product_share(const Runner& runner, const ModelInfo& info, const Work& work, const Recipe& recipe,
                   double step_seconds) {
  const double N = static_cast<double>(work.computed(info.prefix_unit)), M = static_cast<double>(work.loss_tokens());
  // PPO: log-probs twice and values once, forward only; then actor and critic, forward and backward.
  const double actor = product_flop(info, N, M, true), critic = product_flop(info, N, 0, true);
  const double own = recipe.one_trunk ? 0 : 1;  // passes that a critic with a trunk of its own makes
  const double buffers = 2 * product_flop(info, N, M, false) + own * product_flop(info, N, 0, false);
  const double ppo = buffers + actor + own * critic;
  const double flop = recipe.mode == "ppo" ? ppo : recipe.mode == "critic" ? critic : actor;
  const double rate = sgemm_rate(1024, 1024, 1024), fast = bf16_rate(1024, 1024, 1024);
  onednn_time = {};
  const double start = now();
  runner.repeat()();
  const double step = now() - start;
  return {{"flop", flop},
          {"sgemm_1024_flops", rate},
          {"bf16_1024_flops", fast},
          {"flops", flop / step_seconds},
          {"share_of_rate", flop / step_seconds / (info.compute == "bf16" && fast > 0 ? fast : rate)},
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
          {"backend", info.backend},
          {"compute", info.compute},
          {"recompute", info.recompute},
          {"threads", info.threads}};
}

// What the engine says beforehand that a pass holds, to stand beside what was held. The rest of the process is not in
// it.
json plan_of(Trainable& trained, const Work& work) {
  const MemoryPlan plan = trained.plan({.tokens = work.count(),
                                        .sequences = work.sequences(),
                                        .longest = work.longest(),
                                        .loss_tokens = work.loss_tokens(),
                                        .values = static_cast<int64_t>(work.value_positions.size()),
                                        .prefix = work.common});
  return {{"recompute", plan.recompute},          {"total_bytes", plan.total},
          {"weight_bytes", plan.weights},         {"parameter_bytes", plan.parameters},
          {"workspace_bytes", plan.workspace},    {"limit_bytes", plan.limit},
          {"activation_bytes", plan.activations}, {"host_bytes", plan.host}};
}

// The largest plan among the passes of a repeat.
json planned(const Setup& s) {
  json most;
  const auto take = [&](Trainable* trained, const Work& work) {
    if (!trained) return;
    json plan = plan_of(*trained, work);
    if (most.is_null() || plan["total_bytes"] > most["total_bytes"]) most = std::move(plan);
  };
  const auto take_both = [&](const Work& work) { take(s.actor.get(), work), take(s.critic.get(), work); };
  if (s.batches.empty()) {
    take_both(s.work);
  } else {
    for (const PpoBatch& batch : s.batches) take_both(batch.work);
  }
  return most;
}

void take_turns(Runner& runner, const json& ready) {
  std::cout << ready.dump() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    if (!line.starts_with("run ")) throw Error("usage", "a turn: expected `run N`, got " + line);
    std::cout << runner.run(std::max(1L, std::strtol(line.c_str() + 4, nullptr, 10))).dump() << std::endl;
  }
}

json document_of(const Runner& runner, const Setup& s, const ModelInfo& info) {
  json document = runner.document(static_cast<double>(s.tokens));
  document["mode"] = s.recipe.mode;
  if (s.recipe.mode == "ppo") document["one_trunk"] = s.recipe.one_trunk;
  document["packed_tokens"] = s.work.count();
  document["computed_tokens"] = s.work.computed(info.prefix_unit);
  document["model"] = describe(info);
  document["planned"] = planned(s);
  document["rank"] = s.recipe.rank;
  document["sequences"] = s.work.sequences();
  document["longest"] = s.work.longest();
  document["loss_tokens"] = s.work.loss_tokens();
  document["attention_pairs"] = s.work.attention_pairs();
  if (s.recipe.mode == "ppo") document["stepwise_tokens"] = s.work.stepwise_tokens();
  return document;
}

int run(const Options& own) {
  std::vector<std::string> words = own.words;
  if (!own.shape.empty()) words.insert(words.begin(), "");
  const std::string mode = words.size() > 1 ? words[1] : "sft";
  if (words.empty() || words.size() > 2 || (mode != "sft" && mode != "critic" && mode != "ppo"))
    throw Error("usage", "expected MODEL.gguf or --shape NAME, then sft, critic or ppo; --help has the flags");
  const Opened opened = open(own, words[0]);
  const ModelInfo& info = opened.model->info();
  const std::unique_ptr<Setup> s = set_up(own, mode, opened.model);
  if (!own.folder.empty()) {
    if (!s->actor) throw Error("usage", "--export: expected sft or ppo, got critic");
    export_work(own.folder, s->work, s->recipe, info, *s->actor, s->critic.get());
  }
  Runner runner(s->repeat, opened.device.get());
  runner.warm(own.warmup);
  if (own.turns) {
    take_turns(runner, {{"ready", true}});
  } else {
    runner.run(own.repeats);
  }
  json document = document_of(runner, *s, info);
  if (!opened.device)
    document["products"] = product_share(runner, info, s->work, s->recipe, document["ms_median"].get<double>() * 1e-3);
  std::cout << document.dump(own.turns ? -1 : 2) << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags(kAbout);
  add_options(flags, options);
  return flags.run(argc, argv, [&] { return run(options); });
}
