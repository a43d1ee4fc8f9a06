// What a model, its adapters and its critics share: one backend, one copy of the frozen weights, one scratch arena.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/llama.h"
#include "ops/buffer.h"
#include "train/plan.h"

namespace spark {

struct EngineCore {
  std::unique_ptr<Backend> backend;  // first: everything below holds its memory
  Llama llama;
  Arena arena;
  Recompute recompute = Recompute::None;  // of the pass in progress
  std::unique_ptr<Planner> planner;       // null: passes are not planned (the planner's own core)

  EngineCore(std::unique_ptr<Backend> own, std::shared_ptr<GgufFile> file, const std::atomic<bool>* cancel)
      : backend(entered(std::move(own))), llama(*backend, std::move(file), cancel), arena(*backend) {}

  // At the start of every call: this thread's settings, and the whole arena free.
  void begin_call() {
    backend->enter();
    arena.reset();
  }
  // At the start of a pass through the trunk, after the batch was checked: also plans its memory, chooses `recompute`
  // and takes what the pass will need at once. Throws memory_limit.
  void begin_pass(const Pass& pass, const Batch& batch);
  // After a pass gave NaN or ∞: the first activation that holds one, found by running the pass's forward half again, as
  // nothing of it is left by then. "" when none does, or when there is no memory to look.
  std::string first_not_finite(const Batch& batch, const LoraView* lora);
  // As begin_pass decides, without beginning.
  MemoryPlan plan(const Pass& pass, const BatchShape& shape);

 private:
  static std::unique_ptr<Backend> entered(std::unique_ptr<Backend> backend) {
    backend->enter();
    return backend;
  }
};

// Log-prob where lossMask is 1, 0 elsewhere, (N); `lora` null: the base model.
std::vector<float> masked_logprobs(EngineCore& core, const Batch& batch, const LoraView* lora, Cancel cancel);

}  // namespace spark
