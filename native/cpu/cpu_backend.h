// The CPU backend: the readable reference, and fast. One file per op beside this one. Matrix products are oneDNN's,
// loops are OpenMP over rows or heads with vector code inside. No op splits a sum between threads, so results do not
// depend on scheduling.
#pragma once

#include <memory>
#include <vector>

#include "ops/backend.h"

namespace spark {

class CpuBackend : public Backend {
 public:
  explicit CpuBackend(int threads);  // 0: all cores this process may use

  const char* name() const override { return "cpu"; }
  int threads() const override { return threads_; }
  void enter() override;

  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void* to, const void* host, size_t bytes) override;
  void download(void* host, const void* from, size_t bytes) override;
  void fill(float* x, float value, int64_t count) override;
  void copy(float* y, const float* x, int64_t count) override;
  void add(float* y, const float* x, int64_t count) override;
  Weight load(TensorType type, const std::byte* data, int64_t rows, int64_t cols) override;

  void embedding(float* y, const Weight& table, const int32_t* tokens, int64_t N) override;
  void gather_rows(float* y, const float* x, const int32_t* rows, int64_t M, int64_t C) override;
  void scatter_rows(float* dx, const float* dy, const int32_t* rows, int64_t M, int64_t C) override;
  void rmsnorm_forward(float* y, float* rstd, const float* x, const Weight& w, float epsilon, int64_t M) override;
  void rmsnorm_backward(float* dx, const float* dy, const float* x, const float* rstd, const Weight& w,
                        int64_t M) override;
  void rope_forward(float* x, const float* table, const Packing& packing, int64_t heads, int64_t D,
                    int64_t rotary) override;
  void rope_backward(float* dx, const float* table, const Packing& packing, int64_t heads, int64_t D,
                     int64_t rotary) override;
  void attention_forward(float* o, float* lse, const float* q, const float* k, const float* v, const Packing& packing,
                         const AttentionShape& shape) override;
  void attention_backward(float* dq, float* dk, float* dv, const float* dout, const float* q, const float* k,
                          const float* v, const float* o, const float* lse, const Packing& packing,
                          const AttentionShape& shape) override;
  void swiglu_forward(float* y, const float* gate, const float* up, int64_t count) override;
  void swiglu_backward(float* dgate, float* dup, const float* dy, const float* gate, const float* up,
                       int64_t count) override;
  void linear_forward(float* y, const float* x, const Weight& w, int64_t M) override;
  void linear_backward(float* dx, const float* dy, const Weight& w, int64_t M, bool accumulate) override;
  void lora_forward(float* y, float* u, const float* x, const float* a, const float* b, float scale, int64_t M,
                    int64_t in, int64_t out, int64_t R) override;
  void lora_backward(float* dx, float* da, float* db, float* du, const float* dy, const float* x, const float* u,
                     const float* a, const float* b, float scale, int64_t M, int64_t in, int64_t out,
                     int64_t R) override;
  void logprob_forward(float* lp, float* lse, const float* logits, const int32_t* targets, int64_t M,
                       int64_t V) override;
  void logprob_backward(float* logits, const float* dlp, const float* lse, const int32_t* targets, int64_t M,
                        int64_t V) override;
  void policy_backward(float* dlp, const float* lp, const float* old_lp, const float* reference_lp,
                       const float* advantage, const PolicyCoefficients& c, int64_t M) override;
  void value_head_forward(float* v, float* z, const float* x, const ValueHeadParameters& p, int64_t M, int64_t C,
                          int64_t E) override;
  void value_head_backward(float* dx, const ValueHeadParameters& gradients, float* z, const float* dv, const float* x,
                           const ValueHeadParameters& p, int64_t M, int64_t C, int64_t E) override;
  double sum_of_squares(const float* x, int64_t count) override;
  void adamw(float* w, float* m, float* v, const float* gradient, const AdamwCoefficients& c, int64_t count) override;

 private:
  // Scratch of one OpenMP thread, at least `floats` long and 64-byte aligned; kept from call to call.
  float* scratch(int thread, int64_t floats);

  struct Scratch {
    std::unique_ptr<float, void (*)(void*)> data{nullptr, nullptr};
    int64_t size = 0;
  };
  int threads_;
  std::vector<Scratch> scratch_;
};

// c (m, n) = scale · op(a) op(b) + beta · c, row-major, through oneDNN. op transposes when its flag says so.
void cpu_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float scale, const float* a,
              int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);

}  // namespace spark
