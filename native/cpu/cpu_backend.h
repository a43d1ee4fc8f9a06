// The CPU backend: the readable reference, and fast. One file per op beside this one. Matrix products are oneDNN's,
// loops are OpenMP over rows or heads with vector code inside. A sum that threads share is kept per thread and
// added in the threads' order, so results depend on the number of threads and never on scheduling.
#pragma once

#include <memory>
#include <vector>

#include "ops/backend.h"

namespace spark {

class Bf16Products;

class CpuBackend : public Backend {
 public:
  // 0 threads: all cores this process may use. Throws unsupported_compute when the processor lacks what it names.
  explicit CpuBackend(int threads, Compute compute = Compute::F32);
  ~CpuBackend() override;

  const char* name() const override { return "cpu"; }
  std::string device() const override;
  Compute compute() const override { return compute_; }
  int threads() const override { return threads_; }
  void enter() override;

  void* allocate(size_t bytes) override;
  void release(void* memory, size_t bytes) override;
  size_t allocated() const override { return allocated_; }
  size_t weight_bytes() const override { return weight_bytes_; }
  int64_t available_bytes() const override;
  int64_t logits_per_chunk() const override { return int64_t{1} << 20; }
  size_t workspace_bytes(const OpSizes& sizes) const override;
  void upload(void* to, const void* host, size_t bytes) override;
  void download(void* host, const void* from, size_t bytes) override;
  bool offloads() const override { return false; }
  void offload(int64_t slot, const Activation* x, int64_t count) override;
  void fetch(Activation* x, int64_t slot, int64_t count) override;
  void settle(int64_t slot) override;
  void fill(float* x, float value, int64_t count) override;
  void add(float* y, const float* x, int64_t count) override;
  Weight load_matrix(TensorType type, const std::byte* data, int64_t rows, int64_t cols) override;
  Vector load_vector(TensorType type, const std::byte* data, int64_t size) override;

  void zero(Activation* x, int64_t count) override;
  void round(Activation* to, const float* x, int64_t count) override;
  bool all_finite(const Activation* x, int64_t count) override;
  void embedding(Activation* y, const Weight& table, const int32_t* tokens, int64_t N) override;
  void gather_rows(Activation* y, const Activation* x, const int32_t* rows, int64_t M, int64_t C) override;
  void scatter_rows(Activation* dx, const Activation* dy, const int32_t* rows, float scale, int64_t M,
                    int64_t C) override;
  void rmsnorm_forward(Activation* y, float* rstd, const Activation* x, const Vector& w, float epsilon,
                       int64_t M) override;
  void rmsnorm_backward(Activation* dx, const Activation* dy, const Activation* x, const float* rstd, const Vector& w,
                        int64_t M) override;
  void rope_forward(Activation* x, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) override;
  void rope_backward(Activation* dx, const Rope& rope, const Packing& packing, int64_t heads, int64_t D) override;
  void attention_forward(Activation* o, float* lse, const Activation* q, const Activation* k, const Activation* v,
                         const Packing& packing, const AttentionShape& shape) override;
  void attention_backward(Activation* dq, Activation* dk, Activation* dv, const Activation* dout, const Activation* q,
                          const Activation* k, const Activation* v, const Activation* o, const float* lse,
                          const Packing& packing, const AttentionShape& shape) override;
  void swiglu_forward(Activation* y, const Activation* gate, const Activation* up, int64_t count) override;
  void swiglu_backward(Activation* dgate, Activation* dup, const Activation* dy, const Activation* gate,
                       const Activation* up, int64_t count) override;
  void linear_forward(Activation* y, const Activation* x, const Weight& w, const LowRank& lora,
                      const Activation* residual, int64_t M) override;
  void linear_backward(Activation* dx, const Activation* dy, const Weight& w, const LowRank& lora, int64_t M,
                       bool accumulate) override;
  void output_forward(float* logits, const Activation* x, const Weight& w, int64_t M) override;
  void output_backward(Activation* dx, const Activation* dlogits, const Weight& w, int64_t M) override;
  void add_bias(Activation* y, const Vector& bias, int64_t M) override;
  void lora_down(Activation* u, const Activation* x, const Activation* a, float scale, int64_t M, int64_t in,
                 int64_t S) override;
  void lora_up_backward(Activation* du, float* db, const Activation* dy, const Activation* u, int64_t stride,
                        const Activation* b, float scale, int64_t M, int64_t out, int64_t R) override;
  void lora_down_backward(float* da, const Activation* du, const Activation* x, int64_t M, int64_t in,
                          int64_t S) override;
  void logprob_forward(float* lp, float* lse, const float* logits, const int32_t* targets, int64_t M,
                       int64_t V) override;
  void logprob_backward(float* logits, const float* dlp, const float* lse, const int32_t* targets, int64_t M,
                        int64_t V) override;
  void policy_backward(float* dlp, const float* lp, const float* old_lp, const float* reference_lp,
                       const float* advantage, const PolicyCoefficients& c, int64_t M) override;
  void value_backward(float* dv, const float* v, const float* target, float slope, int64_t M) override;
  void value_head_forward(float* v, float* z, const Activation* x, const ValueHeadParameters& p, int64_t M, int64_t C,
                          int64_t E) override;
  void value_head_backward(Activation* dx, const ValueHeadParameters& gradients, float* z, const float* dv,
                           const Activation* x, const ValueHeadParameters& p, int64_t M, int64_t C, int64_t E) override;
  double sum_of_squares(const float* x, int64_t count) override;
  void adamw(float* w, float* m, float* v, const float* gradient, const AdamwCoefficients& c, int64_t count) override;

 private:
  // Scratch is kept from call to call and only grows. One slot for each OpenMP thread, and three that a whole team
  // shares: unpacked or rounded weights, rounded rows, and fp32 sums on their way to bf16.
  enum SharedSlot { kPanelSlot, kSumsSlot, kSharedSlots };
  float* scratch(int slot, int64_t floats);  // at least `floats` long, 64-byte aligned
  float* shared_scratch(SharedSlot slot, int64_t floats) { return scratch(threads_ + slot, floats); }
  // Scratch for a panel of W, or null when the product can read W where it lies.
  float* panel_scratch(const Weight& w);
  uint16_t* bf16_panel_scratch(const Weight& w);
  void add_activations(Activation* y, const Activation* x, int64_t count);  // y += x
  void unpack(float* to, const Weight& w, int64_t first, int64_t rows);
  void unpack(uint16_t* to, const Weight& w, int64_t first, int64_t rows);
  const float* widened(const Activation* x, int64_t count);  // value_head.cpp
  template <class T>
  void bf16_linear_forward(T* y, const uint16_t* x, const Weight& w, int64_t M);
  void f32_linear_backward(float* dx, const float* dy, const Weight& w, int64_t M, bool accumulate);
  void bf16_linear_backward(uint16_t* dx, const uint16_t* dy, int64_t stride, const Weight& w, int64_t M,
                            bool accumulate);

  // lora.cpp: y (M, out) += scale · u Bᵀ, dx (M, in) += scale · u A
  void lora_up(Activation* y, const LowRank& lora, int64_t M, int64_t out);
  void lora_input(Activation* dx, const LowRank& lora, int64_t M, int64_t in);
  template <class F, class Add>
  void sum_over_rows(int64_t M, int64_t size, bool team, F&& f, Add&& add);  // lora.cpp

  struct Scratch {
    std::unique_ptr<float, void (*)(void*)> data{nullptr, nullptr};
    int64_t size = 0;
  };
  int threads_;
  Compute compute_;
  size_t allocated_ = 0, weight_bytes_ = 0;
  std::vector<Scratch> scratch_;
  std::unique_ptr<Bf16Products> bf16_;  // null when products run in fp32
};

// c (m, n) = scale · op(a) op(b) + beta · c, row-major, through oneDNN. op transposes when its flag says so.
void cpu_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float scale, const float* a,
              int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);

// Floats of scratch of one thread that attention over a sequence of n tokens needs.
int64_t attention_scratch(int64_t n, int64_t D);
// Values of the panel of a matrix with rows of this length that is unpacked at a time.
int64_t panel_values(int64_t rows, int64_t cols);

// Throws out_of_memory or internal for a oneDNN status other than success.
void check_dnnl(int status, int64_t m, int64_t n, int64_t k);

}  // namespace spark
