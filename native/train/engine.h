// The facade that bindings and native programs use. Mirrors src/engine/types.ts one to one; read the meaning of every
// field there. Nothing here knows which backend computes.
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
  std::map<std::string, int> tensor_types;
};

struct LoraOptions {
  int rank = 8;
  float alpha = 16.0f;
  std::vector<std::string> targets = {"q", "k", "v", "o", "gate", "up", "down"};
  uint64_t seed = 0;
};

struct CriticOptions : LoraOptions {
  int64_t hidden = 0;  // 0: C
  // Not null: the head reads what this adapter's trunk computes. The critic is the head alone, keeps the adapter alive,
  // and has no rank, alpha or targets of its own: those above are not read.
  std::shared_ptr<Adapter> trunk;
};

// Views; the caller keeps the memory alive during the call. Empty spans are absent fields.
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
};

// The value loss beside the policy's. Of a critic over the adapter's trunk it is computed in the policy's pass: the
// head learns L_v, the trunk gets coefficient · dL_v. One with a LoRA of its own has a pass of its own behind the
// policy's.
struct ValueTerm {
  Critic* critic = nullptr;  // over this adapter's trunk, or with a LoRA of its own; null: no such term
  double normalizer = 1;     // T of the optimizer batch
  float coefficient = 0;     // c_v; 0: the trunk does not feel the values. Not used where trunks are two
};

struct PolicyOptions {
  double normalizer = 1;
  float clip = 0.2f;
  float kl_coefficient = 0.1f;
  bool step_ratio = false;
  ValueTerm value{};
};

// What a pass over a caller's own loss says.
struct AccumulateMetrics {
  int64_t tokens = 0;           // that carry a loss
  std::vector<float> logprobs;  // (N) where lossMask is 1, 0 elsewhere
};

struct SftMetrics {
  int64_t tokens = 0;
  double loss_sum = 0;
};

struct ValueMetrics {
  int64_t count = 0;
  double loss_sum = 0;
};

struct PolicyMetrics {
  int64_t tokens = 0;
  double clip_loss_sum = 0, kl_loss_sum = 0, k1_sum = 0, k2_sum = 0, k3_sum = 0, ratio_sum = 0, ratio_max = 0;
  int64_t clipped_count = 0;
  std::optional<ValueMetrics> value;  // of the value term, where there is one
};

struct LogprobsAndValues {
  std::vector<float> logprobs;  // (N) where lossMask is 1, 0 elsewhere
  std::vector<float> values;    // (T)
};

struct OptimizerOptions {
  float learning_rate = 0, beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f, weight_decay = 0.0f, max_grad_norm = 1.0f;
};

struct OptimizerMetrics {
  double grad_norm = 0;
  int64_t step = 0;
};

// The sizes of a batch that decide how much memory a pass over it takes.
struct BatchShape {
  int64_t tokens = 0, sequences = 1, longest = 0;  // N, B, tokens of the longest sequence
  int64_t loss_tokens = 0, values = 0;             // N_a, T
};

// What a training pass holds at its peak, in bytes.
struct MemoryPlan {
  std::string recompute;    // none | cheap | block | offload: the first that fits, or what the model was opened with
  int64_t weights = 0;      // of the base model: mapped from its file, resident once it was read
  int64_t parameters = 0;   // of every adapter and critic: weights, two gradients, two moments
  int64_t activations = 0;  // of the pass
  int64_t workspace = 0;    // scratch of the products and of attention
  int64_t total = 0, limit = 0;  // of the four above
  int64_t host = 0;              // pinned memory of the host beside a device: block inputs, with offload
  bool fits = false;
};

struct SaveOptions {
  std::string type = "keep";   // keep | F32 | F16 | BF16 | Q8_0; what each means: model/save_model.h
  Adapter* adapter = nullptr;  // merged into the weights; null: none
};

struct SaveReport {
  int64_t bytes = 0;
  std::map<std::string, int> tensor_types;  // as written
  int merged = 0;                           // tensors the adapter changed
  int unpacked = 0;  // of them, those that `keep` wrote as F16: their type cannot be packed again
};

// What actor and critic share: a set of fp32 parameters with gradients and AdamW moments.
class Trainable {
 public:
  virtual ~Trainable() = default;
  virtual const LoraOptions& lora() const = 0;  // of the trunk it reads
  virtual int64_t parameter_count() const = 0;
  virtual OptimizerMetrics optimizer_step(const OptimizerOptions& options) = 0;
  virtual void zero_grad() = 0;
  virtual void save_state(const std::string& path) = 0;  // safetensors
  virtual void load_state(const std::string& path) = 0;
  virtual std::vector<NamedTensor> tensors(bool gradients) = 0;
  // What an accumulate call over such a batch would hold (of a critic over an adapter's trunk: the policy's call with
  // a value term); allocates nothing. A call that does not fit throws memory_limit before it allocates.
  virtual MemoryPlan plan(const BatchShape& shape) = 0;
};

class Adapter : public Trainable {
 public:
  // Gradients += of any loss by way of its slopes: dlp (N) = dL / dlp, read where lossMask is 1, from log-probs that
  // the caller took beforehand.
  virtual AccumulateMetrics accumulate(const Batch& batch, std::span<const float> dlp, Cancel cancel) = 0;
  virtual SftMetrics accumulate_sft(const Batch& batch, double normalizer, Cancel cancel) = 0;
  virtual PolicyMetrics accumulate_policy(const Batch& batch, const PolicyOptions& options, Cancel cancel) = 0;
  virtual void save_gguf(const std::string& path) = 0;
  virtual void save_peft(const std::string& folder) = 0;
};

class Critic : public Trainable {
 public:
  virtual std::vector<float> values(const Batch& batch, Cancel cancel) = 0;  // (T)
  // Over an adapter's trunk it trains the head alone: no backward pass through the trunk.
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
  // What logprobs and the critic's values say: of one pass where the critic is over this adapter's trunk, else of two.
  virtual LogprobsAndValues logprobs_and_values(const Batch& batch, Adapter* adapter, Critic& critic,
                                                Cancel cancel) = 0;
  // The model as a GGUF of its own: whole or not at all, and never over another file. Holds a few megabytes.
  virtual SaveReport save(const std::string& path, const SaveOptions& options, Cancel cancel) = 0;
};

}  // namespace spark
