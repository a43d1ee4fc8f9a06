// Memory before it is taken: a pass is run on a backend that only counts, its peak is added to what is held already,
// and the recomputation that fits is chosen.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "model/activations.h"
#include "ops/counting_backend.h"
#include "train/engine.h"

namespace spark {

struct EngineCore;

// A pass through the trunk: what reads it, and whose LoRA it has (null: the base model). SFT's is Accumulate.
struct Pass {
  enum Kind { Logprobs, Values, LogprobsAndValues, Accumulate, Policy, PolicyBySteps, Value };
  Kind kind = Logprobs;
  const LoraOptions* lora = nullptr;
  int64_t hidden = 0;         // of the critic's head
  bool shared_trunk = false;  // that head reads an adapter's trunk; with Policy: there is a value term
  // Whether it goes back through the trunk.
  bool trains() const { return kind >= Accumulate && !(kind == Value && shared_trunk); }
};

BatchShape shape_of(const Batch& batch);

class Planner {
 public:
  // `recompute`: auto, none, cheap, block or offload, which is block where the backend does not offload. `limit` 0:
  // nine tenths of what is available now.
  Planner(const EngineCore& core, const std::string& recompute, int64_t limit);
  ~Planner();
  const std::string& recompute() const { return recompute_; }
  // The first recomputation that fits, or with fits = false the plan of the last one tried.
  MemoryPlan plan(const EngineCore& core, const Pass& pass, const BatchShape& shape);

 private:
  int64_t activation_bytes(const Pass& pass, const BatchShape& shape, Recompute recompute);
  void run(const Pass& pass, const BatchShape& shape);
  std::shared_ptr<Adapter> adapter(const Pass& pass);
  std::shared_ptr<Critic> critic(const Pass& pass);

  std::string recompute_;
  int64_t limit_, weights_;
  CountingBackend* backend_;  // of dry_
  std::shared_ptr<EngineCore> dry_;
  // Stand-ins for the trainables that were asked about, by their settings.
  std::map<std::string, std::shared_ptr<Adapter>> adapters_;
  std::map<std::string, std::shared_ptr<Critic>> critics_;
};

// The plan's numbers and what to change, for errors.
std::string plan_text(const MemoryPlan& plan, const BatchShape& shape);

}  // namespace spark
