// The critic: V(s_t) from a value head that reads a token's state after the final norm. The state comes from the frozen
// base with a LoRA that the critic trains too, or from an adapter's trunk: the critic then trains the head alone, and
// one pass of the trunk can serve policy and values.
#pragma once

#include "model/output_head.h"
#include "train/adapter.h"
#include "train/batch.h"
#include "train/trained.h"

namespace spark {

class LoraCritic final : public TrainableOver<Critic> {
 public:
  // All parameters zero: what the planner counts memory with. Throws invalid_argument for a bad hidden, rank, alpha or
  // target.
  static std::shared_ptr<LoraCritic> blank(std::shared_ptr<EngineCore> core, const CriticOptions& options);
  // LoRA and head drawn by the seed; V starts as 0. Throws as blank() does.
  static std::shared_ptr<LoraCritic> create(std::shared_ptr<EngineCore> core, const CriticOptions& options);
  // `trunk` null: a LoRA of its own. `head` is the index of the head's first parameter in `trained`.
  LoraCritic(std::unique_ptr<TrainedParameters> trained, std::shared_ptr<LoraAdapter> trunk, int head, int64_t hidden);

  const LoraOptions& lora() const override { return trunk_ ? trunk_->lora() : trained_->options(); }
  std::vector<float> values(const Batch& batch, Cancel cancel) override;
  ValueMetrics accumulate_value(const Batch& batch, double normalizer, Cancel cancel) override;
  MemoryPlan plan(const BatchShape& shape) override;

  const LoraAdapter* trunk() const { return trunk_.get(); }  // null: a LoRA of its own
  int64_t hidden() const { return hidden_; }
  // lp (N), v (T) and the choices' lp (J) from one pass; only with a trunk.
  LogprobsAndValues logprobs_and_values(const Batch& batch, Cancel cancel);
  // accumulate_value without its last step: the gradients lie in Pending, and the caller commits them.
  ValueMetrics value_pass(const Batch& batch, double normalizer, Cancel cancel);
  // L_v from x (T, C), the trunk's rows at the value positions: v (T) =, the head's gradients += and dx (T, C) +=.
  void value_loss(float* v, const Batch& batch, double normalizer, const Activation* x, Activation* dx);
  // From v (T) on the backend, for which it waits. Throws not_finite.
  ValueMetrics value_metrics(const float* v, const Batch& batch) const;

 private:
  // The LoRA of the trunk that the head reads.
  const LoraView& view() const { return trunk_ ? trunk_->trained().lora() : trained_->lora(); }
  // Returns v (T), which lies on the backend, on the host. When a value is not finite it throws not_finite naming its
  // position and the first activation that is not finite.
  std::vector<float> download_values(const float* v, const Batch& batch) const;
  std::shared_ptr<LoraAdapter> trunk_;
  ValueHead head_;
  int64_t hidden_;
};

}  // namespace spark
