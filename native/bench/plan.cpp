// What an SFT pass of a model of a named shape is planned to hold on a CUDA device, found without one: the backend runs
// on the host (test/native/emulated), which takes as much memory as the model's weights and a minute for an 8B.
//
//   bench_plan [--shape 8b] [--type Q4_K_M] [--rank 8] [--tokens 4096] [--recompute offload]   one line of JSON
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "cuda/cuda_backend.h"
#include "flags.h"
#include "random_gguf.h"
#include "shapes.h"
#include "train/model.h"

using namespace spark;

namespace {

struct Options {
  std::string shape = "8b", type = "Q4_K_M", recompute = "offload";
  int64_t rank = 8, tokens = 4096;
};

void run(const Options& own) {
  ModelOptions options;
  options.recompute = own.recompute;
  options.memory_limit = int64_t{1} << 45;  // nothing is refused
  const auto file = std::make_shared<bench::RandomGguf>(bench::find_shape(own.shape), own.type, 1);
  const auto model = make_model(file, std::make_unique<cuda::CudaBackend>(0), options);
  LoraOptions lora;
  lora.rank = static_cast<int>(own.rank);
  const MemoryPlan plan = model->create_adapter(lora)->plan(
      {.tokens = own.tokens, .sequences = 1, .longest = own.tokens, .loss_tokens = own.tokens - 1, .values = 0});
  const nlohmann::json line = {{"recompute", plan.recompute},
                               {"weight_bytes", plan.weights},
                               {"parameter_bytes", plan.parameters},
                               {"activation_bytes", plan.activations},
                               {"workspace_bytes", plan.workspace},
                               {"total_bytes", plan.total},
                               {"host_bytes", plan.host}};
  std::printf("%s\n", line.dump().c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options own;
  bench::Flags flags("The memory an SFT pass is planned to hold on a CUDA device, as one line of JSON");
  flags.text("--shape", own.shape, "tiny, 30m, 160m, 1b-layer, 8b (native/bench/shapes.h)");
  flags.text("--type", own.type, "of the weights: f32, bf16, Q8_0, Q4_K or the mixture Q4_K_M");
  flags.number("--rank", own.rank, 1, "of LoRA");
  flags.number("--tokens", own.tokens, 2, "of one sequence");
  flags.text("--recompute", own.recompute, "auto, none, cheap, block or offload");
  return flags.run(argc, argv, [&] { return run(own), 0; });
}
