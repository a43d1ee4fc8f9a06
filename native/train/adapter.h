// The actor: LoRA over the frozen base, trained by SFT and by clipped policy gradient.
#pragma once

#include "train/batch.h"
#include "train/trained.h"

namespace spark {

class LoraAdapter final : public TrainableOver<Adapter> {
 public:
  // All zero, for memory to be counted.
  static std::shared_ptr<LoraAdapter> blank(std::shared_ptr<EngineCore> core, const LoraOptions& options);
  static std::shared_ptr<LoraAdapter> create(std::shared_ptr<EngineCore> core, const LoraOptions& options);
  // From a GGUF LoRA file or a PEFT folder.
  static std::shared_ptr<LoraAdapter> load(std::shared_ptr<EngineCore> core, const std::string& path);
  using TrainableOver::TrainableOver;

  SftMetrics accumulate_sft(const Batch& batch, double normalizer, Cancel cancel) override;
  PolicyMetrics accumulate_policy(const Batch& batch, const PolicyOptions& options, Cancel cancel) override;
  void save_gguf(const std::string& path) override;
  void save_peft(const std::string& folder) override;
  MemoryPlan plan(const BatchShape& shape) override;

 private:
  // Forward, log-probs with slopes from `gradient`, backward. Returns lp (M). `two_pass` sees all log-probs and gives
  // the slopes of all of them; `gradient` is then ignored.
  using AllSlopes = std::function<std::vector<float>(const std::vector<float>& lp)>;
  std::vector<float> run(const Batch& batch, const LossPositions& losses, const LogprobGradient& gradient,
                         const AllSlopes& two_pass, Cancel cancel);
};

// lp (M) on the host from memory of the backend; throws not_finite naming the first bad tensor.
std::vector<float> download_logprobs(EngineCore& core, const float* lp, const LossPositions& losses,
                                     const SavedActivations& saved, const Activation* x, int64_t N);

}  // namespace spark
