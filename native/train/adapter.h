// The actor: LoRA over the frozen base, trained by SFT and by clipped policy gradient.
#pragma once

#include "train/batch.h"
#include "train/trained.h"
#include "train/trunk_rows.h"

namespace spark {

class LoraCritic;

class LoraAdapter final : public TrainableOver<Adapter> {
 public:
  // All zero, for memory to be counted.
  static std::shared_ptr<LoraAdapter> blank(std::shared_ptr<EngineCore> core, const LoraOptions& options);
  static std::shared_ptr<LoraAdapter> create(std::shared_ptr<EngineCore> core, const LoraOptions& options);
  // From a GGUF LoRA file or a PEFT folder.
  static std::shared_ptr<LoraAdapter> load(std::shared_ptr<EngineCore> core, const std::string& path);
  using TrainableOver::TrainableOver;

  AccumulateMetrics accumulate(const Batch& batch, std::span<const float> dlp, Cancel cancel) override;
  SftMetrics accumulate_sft(const Batch& batch, double normalizer, Cancel cancel) override;
  PolicyMetrics accumulate_policy(const Batch& batch, const PolicyOptions& options, Cancel cancel) override;
  void save_gguf(const std::string& path) override;
  void save_peft(const std::string& folder) override;
  MemoryPlan plan(const BatchShape& shape) override;

 private:
  // Where a loss's slopes come from: `by_chunk` as rows are projected, or `at_once`, which sees all log-probs lp (M)
  // first.
  struct Slopes {
    LogprobGradient by_chunk;
    std::function<std::vector<float>(const std::vector<float>& lp)> at_once;
  };
  // What a pass gave: lp (M), and the value term's metrics where it had one.
  struct Passed {
    std::vector<float> lp;
    std::optional<ValueMetrics> value;
  };
  // Clears what gathers gradients, then one forward and one backward pass; they are left to be committed. T may be
  // there without M, M without T. `value` is of a critic over this trunk, or none.
  Passed run(const Batch& batch, const LossPositions& losses, const Slopes& slopes, const ValueTerm& value,
             Cancel cancel);
  // lp (M) = and dx (M, C) +=, both on the backend, from its rows x (M, C).
  void logprob_loss(float* lp, const Batch& batch, const LossPositions& losses, const LossRows& rows,
                    const Slopes& slopes, const Activation* x, Activation* dx, Cancel cancel);
  // L_clip + β L_kl, with L_v where `options.value` has a critic over this trunk; gradients are left to be committed.
  PolicyMetrics policy_pass(const Batch& batch, const PolicyOptions& options, Cancel cancel);
  // The term's critic, or null for none; throws invalid_argument for one over another adapter's trunk or model.
  LoraCritic* critic_of(const ValueTerm& value) const;
};

// lp (M) on the host from memory of the backend; throws not_finite naming the first bad tensor.
std::vector<float> download_logprobs(EngineCore& core, const float* lp, const LossPositions& losses, const Batch& batch,
                                     const LoraView* lora);

}  // namespace spark
