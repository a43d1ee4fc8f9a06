#include "train/core.h"

#include <string>

#include "core/error.h"
#include "train/adapter.h"
#include "train/batch.h"

namespace spark {

MemoryPlan EngineCore::plan(const Pass& pass, const BatchShape& shape) {
  llama.reserve_positions(shape.longest);  // now, so that the plan counts the rotary table among the held memory
  return planner->plan(*this, pass, shape);
}

void EngineCore::begin_pass(const Pass& pass, const Batch& batch) {
  begin_call();
  if (!planner || batch.tokens.empty()) return;
  const BatchShape shape = shape_of(batch);
  const MemoryPlan chosen = plan(pass, shape);
  if (!chosen.fits) throw Error("memory_limit", plan_text(chosen, shape));
  for (const Recompute r : {Recompute::None, Recompute::Cheap, Recompute::Block, Recompute::Offload}) {
    if (chosen.recompute == recompute_name(r)) recompute = r;
  }
  try {
    arena.reserve(static_cast<size_t>(chosen.activations));
  } catch (const Error& e) {  // another process has taken memory that the plan counted as free
    if (e.code() != "out_of_memory") throw;
    throw Error("out_of_memory", std::string(e.what()) + "; " + plan_text(chosen, shape));
  }
}

std::string EngineCore::first_not_finite(const Batch& batch, const LoraView* lora) try {
  arena.reset();
  const PackedTokens packed = upload_tokens(*backend, arena, batch);
  SavedActivations saved{recompute, {}};
  const int64_t N = packed.packing.tokens;
  const Activation* x = llama.forward(arena, packed, {}, lora, &saved, nullptr);  // (N, C)
  return llama.first_not_finite(arena, saved, x, N, N);
} catch (const Error& e) {
  if (e.code() != "out_of_memory") throw;
  return "";
}

std::vector<float> masked_logprobs(EngineCore& core, const Batch& batch, const LoraView* lora, Cancel cancel) {
  std::vector<float> result(batch.tokens.size(), 0.0f);
  const LossPositions losses = find_losses(batch);
  if (losses.count() == 0) return result;
  const PackedTokens packed = upload_tokens(*core.backend, core.arena, batch);
  const LossRows rows = upload_losses(*core.backend, core.arena, losses);
  float* lp = core.arena.floats(losses.count());  // (M)
  const Activation* x = core.llama.forward(core.arena, packed, rows.read, lora, nullptr, cancel);
  output_logprobs(core.llama, core.arena, lp, x, rows, nullptr, nullptr, cancel);
  const std::vector<float> host = download_logprobs(core, lp, losses, batch, lora);
  for (size_t m = 0; m < host.size(); ++m) result[static_cast<size_t>(losses.positions[m])] = host[m];
  return result;
}

}  // namespace spark
