// A set of parameters under training: LoRA, a value head, or both, with gradients, AdamW and saved state.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/lora.h"
#include "model/parameters.h"
#include "train/core.h"
#include "train/engine.h"

namespace spark {

// What each weight of a model with so many layers gets. Checks rank, alpha, targets and weights (invalid_argument).
LoraSpec lora_spec(const LoraOptions& options, int64_t layers);
// The same as a list: the embedding, layer by layer in the order of the table of projections, the head.
std::vector<LoraWeight> lora_weights(const LoraOptions& options, int64_t layers);

class TrainedParameters {
 public:
  // kind is `adapter` or `critic`; `layout` begins with the parameters of `lora`, where there is one.
  TrainedParameters(std::shared_ptr<EngineCore> core, std::string kind, std::optional<LoraOptions> lora,
                    ParameterLayout layout);

  EngineCore& core() const { return *core_; }
  const LoraOptions& options() const { return *options_; }  // only with a LoRA
  ParameterSet& parameters() { return parameters_; }
  // LoRA as a pass reads it, with factors made from the values as they are now.
  const LoraView& lora() {
    parameters_.refresh_factors();
    return view_;
  }
  int64_t count() const { return parameters_.layout().count(); }

  // To be called before a call's first gradient. They gather in Pending; commit_gradients adds them to the others.
  void begin_gradients() { parameters_.clear(ParameterSet::Pending); }

  OptimizerMetrics optimizer_step(const OptimizerOptions& options);
  void zero_grad();
  void save_state(const std::string& path);
  // Everything is checked before anything changes. Gradients are dropped.
  void load_state(const std::string& path);
  std::vector<NamedTensor> tensors(bool gradients);

 private:
  std::shared_ptr<EngineCore> core_;
  std::string kind_;
  std::optional<LoraOptions> options_;
  ParameterSet parameters_;
  LoraView view_;
  int64_t step_ = 0;
};

// To be called at the end of a call that has not failed: adds its gradients to those of earlier calls, in every set.
// Throws not_finite and changes none where a gradient of any set is not finite.
void commit_gradients(std::initializer_list<TrainedParameters*> sets);

// Implements the Trainable half of Adapter and Critic.
template <class Interface>
class TrainableOver : public Interface {
 public:
  explicit TrainableOver(std::unique_ptr<TrainedParameters> trained) : trained_(std::move(trained)) {}
  const LoraOptions& lora() const override { return trained_->options(); }
  std::vector<LoraWeight> weights() const override {
    return lora_weights(lora(), trained_->core().llama.config().layers);
  }
  int64_t parameter_count() const override { return trained_->count(); }
  OptimizerMetrics optimizer_step(const OptimizerOptions& options) override {
    return trained_->optimizer_step(options);
  }
  void zero_grad() override { trained_->zero_grad(); }
  void save_state(const std::string& path) override { trained_->save_state(path); }
  void load_state(const std::string& path) override { trained_->load_state(path); }
  std::vector<NamedTensor> tensors(bool gradients) override { return trained_->tensors(gradients); }
  TrainedParameters& trained() { return *trained_; }

 protected:
  std::unique_ptr<TrainedParameters> trained_;
};

}  // namespace spark
