// The actor: LoRA over the frozen base, trained by SFT, by the clipped policy gradient or by a loss of the caller's.
// Sizes in this folder beside those of ops/backend.h: M loss tokens, T values, G choices with J alternatives, U rows of
// the trunk that are read.
#pragma once

#include "train/batch.h"
#include "train/trained.h"

namespace spark {

class LoraCritic;

class LoraAdapter final : public TrainableOver<Adapter> {
 public:
  // With A = B = 0: what the planner counts memory with. Throws invalid_argument for a bad rank, alpha or target.
  static std::shared_ptr<LoraAdapter> blank(std::shared_ptr<EngineCore> core, const LoraOptions& options);
  // A drawn by the seed, B = 0. Throws as blank() does.
  static std::shared_ptr<LoraAdapter> create(std::shared_ptr<EngineCore> core, const LoraOptions& options);
  // From a GGUF LoRA file or a PEFT folder. Throws invalid_file, unsupported_file, not_finite, and adapter_mismatch
  // when it is not of this model.
  static std::shared_ptr<LoraAdapter> load(std::shared_ptr<EngineCore> core, const std::string& path);
  using TrainableOver::TrainableOver;

  AccumulateMetrics accumulate(const Batch& batch, std::span<const float> dlp, Cancel cancel) override;
  SftMetrics accumulate_sft(const Batch& batch, double normalizer, Cancel cancel) override;
  PolicyMetrics accumulate_policy(const Batch& batch, const PolicyOptions& options, Cancel cancel) override;
  void save_gguf(const std::string& path) override;
  void save_peft(const std::string& folder) override;
  MemoryPlan plan(const BatchShape& shape) override;

 private:
  // How the slopes dlp (M) = dL / dlp of a loss are made. `by_chunk`: for some rows at a time, while their logits
  // exist. `at_once`, where it is set: from the log-probs lp (M) of all rows; the rows are then projected twice.
  struct Slopes {
    LogprobGradient by_chunk;
    std::function<std::vector<float>(const std::vector<float>& lp)> at_once;
  };
  struct Passed {
    std::vector<float> lp;                 // (M)
    std::optional<ValueMetrics> value;     // where the pass had a value term
    std::optional<ChoiceMetrics> choices;  // where the batch had choices
  };
  // One forward and one backward pass. The gradients lie in Pending afterwards, and the caller commits them. `value`
  // has no critic, or one that reads this trunk. All choices of the batch have targets. A batch without loss tokens,
  // values or choices is fine; with none of them nothing is computed.
  Passed run(const Batch& batch, const LossPositions& losses, const Slopes& slopes, const ValueTerm& value,
             Cancel cancel);
  // From x (M, C), the rows that predict: lp (M) = and dx (M, C) +=, both on the backend.
  void logprob_loss(float* lp, const Batch& batch, const LossPositions& losses, const LossRows& rows,
                    const Slopes& slopes, const Activation* x, Activation* dx, Cancel cancel);
  // L_clip + β L_kl, and L_v when `options.value` has a critic, which must read this trunk. The gradients lie in
  // Pending afterwards, and the caller commits them.
  PolicyMetrics policy_pass(const Batch& batch, const PolicyOptions& options, Cancel cancel);
  // The term's critic, null when it has none. Throws invalid_argument when the critic reads another adapter's trunk or
  // belongs to another model.
  LoraCritic* critic_of(const ValueTerm& value) const;
};

}  // namespace spark
