// The facade that bindings and native programs use. It mirrors src/engine (types, batch, metrics) one to one, where
// units, defaults and errors of every field and call are described. Nothing here knows which backend computes.
//
// Threading: calls on one Model (and on the adapters and critics it made) must not overlap; the bindings enforce that.
// Every long call takes `cancel`: when it turns true the call stops at the next layer and throws Error("interrupted").
// A cancelled accumulate call leaves the gradients as they were before the call.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/lora_weight.h"
#include "core/named_tensor.h"

namespace spark {

using Cancel = const std::atomic<bool>*;  // may be null
class Adapter;
class Critic;

struct ModelOptions {
  std::string path;
  std::string backend = "auto";    // auto | cpu | cuda
  int device = 0;                  // which GPU, as CUDA counts them
  int threads = 0;                 // 0: all cores
  std::string compute = "auto";    // auto | f32 | bf16: what the trunk multiplies and stores
  std::string recompute = "auto";  // auto | none | cheap | block | offload: how activations save memory
  int64_t memory_limit = 0;        // bytes the engine may hold; 0: what the machine has free at opening
};

struct ModelInfo {
  std::string path, architecture, backend, device, compute, recompute;
  int threads = 0;
  int64_t width = 0, layers = 0, heads = 0, kv_heads = 0, head_size = 0, feed_forward = 0, vocabulary = 0;
  int64_t context_length = 0, parameters = 0;
  int64_t prefix_unit = 0;  // what sequences begin with alike is computed once, in units of so many tokens; 0: never
  std::map<std::string, int> tensor_types;  // tensors in the file, by type
};

struct LoraOptions {
  int rank = 8;         // R
  float alpha = 16.0f;  // the adapter's scale is alpha / R
  std::vector<std::string> targets = {"q", "k", "v", "o", "gate", "up", "down"};
  uint64_t seed = 0;
  // Not empty: LoRA on just these weights, each with its own rank and alpha; those above are then a summary.
  std::vector<LoraWeight> weights = {};
};

struct CriticOptions : LoraOptions {
  int64_t hidden = 0;  // E, width of the head's hidden layer; 0: C
  // Not null: the head reads the hidden states of this adapter's trunk. The critic then trains the head alone, keeps
  // the adapter alive and ignores rank, alpha and targets.
  std::shared_ptr<Adapter> trunk;
};

// Views of host memory, which the caller keeps alive during the call. An empty span is an absent field.
struct Batch {
  std::span<const int32_t> tokens;           // (N)
  std::span<const int32_t> cu_seqlens;       // (B + 1)
  std::span<const uint8_t> loss_mask;        // (N)
  std::span<const float> old_logprobs;       // (N)
  std::span<const float> ref_logprobs;       // (N)
  std::span<const float> advantages;         // (N)
  std::span<const int32_t> step_ids;         // (N)
  std::span<const int32_t> value_positions;  // (T)
  std::span<const float> returns;            // (T)
  // Choices: after the token at each position one of a few tokens comes next. G of them with J alternatives in all.
  std::span<const int32_t> choice_positions;  // (G)
  std::span<const int32_t> choice_offsets;    // (G + 1)
  std::span<const int32_t> choice_tokens;     // (J)
  std::span<const float> choice_targets;      // (J)
};

// The value loss beside the policy's. A critic over the adapter's trunk learns in the policy's pass: the head gets
// dL_v, the trunk coefficient · dL_v. A critic with a LoRA of its own gets dL_v in a second pass, after the policy's.
struct ValueTerm {
  Critic* critic = nullptr;  // over this adapter's trunk, or with a LoRA of its own; null: no value term
  double normalizer = 1;     // T of the optimizer batch
  float coefficient = 0;     // c_v; 0: the trunk gets no gradient of L_v. Not used for a critic with its own LoRA
};

struct PolicyOptions {
  double normalizer = 1;        // N_a of the optimizer batch
  float clip = 0.2f;            // ε
  float kl_coefficient = 0.1f;  // β
  bool step_ratio = false;      // one ratio a step, not one a token
  ValueTerm value{};
};

// The loss of choices, −Σ target · lp over the alternatives, which an accumulate call adds to its own where the batch
// has targets.
struct ChoiceMetrics {
  int64_t groups = 0;           // G
  double loss_sum = 0;          // −Σ target · lp
  std::vector<float> logprobs;  // (J)
};

// Returned by accumulate(), the pass for a loss of the caller's.
struct AccumulateMetrics {
  int64_t tokens = 0;           // M: tokens with lossMask 1
  std::vector<float> logprobs;  // (N) where lossMask is 1, 0 elsewhere
  std::optional<ChoiceMetrics> choices;
};

struct SftMetrics {
  int64_t tokens = 0;   // M
  double loss_sum = 0;  // −Σ lp
  std::optional<ChoiceMetrics> choices;
};

struct ValueMetrics {
  int64_t count = 0;    // T
  double loss_sum = 0;  // Σ (V − R)²
};

struct PolicyMetrics {
  int64_t tokens = 0;  // M; the sums are over these
  double clip_loss_sum = 0, kl_loss_sum = 0, k1_sum = 0, k2_sum = 0, k3_sum = 0, ratio_sum = 0, ratio_max = 0;
  int64_t clipped_count = 0;
  std::vector<float> logprobs;        // (N) where lossMask is 1, 0 elsewhere
  std::optional<ValueMetrics> value;  // when the call had a value term
  std::optional<ChoiceMetrics> choices;
};

struct LogprobsAndValues {
  std::vector<float> logprobs;  // (N) where lossMask is 1, 0 elsewhere
  std::vector<float> values;    // (T)
  std::vector<float> choices;   // (J)
};

struct OptimizerOptions {
  float learning_rate = 0, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, weight_decay = 0.0f, max_grad_norm = 1.0f;
};

struct OptimizerMetrics {
  double grad_norm = 0;  // global, before clipping
  int64_t step = 0;      // steps taken so far
};

// The sizes of a batch that decide how much memory a pass over it takes.
struct BatchShape {
  int64_t tokens = 0, sequences = 1, longest = 0;  // N, B, tokens of the longest sequence
  int64_t loss_tokens = 0, values = 0;             // M, T
  int64_t choices = 0, alternatives = 0;           // G, J
  // Tokens that all sequences begin with alike, before anything that is read: where the model computes a prefix once,
  // in units of ModelInfo::prefix_unit, the pass takes that much less. Every sequence goes on after them.
  int64_t prefix = 0;
};

// What a training pass holds at its peak, in bytes.
struct MemoryPlan {
  std::string recompute;    // none | cheap | block | offload: the first that fits, or what the model was opened with
  int64_t weights = 0;      // base weights: mapped from their file, resident once they were read
  int64_t parameters = 0;   // every adapter and critic of the model: weights, two gradients, two moments
  int64_t activations = 0;  // the pass's own
  int64_t workspace = 0;    // scratch of the products and of attention
  int64_t total = 0;        // the sum of the four above
  int64_t limit = 0;        // what total may be
  int64_t host = 0;         // pinned host memory beside a GPU's: block inputs, with offload. Not in total
  bool fits = false;        // total <= limit
};

struct SaveOptions {
  std::string type = "keep";   // keep | F32 | F16 | BF16 | Q8_0, as model/save_model.h describes them
  Adapter* adapter = nullptr;  // merged into the weights; null: none
};

struct SaveReport {
  int64_t bytes = 0;
  std::map<std::string, int> tensor_types;  // tensors written, by type
  int merged = 0;                           // tensors that the adapter changed
  int unpacked = 0;  // of the merged ones, those that `keep` wrote as F16, as we cannot pack their type
};

// What actor and critic share: a set of fp32 parameters with gradients and AdamW moments.
class Trainable {
 public:
  virtual ~Trainable() = default;
  virtual const LoraOptions& lora() const = 0;          // the LoRA of the trunk: its own, or of a critic's `trunk`
  virtual std::vector<LoraWeight> weights() const = 0;  // what that is of, layer by layer
  virtual int64_t parameter_count() const = 0;
  virtual OptimizerMetrics optimizer_step(const OptimizerOptions& options) = 0;
  virtual void zero_grad() = 0;
  // A safetensors file with weights, moments and step. load_state changes all of it or, when it throws
  // (adapter_mismatch, invalid_file, not_finite), nothing.
  virtual void save_state(const std::string& path) = 0;
  virtual void load_state(const std::string& path) = 0;
  virtual std::vector<NamedTensor> tensors(bool gradients) = 0;  // copies of the weights, or of the gradients
  // The memory that an accumulate call over such a batch would hold; for a critic over an adapter's trunk, that of
  // accumulate_policy with the critic as its value term. Choices count as having targets. Allocates nothing. A call
  // whose plan does not fit throws
  // memory_limit before it allocates.
  virtual MemoryPlan plan(const BatchShape& shape) = 0;
};

class Adapter : public Trainable {
 public:
  // Adds the gradient of a loss of the caller's, given as its slopes dlp (N) = dL / dlp: the caller computes them from
  // logprobs() of this batch. They are read where lossMask is 1.
  virtual AccumulateMetrics accumulate(const Batch& batch, std::span<const float> dlp, Cancel cancel) = 0;
  virtual SftMetrics accumulate_sft(const Batch& batch, double normalizer, Cancel cancel) = 0;
  virtual PolicyMetrics accumulate_policy(const Batch& batch, const PolicyOptions& options, Cancel cancel) = 0;
  virtual void save_gguf(const std::string& path) = 0;
  virtual void save_peft(const std::string& folder) = 0;
};

class Critic : public Trainable {
 public:
  virtual std::vector<float> values(const Batch& batch, Cancel cancel) = 0;  // (T)
  // A critic over an adapter's trunk trains the head alone, without a backward pass through the trunk.
  virtual ValueMetrics accumulate_value(const Batch& batch, double normalizer, Cancel cancel) = 0;
};

class Model {
 public:
  static std::shared_ptr<Model> open(const ModelOptions& options, Cancel cancel = nullptr);
  virtual ~Model() = default;
  virtual const ModelInfo& info() const = 0;
  // Adapters and critics keep the model alive.
  virtual std::shared_ptr<Adapter> create_adapter(const LoraOptions& options) = 0;
  virtual std::shared_ptr<Critic> create_critic(const CriticOptions& options) = 0;
  virtual std::shared_ptr<Adapter> load_adapter(const std::string& path) = 0;
  virtual std::vector<float> logprobs(const Batch& batch, Adapter* adapter, Cancel cancel) = 0;  // (N)
  // The log-prob of each alternative of the batch's choices, among those of its choice. (J)
  virtual std::vector<float> choice_logprobs(const Batch& batch, Adapter* adapter, Cancel cancel) = 0;
  // logprobs() with choice_logprobs(), and the critic's values(), in one call: from one pass when the critic reads this
  // adapter's trunk, else from two.
  virtual LogprobsAndValues logprobs_and_values(const Batch& batch, Adapter* adapter, Critic& critic,
                                                Cancel cancel) = 0;
  // Writes the model as a new GGUF, which appears whole or not at all and never replaces a file. Takes a few megabytes
  // of memory whatever the model.
  virtual SaveReport save(const std::string& path, const SaveOptions& options, Cancel cancel) = 0;
};

}  // namespace spark
