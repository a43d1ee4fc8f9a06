// What an SFT pass of a model of a named shape is planned to hold on a CUDA device, found without one: the backend runs
// on the host (test/native/emulated), which takes as much memory as the model's weights and a minute for an 8B.
//
//   bench_plan [--shape 8b] [--type Q4_K_M] [--rank 8] [--tokens 4096] [--recompute offload]   one line of JSON
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "cuda/cuda_backend.h"
#include "flags.h"
#include "random_gguf.h"
#include "shapes.h"
#include "train/model.h"

using namespace spark;

int main(int argc, char** argv) try {
  const bench::Flags flags(
      argc, argv, {{"shape", "8b"}, {"type", "Q4_K_M"}, {"rank", "8"}, {"tokens", "4096"}, {"recompute", "offload"}});
  ModelOptions options;
  options.recompute = flags.text("recompute");
  options.memory_limit = int64_t{1} << 45;  // nothing is refused
  const auto file = std::make_shared<bench::RandomGguf>(bench::find_shape(flags.text("shape")), flags.text("type"), 1);
  const auto model = make_model(file, std::make_unique<cuda::CudaBackend>(0), options);
  LoraOptions lora;
  lora.rank = static_cast<int>(flags.number("rank", 1));
  const int64_t tokens = flags.number("tokens", 2);
  const MemoryPlan plan = model->create_adapter(lora)->plan(
      {.tokens = tokens, .sequences = 1, .longest = tokens, .loss_tokens = tokens - 1, .values = 0});
  const nlohmann::json line = {{"recompute", plan.recompute},
                               {"weight_bytes", plan.weights},
                               {"parameter_bytes", plan.parameters},
                               {"activation_bytes", plan.activations},
                               {"workspace_bytes", plan.workspace},
                               {"total_bytes", plan.total},
                               {"host_bytes", plan.host}};
  std::printf("%s\n", line.dump().c_str());
  return 0;
} catch (const Error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
