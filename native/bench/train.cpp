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

constexpr const char* kHelp = R"(bench_train MODEL.gguf [sft|critic|ppo] [flags]
bench_train --shape SHAPE --type TYPE [sft|critic|ppo] [flags]

sft     forward, backward, AdamW on --tokens packed tokens in sequences of --length; the second half of each has a loss,
        or all of it
critic  the same with LoRA and the MLP value head, a value every --values tokens of each sequence
ppo     old log-probs, reference log-probs (no adapter) and values of --trajectories, then one epoch of actor and critic
        updates, --batch trajectories per update. src/train/ppo.ts in miniature; parts.buffers and parts.epoch have each
        half's time, tokens are those of the trajectories, each once. --one-trunk: the critic reads the actor's trunk

  --shape NAME          random weights in memory: tiny, 30m, 160m, 1b-layer, 8b (native/bench/shapes.h)
  --type bf16           of those weights: f32, bf16, Q8_0, Q4_K or the mixture Q4_K_M
  --layers 0            of that shape; 0: as many as it has
  --tokens 2048         --length 256       --loss half|all       --values 512
  --trajectories 8      --batch 4          --rank 8              --seed 1
  --backend cpu|cuda    --device 0         --threads 0           --compute auto|f32|bf16
  --recompute auto|none|cheap|block|offload
  --memory-limit 0      in MB (10^6 bytes), 0: what is free
  --repeats 5           --warmup 2
  --export FOLDER       writes the data and the starting adapters for bench/peers
  --turns               takes turns with another program: a JSON line when warm, then for each line `run N` on stdin one
                        JSON line with the N repeats, at the end of stdin the document on one line

peak_bytes is that of the process, or with a device what was taken of its memory since before the model was loaded.
)";

struct Opened {
  std::shared_ptr<Model> model;
  std::unique_ptr<DeviceMemory> device;  // null: the model lives in the process's memory
};

Opened open(const Flags& flags, const std::string& path) {
  ModelOptions options;
  options.path = path, options.threads = static_cast<int>(flags.number("threads", 0));
  options.backend = flags.text("backend"), options.compute = flags.text("compute"),
  options.recompute = flags.text("recompute"), options.memory_limit = flags.number("memory-limit", 0) * 1'000'000;
  options.device = static_cast<int>(flags.number("device", 0));
  auto backend = make_backend(options.backend, options.threads, options.compute, options.device);
  std::shared_ptr<GgufFile> file;
  if (path.empty()) {
    Shape shape = find_shape(flags.text("shape"));
    if (const int64_t layers = flags.number("layers", 0)) shape.L = layers;
    file = std::make_shared<RandomGguf>(shape, flags.text("type"), static_cast<uint64_t>(flags.number("seed", 0)));
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
  std::vector<PpoBatch> batches;
  std::shared_ptr<Adapter> actor;  // null: critic alone
  std::shared_ptr<Critic> critic;  // null: sft
  Repeat repeat;
};

Work make_work(const Flags& flags, const std::string& mode, int64_t vocabulary, uint64_t seed) {
  const std::string& loss = flags.text("loss");
  if (loss != "half" && loss != "all") throw Error("usage", "--loss: expected half or all, got " + loss);
  if (mode == "ppo") return ppo_work(flags.number("trajectories", 1), vocabulary, seed);
  const int64_t tokens = flags.number("tokens", 2), length = flags.number("length", 2);
  if (mode == "critic") return critic_work(tokens, length, flags.number("values", 1), vocabulary, seed);
  return sft_work(tokens, length, vocabulary, seed, loss == "all");
}

std::unique_ptr<Setup> set_up(const Flags& flags, const std::string& mode, std::shared_ptr<Model> model) {
  auto s = std::make_unique<Setup>();
  const uint64_t seed = static_cast<uint64_t>(flags.number("seed", 0));
  s->recipe = {.mode = mode,
               .rank = static_cast<int>(flags.number("rank", 1)),
               .batch_trajectories = flags.number("batch", 1),
               .one_trunk = flags.on("one-trunk")};
  if (s->recipe.one_trunk && mode != "ppo") throw Error("usage", "--one-trunk: expected with ppo, got " + mode);
  s->work = make_work(flags, mode, model->info().vocabulary, seed);
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
  const double N = static_cast<double>(work.count()), M = static_cast<double>(work.loss_tokens());
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
                                        .values = static_cast<int64_t>(work.value_positions.size())});
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
  json document = runner.document(static_cast<double>(s.work.count()));
  document["mode"] = s.recipe.mode;
  if (s.recipe.mode == "ppo") document["one_trunk"] = s.recipe.one_trunk;
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

int run(const Flags& flags) {
  if (flags.on("help")) {
    std::cout << kHelp;
    return 0;
  }
  std::vector<std::string> words = flags.words();
  if (!flags.text("shape").empty()) words.insert(words.begin(), "");
  const std::string mode = words.size() > 1 ? words[1] : "sft";
  if (words.empty() || words.size() > 2 || (mode != "sft" && mode != "critic" && mode != "ppo"))
    throw Error("usage", "expected MODEL.gguf or --shape NAME, then sft, critic or ppo; --help has the flags");
  const Opened opened = open(flags, words[0]);
  const ModelInfo& info = opened.model->info();
  const std::unique_ptr<Setup> s = set_up(flags, mode, opened.model);
  if (const std::string& folder = flags.text("export"); !folder.empty()) {
    if (!s->actor) throw Error("usage", "--export: expected sft or ppo, got critic");
    export_work(folder, s->work, s->recipe, info, *s->actor, s->critic.get());
  }
  Runner runner(s->repeat, opened.device.get());
  runner.warm(flags.number("warmup", 0));
  const bool turns = flags.on("turns");
  if (turns) {
    take_turns(runner, {{"ready", true}});
  } else {
    runner.run(flags.number("repeats", 1));
  }
  json document = document_of(runner, *s, info);
  if (!opened.device)
    document["products"] = product_share(runner, info, s->work, s->recipe, document["ms_median"].get<double>() * 1e-3);
  std::cout << document.dump(turns ? -1 : 2) << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(
        Flags(argc, argv,
              {{"shape", ""},         {"type", "bf16"},       {"layers", "0"},  {"tokens", "2048"},  {"length", "256"},
               {"values", "512"},     {"trajectories", "8"},  {"batch", "4"},   {"threads", "0"},    {"rank", "8"},
               {"loss", "half"},      {"backend", "cpu"},     {"device", "0"},  {"compute", "auto"}, {"repeats", "5"},
               {"recompute", "auto"}, {"memory-limit", "0"},  {"warmup", "2"},  {"seed", "1"},       {"export", ""},
               {"turns", "false"},    {"one-trunk", "false"}, {"help", "false"}}));
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", e.code().c_str(), e.what());
    return e.code() == "usage" ? 2 : 1;
  }
}
