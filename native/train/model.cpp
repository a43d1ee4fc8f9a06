#include "train/model.h"

#include <utility>

#include "core/error.h"
#include "model/save_model.h"
#include "model/served.h"
#include "train/adapter.h"
#include "train/core.h"
#include "train/critic.h"
#include "train/logprobs.h"

namespace spark {

namespace {

ModelInfo describe(const EngineCore& core, const GgufFile& file) {
  const LlamaConfig& c = core.llama.config();
  ModelInfo info;
  info.path = file.path();
  info.architecture = c.architecture;
  info.backend = core.backend->name();
  info.device = core.backend->device();
  info.recompute = core.planner->recompute();
  info.compute = compute_name(core.backend->compute());
  info.threads = core.backend->threads();
  info.width = c.width, info.layers = c.layers, info.heads = c.heads, info.kv_heads = c.kv_heads;
  info.head_size = c.head_size, info.feed_forward = c.feed_forward, info.vocabulary = c.vocabulary;
  info.context_length = c.context_length;
  info.parameters = core.llama.weights().parameters;
  info.prefix_unit = core.backend->shares_prefix() ? kPrefixUnit : 0;
  for (const GgufTensor& tensor : file.tensors())
    ++info.tensor_types[tensor_type_name(static_cast<uint32_t>(tensor.type))];
  return info;
}

class EngineModel final : public Model {
 public:
  EngineModel(std::shared_ptr<GgufFile> file, std::unique_ptr<Backend> backend, const ModelOptions& options,
              Cancel cancel)
      : core_(std::make_shared<EngineCore>(std::move(backend), file, cancel)) {
    core_->planner = std::make_unique<Planner>(*core_, options.recompute, options.memory_limit);
    info_ = describe(*core_, *file);
  }

  const ModelInfo& info() const override { return info_; }
  std::shared_ptr<Adapter> create_adapter(const LoraOptions& options) override {
    return LoraAdapter::create(core_, options);
  }
  std::shared_ptr<Critic> create_critic(const CriticOptions& options) override {
    if (options.trunk) own(*options.trunk);
    return LoraCritic::create(core_, options);
  }
  std::shared_ptr<Adapter> load_adapter(const std::string& path) override { return LoraAdapter::load(core_, path); }
  std::vector<float> logprobs(const Batch& batch, Adapter* adapter, Cancel cancel) override;
  std::vector<float> choice_logprobs(const Batch& batch, Adapter* adapter, Cancel cancel) override;
  LogprobsAndValues logprobs_and_values(const Batch& batch, Adapter* adapter, Critic& critic, Cancel cancel) override;
  SaveReport save(const std::string& path, const SaveOptions& options, Cancel cancel) override;

 private:
  // Of a batch that was checked.
  PolicyLogprobs read(const Batch& batch, Adapter* adapter, const LoraView* lora, Cancel cancel);
  const LoraView* view_of(Adapter* adapter) const;  // null: the base model
  TrainedParameters& own(Adapter& adapter) const;
  LoraCritic& own(Critic& critic) const;

  std::shared_ptr<EngineCore> core_;
  ModelInfo info_;
};

TrainedParameters& EngineModel::own(Adapter& adapter) const {
  auto* lora = dynamic_cast<LoraAdapter*>(&adapter);
  if (lora && &lora->trained().core() == core_.get()) return lora->trained();
  throw Error("adapter_mismatch", "adapter: expected one made by this model (" + info_.path + "), got another's");
}

const LoraView* EngineModel::view_of(Adapter* adapter) const { return adapter ? &own(*adapter).lora() : nullptr; }

PolicyLogprobs EngineModel::read(const Batch& batch, Adapter* adapter, const LoraView* lora, Cancel cancel) {
  core_->begin_pass({Pass::Logprobs, adapter ? &adapter->lora() : nullptr}, batch);
  return policy_logprobs(*core_, batch, lora, cancel);
}

std::vector<float> EngineModel::logprobs(const Batch& batch, Adapter* adapter, Cancel cancel) {
  const LoraView* lora = view_of(adapter);
  check_batch(batch, core_->llama.config(), {.loss_mask = true});
  return read(without_choices(batch), adapter, lora, cancel).tokens;
}

std::vector<float> EngineModel::choice_logprobs(const Batch& batch, Adapter* adapter, Cancel cancel) {
  const LoraView* lora = view_of(adapter);
  check_batch(batch, core_->llama.config(), {.choices = true});
  Batch choices = batch;
  choices.loss_mask = {};
  return read(choices, adapter, lora, cancel).choices;
}

LoraCritic& EngineModel::own(Critic& critic) const {
  auto* ours = dynamic_cast<LoraCritic*>(&critic);
  if (ours && &ours->trained().core() == core_.get()) return *ours;
  throw Error("adapter_mismatch", "critic: expected one made by this model (" + info_.path + "), got another's");
}

LogprobsAndValues EngineModel::logprobs_and_values(const Batch& batch, Adapter* adapter, Critic& critic,
                                                   Cancel cancel) {
  LoraCritic& ours = own(critic);
  if (adapter && ours.trunk() == adapter) return ours.logprobs_and_values(batch, cancel);
  // Checks all that either pass will read, so that a bad batch does not cost a pass first.
  const LoraView* lora = view_of(adapter);
  check_batch(batch, core_->llama.config(), {.loss_mask = true, .value_positions = true, .choices = true});
  PolicyLogprobs policy = read(batch, adapter, lora, cancel);
  return {std::move(policy.tokens), ours.values(batch, cancel), std::move(policy.choices)};
}

SaveReport EngineModel::save(const std::string& path, const SaveOptions& options, Cancel cancel) {
  core_->begin_call();
  MergeLora lora;
  if (options.adapter) {
    TrainedParameters& trained = own(*options.adapter);
    lora = {trained.tensors(false), lora_weights(trained.options(), core_->llama.config().layers)};
  }
  const SavedModel saved = save_model(path, *core_->llama.weights().file, options.type, lora, cancel);
  return {static_cast<int64_t>(saved.bytes), saved.tensor_types, saved.merged, saved.unpacked};
}

}  // namespace

std::shared_ptr<GgufFile> open_served(const std::string& path) {
  auto file = GgufFile::open(path);
  check_served(*file);
  return file;
}

std::shared_ptr<Model> make_model(std::shared_ptr<GgufFile> file, std::unique_ptr<Backend> backend,
                                  const ModelOptions& options, Cancel cancel) {
  return std::make_shared<EngineModel>(std::move(file), std::move(backend), options, cancel);
}

}  // namespace spark
