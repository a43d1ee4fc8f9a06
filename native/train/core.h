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
  std::unique_ptr<Backend> backend;  // declared first, so destroyed last: the members below hold its memory
  Llama llama;
  Arena arena;
  Recompute recompute = Recompute::None;  // for the pass in progress
  std::unique_ptr<Planner> planner;       // null in the core that the planner itself runs passes on

  EngineCore(std::unique_ptr<Backend> own, std::shared_ptr<GgufFile> file, const std::atomic<bool>* cancel)
      : backend(entered(std::move(own))), llama(*backend, std::move(file), cancel), arena(*backend) {}

  // To be called at the start of every call: sets up this thread for the backend and frees the whole arena.
  void begin_call() {
    backend->enter();
    arena.reset();
  }
  // begin_call() for a call with a pass through the trunk; the batch must have been checked. Also plans the pass,
  // sets `recompute`, and makes the arena as large as the pass needs. Throws memory_limit when the plan does not fit,
  // out_of_memory when others have taken the memory since the model was opened.
  void begin_pass(const Pass& pass, const Batch& batch);
  // For the message after a pass gave NaN or ∞: name of the first activation that holds one. The pass's activations are
  // overwritten by then, so its forward half runs again. "" when all are finite, or when memory does not suffice.
  std::string first_not_finite(const Batch& batch, const LoraView* lora);
  // The plan that begin_pass would follow; changes neither the arena nor `recompute`.
  MemoryPlan plan(const Pass& pass, const BatchShape& shape);

 private:
  static std::unique_ptr<Backend> entered(std::unique_ptr<Backend> backend) {
    backend->enter();
    return backend;
  }
};

}  // namespace spark
