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
  Compute compute() const override { return compute_; }
  int threads() const override { return threads_; }
  size_t allocated() const override { return allocated_; }
  size_t weight_bytes() const override { return weight_bytes_; }
  int64_t logits_per_chunk() const override { return int64_t{1} << 20; }
  bool offloads() const override { return false; }
  bool shares_prefix() const override { return true; }

#include "ops/overrides.inc"  // the rest of the contract, with `override`

 private:
  // Scratch is kept from call to call and only grows. One slot for each OpenMP thread, and two that a whole team
  // shares: unpacked or rounded weights, and fp32 sums on their way to bf16.
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
  void f32_linear_forward(float* y, const float* x, const Weight& w, int64_t M);
  void f32_linear_backward(float* dx, const float* dy, const Weight& w, int64_t M, bool accumulate);
  void bf16_linear_backward(uint16_t* dx, const uint16_t* dy, int64_t stride, const Weight& w, int64_t M,
                            bool accumulate);

  // lora.cpp: dx (M, in) += u A
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
