// The critic: its own LoRA over the same frozen base, and a value head that reads the final-normed state of a token.
#pragma once

#include "model/output_head.h"
#include "train/batch.h"
#include "train/trained.h"

namespace spark {

class LoraCritic final : public TrainableOver<Critic> {
 public:
  // All zero, for memory to be counted.
  static std::shared_ptr<LoraCritic> blank(std::shared_ptr<EngineCore> core, const CriticOptions& options);
  static std::shared_ptr<LoraCritic> create(std::shared_ptr<EngineCore> core, const CriticOptions& options);
  LoraCritic(std::unique_ptr<TrainedParameters> trained, int head, int64_t hidden);

  std::vector<float> values(const Batch& batch, Cancel cancel) override;
  ValueMetrics accumulate_value(const Batch& batch, double normalizer, Cancel cancel) override;
  MemoryPlan plan(const BatchShape& shape) override;

 private:
  // v (T) on the host; throws not_finite naming the first bad tensor.
  std::vector<float> download_values(const float* v, const Batch& batch, const SavedActivations& saved,
                                     const Activation* x) const;
  ValueHead head_;
  int64_t hidden_;
};

}  // namespace spark
