// Plans a pass's memory before any is taken. The pass runs on a backend that only counts (a dry run); its peak is added
// to the memory that is held already, and the first recomputation whose sum fits the limit is chosen.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "model/activations.h"
#include "ops/counting_backend.h"
#include "train/engine.h"

namespace spark {

struct EngineCore;

// The settings of a pass through the trunk that decide its memory.
struct Pass {
  // By what reads the trunk's output: Logprobs is also that of choices alone. From Accumulate (also SFT's) on they
  // compute gradients; Value is accumulate_value.
  enum Kind { Logprobs, Values, LogprobsAndValues, Accumulate, Policy, PolicyBySteps, Value };
  Kind kind = Logprobs;
  const LoraOptions* lora = nullptr;  // the trunk's; null: the base model
  int64_t hidden = 0;                 // E of the value head; 0 where the pass has none
  bool shared_trunk = false;          // the value head reads an adapter's trunk; with Policy: there is a value term
  // Whether there is a backward pass through the trunk.
  bool trains() const { return kind >= Accumulate && !(kind == Value && shared_trunk); }
  // What it reads beside choices.
  bool reads_logprobs() const { return kind != Values && kind != Value; }
  bool reads_values() const { return !reads_logprobs() || kind == LogprobsAndValues || shared_trunk; }
};

// Of what the pass reads of the batch. The prefix is 0 unless the pass `shares` it.
BatchShape shape_of(const Batch& batch, const Pass& pass, bool shares);

class Planner {
 public:
  // `recompute`: auto, none, cheap, block or offload; on a backend that does not offload, offload means block. `limit`
  // in bytes; 0: nine tenths of what is available now. Throws invalid_argument for any other value of either.
  Planner(const EngineCore& core, const std::string& recompute, int64_t limit);
  ~Planner();
  const std::string& recompute() const { return recompute_; }
  // The plan with the first recomputation that fits; when none does, that of the last one tried, with fits = false.
  // Throws invalid_argument for a shape that no batch can have.
  MemoryPlan plan(const EngineCore& core, const Pass& pass, BatchShape shape);

 private:
  int64_t activation_bytes(const Pass& pass, const BatchShape& shape, Recompute recompute);  // peak of a dry run
  void run(const Pass& pass, const BatchShape& shape);
  // A stand-in with the pass's settings, made on first use.
  std::shared_ptr<Adapter> adapter(const Pass& pass);
  std::shared_ptr<Critic> critic(const Pass& pass);

  std::string recompute_;
  int64_t limit_, weights_;   // bytes
  CountingBackend* backend_;  // owned by dry_
  std::shared_ptr<EngineCore> dry_;
  // Stand-ins by their settings.
  std::map<std::string, std::shared_ptr<Adapter>> adapters_;
  std::map<std::string, std::shared_ptr<Critic>> critics_;
};

// For error messages: the plan's numbers and what to change.
std::string plan_text(const MemoryPlan& plan, const BatchShape& shape);

}  // namespace spark
