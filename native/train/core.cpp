#include "train/core.h"

#include <string>

#include "core/error.h"
#include "train/batch.h"

namespace spark {

MemoryPlan EngineCore::plan(const Pass& pass, const BatchShape& shape) {
  llama.reserve_positions(shape.longest);  // now, so that the plan counts the rotary table among the held memory
  return planner->plan(*this, pass, shape);
}

void EngineCore::begin_pass(const Pass& pass, const Batch& batch) {
  begin_call();
  if (!planner || batch.tokens.empty()) return;
  const BatchShape shape = shape_of(batch, pass, backend->shares_prefix());
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

}  // namespace spark
