// The contract of a compute backend: one pure virtual per op. model/ and train/ are written once over it.
//
// Reading it. Every pointer is memory of the backend (a CUDA pointer on a CUDA backend), row-major; only `upload` and
// `download` touch host memory. An `Activation` is stored in the type that products run in, a float is fp32; inside an
// op everything is summed in fp32. Outputs come first. "=" overwrites, "+=" adds. Names of sizes: B sequences, N packed
// tokens, M rows of any kind, C width, H heads, K key/value heads, D head size, F feed forward, V vocabulary, R rank,
// G choices, J alternatives.
// The gradient of a loss by x is dx.
//
// Every op gives the same bits for the same inputs and the same number of threads: resume depends on it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "core/gguf.h"

namespace spark {

// A frozen matrix in the type of its file, quantised or not: it is unpacked inside the product, so no full-precision
// copy exists. `data` points into the file's map when it can be used as it lies there, else into `owned`.
struct Weight {
  const std::byte* data = nullptr;  // (rows, cols)
  TensorType type = TensorType::F32;
  int64_t rows = 0, cols = 0;
  std::shared_ptr<void> owned;
  bool fp8 = false;  // e4m3 in two copies, W and Wᵀ, with a scale a row: only what made it reads it (cuda/fp8.cu)
};

// A frozen vector in fp32: the weight of a norm, a bias. Empty (no data) where a model has none.
struct Vector {
  const float* data = nullptr;  // (size)
  int64_t size = 0;
  std::shared_ptr<void> owned;
};

// Where the packed sequences begin and what place each token has in its own. What all of them begin with may be there
// once: the first P rows then belong to every sequence, and the rest of each follows.
struct Packing {
  int64_t tokens = 0, sequences = 0, longest = 0;  // N, B, longest sequence with its prefix
  const int32_t* cu_seqlens = nullptr;             // (B + 1), from P to N
  const int32_t* positions = nullptr;              // (N), 0 at the first token of a sequence
  int64_t prefix = 0;                              // P, a multiple of kPrefixUnit; 0: nothing is shared
};
// So that the tiles of keys that attention goes by end where the prefix does.
constexpr int64_t kPrefixUnit = 64;

// Rotary angles, and which two values of a head turn together: (x[2i], x[2i + 1]) as Llama GGUFs are stored, or with
// `halves` (x[i], x[i + rotary / 2]) as Qwen's are. Values from `rotary` on stay as they are.
struct Rope {
  const float* table = nullptr;  // (positions, rotary / 2, 2): cos, sin
  int64_t rotary = 0;            // at most D
  bool halves = false;
};

// What the trunk multiplies and stores, always summed in fp32. Parameters, their gradients, log-probs, logits and
// values are fp32 with each of them. Fp8 is Bf16 but for the frozen projections, whose products take e4m3.
enum class Compute { F32, Bf16, Fp8 };
const char* compute_name(Compute compute);  // f32, bf16, fp8

// A value of the trunk, or its gradient: float with Compute::F32, else bf16. Only a backend looks inside.
using Activation = void;

struct AttentionShape {
  int64_t heads = 0, kv_heads = 0, head_size = 0;  // H, K, D; query head h reads key/value head h / (H / K)
};

// ε, β and 1 / N_a of docs/algorithm.md's actor loss.
struct PolicyCoefficients {
  float clip = 0, kl = 0;
  double inverse_normalizer = 1;
};

// What LoRA adds to a frozen projection: u Bᵀ to its output in the forward pass, u A to its input gradient in the
// backward pass (there u is du). u null: nothing.
struct LowRank {
  const Activation* u = nullptr;  // (M, R), `stride` values between its rows
  int64_t stride = 0, R = 0;
  const Activation* factor = nullptr;  // B (out, R), or A (R, in)
};

// The rows of a batch by the token that stands there, so that a token's gradient is summed in one order.
struct RowsByToken {
  int64_t count = 0;                 // U tokens that occur
  const int32_t* tokens = nullptr;   // (U) distinct
  const int32_t* offsets = nullptr;  // (U + 1) where each one's rows begin
  const int32_t* rows = nullptr;     // (N)
};

struct AdamwCoefficients {
  float learning_rate = 0, beta1 = 0, beta2 = 0, epsilon = 0, weight_decay = 0;
  float grad_scale = 1;  // global-norm clip: multiplies every gradient
  int64_t step = 1;      // 1 at the first update: bias correction
};

// The trained head V(x) = w2 · silu(W1 x + b1) + b2 with E hidden units; also names its gradients.
struct ValueHeadParameters {
  float* w1 = nullptr;  // (E, C)
  float* b1 = nullptr;  // (E)
  float* w2 = nullptr;  // (1, E)
  float* b2 = nullptr;  // (1)
};

// The sizes that a pass calls ops with, each once, for the ops that may need memory beside what they are handed. Which
// of them do, and how much, only the backend knows (workspace_bytes).
struct OpSizes {
  struct Attention {                                            // attention_forward, attention_backward
    int64_t tokens = 0, longest = 0, heads = 0, head_size = 0;  // N, longest sequence, H, D
    int64_t kv_heads = 0, sequences = 0, prefix = 0;            // K, B, P
    auto operator<=>(const Attention&) const = default;
  };
  struct Product {  // linear_ and output_, forward and backward: M rows and a frozen matrix
    TensorType type = TensorType::F32;
    int64_t rows = 0, cols = 0, M = 0;
    int64_t R = 0;  // of the LoRA that joins it; 0: none does
    auto operator<=>(const Product&) const = default;
  };
  struct LowRank {  // lora_: M rows and a factor of width · R values
    int64_t width = 0, M = 0, R = 0;
    auto operator<=>(const LowRank&) const = default;
  };
  std::set<Attention> attention;
  std::set<Product> linear, output;
  std::set<LowRank> lora, lora_up_backward;  // all of them, and this one's alone
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;
  virtual std::string device() const = 0;  // what computes, for people: a GPU with its memory, driver and libraries
  virtual int threads() const = 0;
  virtual Compute compute() const = 0;
  // Bytes of one Activation, and where number i of a run of them lies.
  size_t value_bytes() const { return compute() == Compute::F32 ? sizeof(float) : sizeof(uint16_t); }
  Activation* at(Activation* x, int64_t i) const {
    return static_cast<std::byte*>(x) + i * static_cast<int64_t>(value_bytes());
  }
  const Activation* at(const Activation* x, int64_t i) const { return at(const_cast<Activation*>(x), i); }
  // To be called on the thread that will issue ops, before the first of them (OpenMP's and CUDA's settings are per
  // thread). Throws device_lost when an earlier call lost the device.
  virtual void enter() = 0;

  // Whether its attention takes a packing with a prefix.
  virtual bool shares_prefix() const { return false; }

  // ---- memory. allocate throws Error("out_of_memory"); a pointer is aligned for the widest vector of the machine.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory, size_t bytes) = 0;
  virtual size_t allocated() const = 0;  // bytes given and not released
  // Bytes of this backend's memory that loaded weights hold; and how many this process may hold in all, which is these
  // and what is free.
  virtual size_t weight_bytes() const = 0;
  virtual int64_t available_bytes() const = 0;
  // How many logits the output projection should make at a time: more of them take more memory, fewer mean that its
  // weight is read more often.
  virtual int64_t logits_per_chunk() const = 0;
  // Bytes of scratch that this backend holds once ops of these sizes have run.
  virtual size_t workspace_bytes(const OpSizes& sizes) const = 0;
  virtual void upload(void* to, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* from, size_t bytes) = 0;

  // ---- activations that wait in host memory, on a backend with memory of its own. Copies run beside the ops. Slots
  // are numbered from 0; each is host memory for one run of values, and grows when it is first asked for more. Ops wait
  // for a copy only after `settle`; the host waits only where a slot grows; enter() settles what an abandoned pass has
  // left.
  virtual bool offloads() const = 0;  // false: its memory is the host's, and the three below throw internal
  // Copies x (count), as the ops issued so far leave it, into the slot. Nothing may write to x until the slot is
  // settled.
  virtual void offload(int64_t slot, const Activation* x, int64_t count) = 0;
  // Copies the slot into x (count), after the ops issued so far. Nothing may read or write x until the slot is settled.
  virtual void fetch(Activation* x, int64_t slot, int64_t count) = 0;
  virtual void settle(int64_t slot) = 0;  // ops issued from here on come after the slot's last copy

  virtual void fill(float* x, float value, int64_t count) = 0;    // x = value
  virtual void add(float* y, const float* x, int64_t count) = 0;  // y += x
  // `data` is host memory that stays as it is while the weight lives.
  virtual Weight load_matrix(TensorType type, const std::byte* data, int64_t rows, int64_t cols) = 0;
  // The same for a matrix that only linear_forward and linear_backward will read: it may be kept in a form of their
  // own.
  virtual Weight load_projection(TensorType type, const std::byte* data, int64_t rows, int64_t cols) {
    return load_matrix(type, data, rows, cols);
  }
  virtual Vector load_vector(TensorType type, const std::byte* data, int64_t size) = 0;

  // ---- activations as such
  virtual void zero(Activation* x, int64_t count) = 0;
  virtual void round(Activation* to, const float* x, int64_t count) = 0;  // to = x, as an Activation stores it
  virtual bool all_finite(const Activation* x, int64_t count) = 0;        // on the host

  // ---- rows
  // y (N, C) = table[tokens]; tokens (N) lie inside the table (checked before the batch reaches a backend)
  virtual void embedding(Activation* y, const Weight& table, const int32_t* tokens, int64_t N) = 0;
  // y (M, C) = x[rows]
  virtual void gather_rows(Activation* y, const Activation* x, const int32_t* rows, int64_t M, int64_t C) = 0;
  // dx[rows] (., C) += scale · dy (M, C); rows are distinct
  virtual void scatter_rows(Activation* dx, const Activation* dy, const int32_t* rows, float scale, int64_t M,
                            int64_t C) = 0;

  // ---- normalisation: y = x / rms(x) ⊙ w
  // y (M, C) =, rstd (M) =
  virtual void rmsnorm_forward(Activation* y, float* rstd, const Activation* x, const Vector& w, float epsilon,
                               int64_t M) = 0;
  // dx (M, C) += ; w is frozen, so there is no dw
  virtual void rmsnorm_backward(Activation* dx, const Activation* dy, const Activation* x, const float* rstd,
                                const Vector& w, int64_t M) = 0;

  // ---- rotary position (struct Rope): x (N, heads, D) is rewritten in place; the backward turn is the inverse
  virtual void rope_forward(Activation* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) = 0;
  virtual void rope_backward(Activation* dx, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) = 0;

  // ---- causal attention inside each sequence, softmax(q kᵀ / √D) v, tile by tile: no (N, N) matrix exists. Rows of a
  // prefix are keys of every sequence, and queries once
  // o (N, H, D) =, lse (N, H) = log Σ exp of the scaled scores
  virtual void attention_forward(Activation* o, float* lse, const Activation* q, const Activation* k,
                                 const Activation* v, const Packing& packing, const AttentionShape& shape) = 0;
  // dq (N, H, D) =, dk (N, K, D) =, dv (N, K, D) =
  virtual void attention_backward(Activation* dq, Activation* dk, Activation* dv, const Activation* dout,
                                  const Activation* q, const Activation* k, const Activation* v, const Activation* o,
                                  const float* lse, const Packing& packing, const AttentionShape& shape) = 0;

  // ---- feed forward: y = silu(gate) ⊙ up
  virtual void swiglu_forward(Activation* y, const Activation* gate, const Activation* up, int64_t count) = 0;  // y =
  // dgate =, dup = ; each may be the very buffer it belongs to (gate, up)
  virtual void swiglu_backward(Activation* dgate, Activation* dup, const Activation* dy, const Activation* gate,
                               const Activation* up, int64_t count) = 0;

  // ---- frozen projection with what LoRA adds to it, W (out, in): no gradient of W exists
  // y (M, out) = x Wᵀ + u Bᵀ + residual; residual (M, out) may be null, and is no part of y
  virtual void linear_forward(Activation* y, const Activation* x, const Weight& w, const LowRank& lora,
                              const Activation* residual, int64_t M) = 0;
  // dx (M, in) = dy W + u A, or += when `accumulate`
  virtual void linear_backward(Activation* dx, const Activation* dy, const Weight& w, const LowRank& lora, int64_t M,
                               bool accumulate) = 0;
  // The output projection: the same products, with logits (M, V) in fp32. The gradient of the logits is in the type of
  // activations and lies in the logits' memory. Each row begins where its logits began, so that rows are
  // dlogit_stride(V) values apart
  virtual void output_forward(float* logits, const Activation* x, const Weight& w, const LowRank& lora, int64_t M) = 0;
  // dx =
  virtual void output_backward(Activation* dx, const Activation* dlogits, const Weight& w, const LowRank& lora,
                               int64_t M) = 0;
  int64_t dlogit_stride(int64_t V) const { return V * static_cast<int64_t>(sizeof(float) / value_bytes()); }
  virtual void add_bias(Activation* y, const Vector& bias, int64_t M) = 0;  // y (M, size) += bias, row by row

  // ---- the rest of LoRA. Projections that read the same x (q, k and v; gate and up) have their A stacked into one
  // matrix, so that x is read once. S is the sum of their ranks. Each projection has R columns of u and du (M, S),
  // whose rows are `stride` = S values apart, and a B (out, R). A and B are in the type that `round` makes.
  //
  // u (M, S) = scale · x Aᵀ
  virtual void lora_down(Activation* u, const Activation* x, const Activation* a, float scale, int64_t M, int64_t in,
                         int64_t S) = 0;
  // y (M, out) += u Bᵀ
  virtual void lora_up(Activation* y, const LowRank& lora, int64_t M, int64_t out) = 0;
  // du (M, R) = scale · dy B: the gradient by x Aᵀ; dB (out, R) += dyᵀ u; dy (M, out), `dy_stride` between its rows
  virtual void lora_up_backward(Activation* du, float* db, const Activation* dy, int64_t dy_stride, const Activation* u,
                                int64_t stride, const Activation* b, float scale, int64_t M, int64_t out,
                                int64_t R) = 0;
  // dA (S, in) += duᵀ x
  virtual void lora_down_backward(float* da, const Activation* du, const Activation* x, int64_t M, int64_t in,
                                  int64_t S) = 0;
  // LoRA on the embedding, whose A (V, R) has a row for each token.
  // u (N, R) = scale · A[tokens]
  virtual void lora_rows_forward(Activation* u, const Activation* a, const int32_t* tokens, float scale, int64_t N,
                                 int64_t R) = 0;
  // dA (V, R) += du (N, R), each row to its token's
  virtual void lora_rows_backward(float* da, const Activation* du, const RowsByToken& rows, int64_t R) = 0;

  // ---- log-prob of one target per row
  // lp (M) = logits[target] − lse, lse (M) = log Σ exp logits; logits (M, V)
  virtual void logprob_forward(float* lp, float* lse, const float* logits, const int32_t* targets, int64_t M,
                               int64_t V) = 0;
  // logits (M, V) become dlogits = dlp · (onehot(target) − softmax), as output_backward reads them
  virtual void logprob_backward(float* logits, const float* dlp, const float* lse, const int32_t* targets, int64_t M,
                                int64_t V) = 0;
  // dlp (M) = gradient of the actor's loss by each token's log-prob (ops/objective.h); reference may be null when kl is
  // 0
  virtual void policy_backward(float* dlp, const float* lp, const float* old_lp, const float* reference_lp,
                               const float* advantage, const PolicyCoefficients& c, int64_t M) = 0;

  // ---- choices: G of them, each among alternatives of its own, J in all. Choice g has those from offsets[g] −
  // offsets[0] to offsets[g + 1] − offsets[0], at least one: a part of a longer list of offsets (G + 1) will do.
  // lp (J) = log-softmax of x[g] · w[j] among the alternatives of its choice; x (G, C), w (J, C)
  virtual void choice_forward(float* lp, const Activation* x, const Activation* w, const int32_t* offsets, int64_t G,
                              int64_t C) = 0;
  // dx (G, C) = gradient of −Σ target · lp by x; lp, target (J)
  virtual void choice_backward(Activation* dx, const float* lp, const float* target, const Activation* w,
                               const int32_t* offsets, int64_t G, int64_t C) = 0;

  // dv (M) = slope · (v − target): the gradient of slope / 2 · Σ (v − target)²
  virtual void value_backward(float* dv, const float* v, const float* target, float slope, int64_t M) = 0;

  // ---- value head
  // v (M) =, z (M, E) = W1 x + b1, kept for the backward pass; x (M, C)
  virtual void value_head_forward(float* v, float* z, const Activation* x, const ValueHeadParameters& p, int64_t M,
                                  int64_t C, int64_t E) = 0;
  // dx (M, C) =, gradients += ; z becomes dz; dv (M)
  virtual void value_head_backward(Activation* dx, const ValueHeadParameters& gradients, float* z, const float* dv,
                                   const Activation* x, const ValueHeadParameters& p, int64_t M, int64_t C,
                                   int64_t E) = 0;

  // ---- parameters
  virtual double sum_of_squares(const float* x, int64_t count) = 0;  // on the host; NaN or ∞ when x holds one
  // m, v, w updated in place: decoupled weight decay, bias correction (Loshchilov & Hutter 2019)
  virtual void adamw(float* w, float* m, float* v, const float* gradient, const AdamwCoefficients& c,
                     int64_t count) = 0;
};

}  // namespace spark
