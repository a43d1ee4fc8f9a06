// A backend that computes nothing: the memory planner runs the very code of a training step on it and reads how much
// memory the step asked for. What is predicted cannot drift from what is done.
#pragma once

#include <vector>

#include "ops/backend.h"

namespace spark {

// Pointers it gives are addresses to be compared and offset, never read. Downloads are zeros, so that losses are
// finite.
class CountingBackend final : public Backend {
 public:
  // Counts for a backend like this one.
  explicit CountingBackend(const Backend& like)
      : threads_(like.threads()),
        compute_(like.compute()),
        offloads_(like.offloads()),
        shares_prefix_(like.shares_prefix()),
        logits_per_chunk_(like.logits_per_chunk()) {}
  // Sizes that ops were called with since the last reset: what the real backend derives its scratch from.
  const OpSizes& needs() const { return needs_; }
  int64_t host_bytes() const;  // of slots, since then
  void reset_needs() { needs_ = {}, slots_.clear(); }

  const char* name() const override { return "counting"; }
  std::string device() const override { return "none"; }
  int threads() const override { return threads_; }
  Compute compute() const override { return compute_; }
  void enter() override {}
  bool shares_prefix() const override { return shares_prefix_; }
  size_t allocated() const override { return 0; }
  size_t weight_bytes() const override { return 0; }
  int64_t available_bytes() const override { return 0; }
  int64_t logits_per_chunk() const override { return logits_per_chunk_; }
  size_t workspace_bytes(const OpSizes&) const override { return 0; }

  void* allocate(size_t bytes) override;
  void release(void*, size_t) override {}
  void upload(void*, const void*, size_t) override {}
  void download(void* host, const void*, size_t bytes) override;
  bool offloads() const override { return offloads_; }
  void offload(int64_t slot, const Activation*, int64_t count) override;
  void fetch(Activation*, int64_t, int64_t) override {}
  void settle(int64_t) override {}
  void fill(float*, float, int64_t) override {}
  void add(float*, const float*, int64_t) override {}
  Weight load_matrix(TensorType type, const std::byte* data, int64_t rows, int64_t cols) override;
  Vector load_vector(TensorType type, const std::byte* data, int64_t size) override;

  void zero(Activation*, int64_t) override {}
  void round(Activation*, const float*, int64_t) override {}
  bool all_finite(const Activation*, int64_t) override { return true; }
  void embedding(Activation*, const Weight&, const int32_t*, int64_t) override {}
  void gather_rows(Activation*, const Activation*, const int32_t*, int64_t, int64_t) override {}
  void scatter_rows(Activation*, const Activation*, const int32_t*, float, int64_t, int64_t) override {}
  void rmsnorm_forward(Activation*, float*, const Activation*, const Vector&, float, int64_t) override {}
  void rmsnorm_backward(Activation*, const Activation*, const Activation*, const float*, const Vector&,
                        int64_t) override {}
  void rope_forward(Activation*, const Rope&, const Packing&, int64_t, int64_t) override {}
  void rope_backward(Activation*, const Rope&, const Packing&, int64_t, int64_t) override {}
  void attention_forward(Activation*, float*, const Activation*, const Activation*, const Activation*,
                         const Packing& packing, const AttentionShape& shape) override {
    note_attention(packing, shape);
  }
  void attention_backward(Activation*, Activation*, Activation*, const Activation*, const Activation*,
                          const Activation*, const Activation*, const Activation*, const float*, const Packing& packing,
                          const AttentionShape& shape) override {
    note_attention(packing, shape);
  }
  void swiglu_forward(Activation*, const Activation*, const Activation*, int64_t) override {}
  void swiglu_backward(Activation*, Activation*, const Activation*, const Activation*, const Activation*,
                       int64_t) override {}
  void linear_forward(Activation*, const Activation*, const Weight& w, const LowRank& lora, const Activation*,
                      int64_t M) override {
    needs_.linear.insert(product(w, lora, M));
  }
  void linear_backward(Activation*, const Activation*, const Weight& w, const LowRank& lora, int64_t M, bool) override {
    needs_.linear.insert(product(w, lora, M));
  }
  void output_forward(float*, const Activation*, const Weight& w, const LowRank&, int64_t M) override {
    needs_.output.insert(product(w, {}, M));
  }
  void output_backward(Activation*, const Activation*, const Weight& w, const LowRank&, int64_t M) override {
    needs_.output.insert(product(w, {}, M));
  }
  void add_bias(Activation*, const Vector&, int64_t) override {}
  void lora_down(Activation*, const Activation*, const Activation*, float, int64_t M, int64_t in, int64_t S) override {
    needs_.lora.insert({in, M, S});
  }
  void lora_up(Activation*, const LowRank&, int64_t, int64_t) override {}
  void lora_rows_forward(Activation*, const Activation*, const int32_t*, float, int64_t, int64_t) override {}
  void lora_rows_backward(float*, const Activation*, const RowsByToken&, int64_t) override {}
  void lora_up_backward(Activation*, float*, const Activation*, int64_t, const Activation*, int64_t, const Activation*,
                        float, int64_t M, int64_t out, int64_t R) override {
    needs_.lora.insert({out, M, R}), needs_.lora_up_backward.insert({out, M, R});
  }
  void lora_down_backward(float*, const Activation*, const Activation*, int64_t M, int64_t in, int64_t S) override {
    needs_.lora.insert({in, M, S});
  }
  void logprob_forward(float*, float*, const float*, const int32_t*, int64_t, int64_t) override {}
  void logprob_backward(float*, const float*, const float*, const int32_t*, int64_t, int64_t) override {}
  void policy_backward(float*, const float*, const float*, const float*, const float*, const PolicyCoefficients&,
                       int64_t) override {}
  void choice_forward(float*, const Activation*, const Activation*, const int32_t*, int64_t, int64_t) override {}
  void choice_backward(Activation*, const float*, const float*, const Activation*, const int32_t*, int64_t,
                       int64_t) override {}
  void value_backward(float*, const float*, const float*, float, int64_t) override {}
  void value_head_forward(float*, float*, const Activation*, const ValueHeadParameters&, int64_t, int64_t,
                          int64_t) override {}
  void value_head_backward(Activation*, const ValueHeadParameters&, float*, const float*, const Activation*,
                           const ValueHeadParameters&, int64_t, int64_t, int64_t) override {}
  double sum_of_squares(const float*, int64_t) override { return 0; }
  void adamw(float*, float*, float*, const float*, const AdamwCoefficients&, int64_t) override {}

 private:
  static OpSizes::Product product(const Weight& w, const LowRank& lora, int64_t M) {
    return {w.type, w.rows, w.cols, M, lora.u ? lora.R : 0};
  }
  void note_attention(const Packing& packing, const AttentionShape& shape) {
    needs_.attention.insert({packing.tokens, packing.longest, shape.heads, shape.head_size, shape.kv_heads,
                             packing.sequences, packing.prefix});
  }

  int threads_;
  Compute compute_;
  bool offloads_, shares_prefix_;
  int64_t logits_per_chunk_;
  OpSizes needs_;
  std::vector<int64_t> slots_;           // bytes
  uintptr_t next_ = uintptr_t{1} << 40;  // far from null, so that arithmetic on it stays in one piece
};

}  // namespace spark
