// The critic: a value head that reads the final-normed state of a token, over the frozen base with a LoRA of its own,
// or over an adapter's trunk: then the head is all it trains by itself, and one pass serves it and the policy.
#pragma once

#include "model/output_head.h"
#include "train/adapter.h"
#include "train/batch.h"
#include "train/trained.h"

namespace spark {

class LoraCritic final : public TrainableOver<Critic> {
 public:
  // All zero, for memory to be counted.
  static std::shared_ptr<LoraCritic> blank(std::shared_ptr<EngineCore> core, const CriticOptions& options);
  static std::shared_ptr<LoraCritic> create(std::shared_ptr<EngineCore> core, const CriticOptions& options);
  LoraCritic(std::unique_ptr<TrainedParameters> trained, std::shared_ptr<LoraAdapter> trunk, int head, int64_t hidden);

  const LoraOptions& lora() const override { return trunk_ ? trunk_->lora() : trained_->options(); }
  std::vector<float> values(const Batch& batch, Cancel cancel) override;
  ValueMetrics accumulate_value(const Batch& batch, double normalizer, Cancel cancel) override;
  MemoryPlan plan(const BatchShape& shape) override;

  const LoraAdapter* trunk() const { return trunk_.get(); }  // null: a LoRA of its own
  int64_t hidden() const { return hidden_; }
  // Of one pass; only over an adapter's trunk.
  LogprobsAndValues logprobs_and_values(const Batch& batch, Cancel cancel);
  // accumulate_value, with the gradients left to be committed.
  ValueMetrics value_pass(const Batch& batch, double normalizer, Cancel cancel);
  // L_v at the rows where a value is read, x (T, C): v (T) =, the head's gradients += and dx (T, C) +=.
  void value_loss(float* v, const Batch& batch, double normalizer, const Activation* x, Activation* dx);
  ValueMetrics value_metrics(const float* v, const Batch& batch) const;  // waits for the device

 private:
  // The LoRA of the trunk that the head reads.
  const LoraView& view() const { return trunk_ ? trunk_->trained().lora() : trained_->lora(); }
  // v (T) on the host; throws not_finite naming the first bad tensor.
  std::vector<float> download_values(const float* v, const Batch& batch) const;
  std::shared_ptr<LoraAdapter> trunk_;
  ValueHead head_;
  int64_t hidden_;
};

}  // namespace spark
