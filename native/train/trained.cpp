#include "train/trained.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "core/error.h"
#include "core/safetensors.h"

namespace spark {

namespace {

[[noreturn]] void refuse(const std::string& field, const std::string& expected, const std::string& got) {
  throw Error("invalid_argument", field + ": expected " + expected + ", got " + got);
}

void require_between(const std::string& field, double value, double low, double high) {
  if (value >= low && value <= high) return;  // false for NaN
  refuse(field, "a number from " + std::to_string(low) + " to " + std::to_string(high), std::to_string(value));
}

void check_optimizer(const OptimizerOptions& o) {
  constexpr double kLargest = 1e9;
  require_between("learningRate", o.learning_rate, 0, kLargest);
  require_between("beta1", o.beta1, 0, 0.9999999);
  require_between("beta2", o.beta2, 0, 0.9999999);
  require_between("epsilon", o.epsilon, 0, kLargest);
  require_between("weightDecay", o.weight_decay, 0, kLargest);
  require_between("maxGradNorm", o.max_grad_norm, 0, kLargest);
}

constexpr const char* kStateFormat = "spark-rl training state 1";
// Where each flat buffer's tensors go in a state file.
constexpr std::pair<const char*, ParameterSet::Kind> kStateParts[] = {
    {"value.", ParameterSet::Value}, {"moment1.", ParameterSet::Moment1}, {"moment2.", ParameterSet::Moment2}};

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + ")";
}

std::string metadata_of(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata.find(key);
  return found == file.metadata.end() ? "" : found->second;
}

void require_metadata(const SafetensorsFile& file, const std::string& path, const std::string& key,
                      const std::string& expected) {
  const std::string got = metadata_of(file, key);
  if (got == expected) return;
  throw Error("adapter_mismatch", path + ": expected " + key + " \"" + expected + "\", got \"" + got +
                                      "\"; this state belongs to something else");
}

// A critic's state is of a LoRA and a head, or of a head that reads an adapter's trunk.
void require_sort(const SafetensorsFile& file, const std::string& path, bool lora) {
  if (metadata_of(file, "rank").empty() != lora) return;
  const std::string own = "of a critic with a LoRA of its own", head = "of a value head over an adapter's trunk";
  throw Error("adapter_mismatch", path + ": expected the state " + (lora ? own : head) + ", got that " +
                                      (lora ? head : own) + "; train on as it was saved, or start a fresh critic");
}

// The tensor of a state file, with the shape it must have and only finite values.
const SafetensorsFile::Entry& require_state(const SafetensorsFile& file, const std::string& path,
                                            const std::string& name, const Parameter& parameter) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end() || found->second.shape != parameter.shape) {
    throw Error("adapter_mismatch", path + ": tensor " + name + ": expected shape " + shape_text(parameter.shape) +
                                        ", got " +
                                        (found == file.tensors.end() ? "none" : shape_text(found->second.shape)));
  }
  const auto& data = found->second.data;
  if (!std::all_of(data.begin(), data.end(), [](float x) { return std::isfinite(x); })) {
    throw Error("not_finite", path + ": tensor " + name + ": expected finite values");
  }
  return found->second;
}

// A whole number of at least 0. Unlike strtoll it refuses a text that is something else, or only begins with a number.
int64_t require_step(const std::string& text, const std::string& path) {
  if (!text.empty() && text.size() < 19 && text.find_first_not_of("0123456789") == std::string::npos) {
    return std::stoll(text);
  }
  throw Error("invalid_file", path + ": metadata step: expected a whole number, got \"" + text + "\"");
}

void check_size(int rank, float alpha) {
  if (rank < 1 || rank > 1024) refuse("rank", "1 to 1024", std::to_string(rank));
  if (!(std::isfinite(alpha) && alpha > 0)) refuse("alpha", "a positive number", std::to_string(alpha));
}

// By Projection.
std::array<bool, kProjections> enabled_targets(const std::vector<std::string>& targets) {
  std::array<bool, kProjections> enabled{};
  if (targets.empty()) refuse("targets", "at least one of q, k, v, o, gate, up, down", "none");
  for (const std::string& target : targets) {
    int p = 0;
    while (p < kProjections && target != projection_target(static_cast<Projection>(p))) ++p;
    if (p == kProjections) refuse("targets", "q, k, v, o, gate, up, down", target);
    if (enabled[static_cast<size_t>(p)]) refuse("targets", "each target once", target + " twice");
    enabled[static_cast<size_t>(p)] = true;
  }
  return enabled;
}

// The alphas of an adapter whose weights have their own; ranks are in the tensors' shapes. "" where all have one.
std::string alphas_text(const LoraOptions& options) {
  std::string text;
  for (const LoraWeight& weight : options.weights) text += std::to_string(weight.alpha) + " ";
  return text;
}

}  // namespace

LoraSpec lora_spec(const LoraOptions& options, int64_t layers) {
  check_size(options.rank, options.alpha);
  LoraSpec spec;
  spec.layers.resize(static_cast<size_t>(layers));
  const bool uniform = options.weights.empty();
  const std::array<bool, kProjections> enabled =
      uniform ? enabled_targets(options.targets) : std::array<bool, kProjections>{};
  std::map<std::string, LoraWeight> own;
  for (const LoraWeight& weight : options.weights) {
    check_size(weight.rank, weight.alpha);
    if (!own.emplace(weight.name, weight).second) refuse("weights", "each weight once", weight.name + " twice");
  }
  const auto take = [&](LoraSize& size, const std::string& name) {
    if (const auto found = own.extract(name)) size = {found.mapped().rank, found.mapped().alpha};
  };
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (size_t p = 0; p < kProjections; ++p) {
      LoraSize& size = spec.layers[static_cast<size_t>(layer)][p];
      if (enabled[p]) size = {options.rank, options.alpha};
      take(size, kProjectionTable[p].weight(layer));
    }
  }
  take(spec.embedding, kEmbeddingWeight), take(spec.head, kHeadWeight);
  if (!own.empty()) refuse("weights", "weights of q, k, v, o, gate, up, down, token_embd, output", own.begin()->first);
  return spec;
}

std::vector<LoraWeight> lora_weights(const LoraOptions& options, int64_t layers) {
  std::vector<LoraWeight> weights;
  const LoraSpec spec = lora_spec(options, layers);
  const auto list = [&](const std::string& name, const LoraSize& size) {
    if (size.rank > 0) weights.push_back({name, size.rank, size.alpha});
  };
  list(kEmbeddingWeight, spec.embedding);
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (size_t p = 0; p < kProjections; ++p) {
      list(kProjectionTable[p].weight(layer), spec.layers[static_cast<size_t>(layer)][p]);
    }
  }
  list(kHeadWeight, spec.head);
  return weights;
}

TrainedParameters::TrainedParameters(std::shared_ptr<EngineCore> core, std::string kind,
                                     std::optional<LoraOptions> lora, ParameterLayout layout)
    : core_(std::move(core)),
      kind_(std::move(kind)),
      options_(std::move(lora)),
      parameters_(*core_->backend, std::move(layout)) {
  if (options_) view_ = view_lora(parameters_, lora_spec(*options_, core_->llama.config().layers));
}

void commit_gradients(std::initializer_list<TrainedParameters*> sets) {
  for (TrainedParameters* trained : sets) {
    const std::string bad = trained->parameters().first_not_finite(ParameterSet::Pending);
    if (bad.empty()) continue;
    throw Error("not_finite", "gradient of " + bad +
                                  ": expected finite values; the gradients are as before this call. "
                                  "Lower the learning rate or look at the batch");
  }
  for (TrainedParameters* trained : sets) trained->parameters().commit_pending();
}

OptimizerMetrics TrainedParameters::optimizer_step(const OptimizerOptions& options) {
  check_optimizer(options);
  core_->begin_call();
  Backend& backend = *core_->backend;
  const double norm = std::sqrt(backend.sum_of_squares(parameters_.flat(ParameterSet::Gradient), parameters_.floats()));
  if (!std::isfinite(norm)) {
    throw Error("not_finite", "gradient of " + parameters_.first_not_finite(ParameterSet::Gradient) +
                                  ": expected finite values; nothing was updated");
  }
  AdamwCoefficients c{options.learning_rate, options.beta1, options.beta2, options.epsilon,
                      options.weight_decay,  1.0f,          step_ + 1};
  if (options.max_grad_norm > 0 && norm > options.max_grad_norm) {
    c.grad_scale = static_cast<float>(options.max_grad_norm / norm);
  }
  backend.adamw(parameters_.flat(ParameterSet::Value), parameters_.flat(ParameterSet::Moment1),
                parameters_.flat(ParameterSet::Moment2), parameters_.flat(ParameterSet::Gradient), c,
                parameters_.floats());
  parameters_.values_changed();
  ++step_;
  parameters_.clear(ParameterSet::Gradient);
  const std::string bad = parameters_.first_not_finite(ParameterSet::Value);
  if (!bad.empty()) {
    throw Error("not_finite", bad + ": expected finite values after step " + std::to_string(step_) +
                                  "; lower the learning rate and go back to the last checkpoint");
  }
  return {norm, step_};
}

void TrainedParameters::zero_grad() {
  core_->begin_call();
  parameters_.clear(ParameterSet::Gradient);
}

void TrainedParameters::save_state(const std::string& path) {
  core_->begin_call();
  SafetensorsWriter writer;
  writer.metadata = {{"format", kStateFormat}, {"kind", kind_}, {"step", std::to_string(step_)}};
  if (options_) {
    writer.metadata["rank"] = std::to_string(options_->rank);
    writer.metadata["alpha"] = std::to_string(options_->alpha);
    if (!options_->weights.empty()) writer.metadata["alphas"] = alphas_text(*options_);
  }
  std::vector<std::vector<NamedTensor>> parts;  // owns what the writer's spans see
  for (const auto& [prefix, kind] : kStateParts) parts.push_back(parameters_.download(kind));
  for (size_t i = 0; i < parts.size(); ++i) {
    for (const NamedTensor& t : parts[i]) writer.tensors.push_back({kStateParts[i].first + t.name, t.shape, t.data});
  }
  writer.write(path, true);
}

void TrainedParameters::load_state(const std::string& path) {
  core_->begin_call();
  const SafetensorsFile file = SafetensorsFile::read(path);
  require_metadata(file, path, "format", kStateFormat);
  require_metadata(file, path, "kind", kind_);
  require_sort(file, path, options_.has_value());
  if (options_) {
    require_metadata(file, path, "rank", std::to_string(options_->rank));
    require_metadata(file, path, "alpha", std::to_string(options_->alpha));
    require_metadata(file, path, "alphas", alphas_text(*options_));
  }
  const int64_t step = require_step(metadata_of(file, "step"), path);
  const std::vector<Parameter>& all = parameters_.layout().parameters();
  if (file.tensors.size() != all.size() * std::size(kStateParts)) {
    throw Error("adapter_mismatch", path + ": expected " + std::to_string(all.size() * std::size(kStateParts)) +
                                        " tensors, got " + std::to_string(file.tensors.size()));
  }
  for (const auto& [prefix, kind] : kStateParts) {
    for (const Parameter& parameter : all) require_state(file, path, prefix + parameter.name, parameter);
  }
  for (const auto& [prefix, kind] : kStateParts) {
    for (size_t i = 0; i < all.size(); ++i) {
      parameters_.upload(kind, static_cast<int>(i), file.tensors.at(prefix + all[i].name).data.data());
    }
  }
  parameters_.clear(ParameterSet::Gradient);
  step_ = step;
}

std::vector<NamedTensor> TrainedParameters::tensors(bool gradients) {
  core_->begin_call();
  return parameters_.download(gradients ? ParameterSet::Gradient : ParameterSet::Value);
}

}  // namespace spark
