// Many SFT steps on random weights of a named shape: does every loss stay finite, memory and speed flat, and do
// training that was interrupted and resumed from its file and training that was not give the same losses, bit for bit?
//   bench_soak [--shape 8b] [--layers 0] [--type bf16] [--backend cuda] [--steps 500] [--save-at 400] [--tokens 4096]
//              [--length 4096] [--rank 16] [--seed 1]
// One JSON document on stdout; exit code 1 where an answer is no.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "factory.h"
#include "flags.h"
#include "random_gguf.h"
#include "repeats.h"
#include "runner.h"
#include "train/model.h"
#include "work.h"

using namespace spark;
using namespace spark::bench;
using nlohmann::json;

namespace {

struct Options {
  std::string shape = "8b", type = "bf16", backend = "cuda", compute = "auto";
  int64_t layers = 0, steps = 500, save_at = 400, tokens = 4096, length = 4096, rank = 16, seed = 1;
};

struct Steps {
  std::vector<double> losses, ms;
  bool finite() const {
    return std::all_of(losses.begin(), losses.end(), [](double x) { return std::isfinite(x); });
  }
};

void train(Steps& steps, const Repeat& step, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const double start = now();
    steps.losses.push_back(step().losses["sft"].get<double>());
    steps.ms.push_back((now() - start) * 1e3);
  }
}

double median_of(const std::vector<double>& ms, size_t first, size_t count) {
  return median(std::vector<double>(ms.begin() + static_cast<int64_t>(first),
                                    ms.begin() + static_cast<int64_t>(std::min(first + count, ms.size()))));
}

int run(const Options& options) {
  const int64_t count = options.steps, save_at = options.save_at;
  if (save_at >= count) throw Error("usage", "--save-at: expected fewer than --steps");
  Shape shape = find_shape(options.shape);
  if (options.layers > 0) shape.L = options.layers;
  const auto seed = static_cast<uint64_t>(options.seed);
  auto backend = make_backend(options.backend, 0, options.compute);
  const bool on_device = std::string(backend->name()) != "cpu";
  std::unique_ptr<DeviceMemory> memory;
  if (on_device) memory = std::make_unique<DeviceMemory>(*backend);
  const auto taken = [&] { return memory ? memory->taken() : PeakMemory::resident(); };
  const auto model = make_model(std::make_shared<RandomGguf>(shape, options.type, seed), std::move(backend), {});
  const Recipe recipe{.mode = "sft", .rank = static_cast<int>(options.rank)};
  const Work work = sft_work(options.tokens, options.length, model->info().vocabulary, seed, true);
  const LoraOptions lora{.rank = recipe.rank, .alpha = recipe.alpha, .seed = seed};
  const std::string state = std::filesystem::temp_directory_path() / ("spark-soak-" + std::to_string(getpid()));

  std::shared_ptr<Adapter> adapter = model->create_adapter(lora);
  Steps whole, resumed;
  const Repeat step = sft_repeat(work, recipe, adapter);
  constexpr int64_t kWarm = 3;
  train(whole, step, std::min(kWarm, save_at));
  const double early = taken();
  train(whole, step, save_at - std::min(kWarm, save_at));
  adapter->save_state(state);
  train(whole, step, count - save_at);
  const double late = taken();

  const std::shared_ptr<Adapter> other = model->create_adapter(lora);
  other->load_state(state);
  std::filesystem::remove(state);
  train(resumed, sft_repeat(work, recipe, other), count - save_at);

  const bool exact = std::equal(resumed.losses.begin(), resumed.losses.end(), whole.losses.begin() + save_at);
  const bool finite = whole.finite() && resumed.finite(), flat = late == early;
  constexpr size_t kSome = 50;
  const size_t last = whole.ms.size() - std::min(kSome, whole.ms.size());
  const size_t warm = static_cast<size_t>(std::min<int64_t>(kWarm, count - 1));
  const json document = {{"backend", model->info().backend},
                         {"steps", count},
                         {"resumed_steps", resumed.losses.size()},
                         {"tokens", work.count()},
                         {"finite", finite},
                         {"resumed_exactly", exact},
                         {"memory_flat", flat},
                         {"bytes_early", early},
                         {"bytes_late", late},
                         {"ms_first", median_of(whole.ms, warm, kSome)},
                         {"ms_last", median_of(whole.ms, last, kSome)},
                         {"ms_longest", *std::max_element(whole.ms.begin() + kWarm, whole.ms.end())},
                         {"loss_first", whole.losses.front()},
                         {"loss_last", whole.losses.back()}};
  std::cout << document.dump(2) << std::endl;
  // The resident memory of a process moves by what its allocator keeps; a device's does not.
  return finite && exact && (flat || !on_device) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags("Many SFT steps on random weights: finite losses, flat memory and speed, an exact resume");
  flags.text("--shape", options.shape, "tiny, 30m, 160m, 1b-layer, 8b (native/bench/shapes.h)");
  flags.number("--layers", options.layers, 0, "of that shape; 0: as many as it has");
  flags.text("--type", options.type, "of the weights: f32, bf16, Q8_0, Q4_K or the mixture Q4_K_M");
  flags.text("--backend", options.backend, "cpu or cuda");
  flags.text("--compute", options.compute, "auto, f32, bf16 or fp8");
  flags.number("--steps", options.steps, 2, "in all");
  flags.number("--save-at", options.save_at, 1, "the step whose state is resumed from, less than --steps");
  flags.number("--tokens", options.tokens, 2, "packed tokens of a step");
  flags.number("--length", options.length, 2, "of a sequence");
  flags.number("--rank", options.rank, 1, "of LoRA");
  flags.number("--seed", options.seed, 0, "of the weights and the data");
  return flags.run(argc, argv, [&] { return run(options); });
}
