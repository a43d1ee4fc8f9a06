// The CUDA backend: compute bf16 on one device and one stream, with copies of block inputs on another. One file per op
// beside this one, the names of the CPU's. Nothing here waits for the device but what hands a number to the host:
// download, sum_of_squares, all_finite.
//
// Every op gives the same bits twice: no sum is made with atomics.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "cuda/device.h"
#include "cuda/offload.h"
#include "cuda/products.h"
#include "cuda/uploader.h"
#include "ops/backend.h"

namespace spark::cuda {

// How a frozen bf16 matrix (rows, cols) is stored: with a margin for LoRA's factor, so that one product computes both
// (linear.cu). Behind every row when it has more rows than columns, else as rows behind the last.
constexpr int64_t kMargin = 64;
inline int64_t stored_stride(int64_t rows, int64_t cols) { return rows > cols ? cols + kMargin : cols; }
inline int64_t stored_values(int64_t rows, int64_t cols) {
  return rows * stored_stride(rows, cols) + (rows > cols ? 0 : kMargin * cols);
}

// Whether load_matrix makes bf16 of it; a matrix of another type stays packed on the device.
inline bool loads_as_bf16(TensorType type) {
  return type == TensorType::F32 || type == TensorType::F16 || type == TensorType::BF16;
}

// About as many values as the largest matrix of an 8B block has.
constexpr int64_t kHeadPanel = int64_t{1} << 26;

// Whose attention kernels: mma.sync's, which every device has, or wgmma's (attention_hopper.h).
enum class AttentionKernels { Ampere, Hopper };

struct CudaOptions {
  int64_t head_panel = kHeadPanel;                 // values of a packed output projection unpacked at a time
  std::optional<AttentionKernels> attention = {};  // none: Hopper's where they are right
  double attention_difference = 1.0 / 64;          // from Ampere's that is right; of the largest value
};

class CudaBackend final : public Backend {
 public:
  // Throws backend_unavailable with the reason.
  explicit CudaBackend(int device, const CudaOptions& options = {});
  ~CudaBackend() override;

  const char* name() const override { return "cuda"; }
  std::string device() const override;
  Compute compute() const override { return Compute::Bf16; }
  int threads() const override { return 1; }
  void enter() override;

  void* allocate(size_t bytes) override;
  void release(void* memory, size_t bytes) override;
  size_t allocated() const override { return allocated_; }
  size_t weight_bytes() const override { return weight_bytes_; }
  int64_t available_bytes() const override;
  int64_t logits_per_chunk() const override { return int64_t{1} << 26; }
  size_t workspace_bytes(const OpSizes& sizes) const override;
  void upload(void* to, const void* host, size_t bytes) override;
  void download(void* host, const void* from, size_t bytes) override;
  bool offloads() const override { return true; }
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
  void close();
  // Scratch is kept from op to op and only grows; ops on one stream cannot meet in it.
  enum Slot { kWeights, kRows, kSums, kSlots };
  struct Scratch {
    void* data = nullptr;
    size_t bytes = 0;
  };
  void* scratch(Slot slot, size_t bytes);
  const float* widened(const Activation* x, int64_t count);  // in kRows
  // W in bf16, laid out as stored_values says: itself when it is bf16, else in kWeights. Its margin may be written to.
  Bf16* unpacked(const Weight& w);
  void unpack_rows(Bf16* to, const Weight& w, int64_t first, int64_t rows, int64_t stride);  // of a packed W
  Factor head_panel(const Weight& w, int64_t first, int64_t rows);                           // (rows, C) of W in bf16
  // x (M, cols) with the columns of u behind it, in kRows; padded(R) of them
  const Bf16* joined(const Activation* x, int64_t cols, const LowRank& lora, int64_t M);
  // Whether attention of this shape is Hopper's: its rows must be readable 16 bytes at a time.
  bool uses_hopper(const AttentionShape& shape, std::initializer_list<const void*> pointers) const;
  void choose_attention(const CudaOptions& options);  // attention_choice.cu
  bool has_hopper_code();
  double attention_difference(int64_t D);
  void gather_strided(Activation* y, const Activation* x, const int32_t* rows, int64_t M, int64_t C, int64_t stride);

  int device_;
  int64_t head_panel_;
  Stream stream_{};
  AttentionKernels attention_ = AttentionKernels::Ampere;
  std::string attention_text_;  // which, and why not the other
  size_t allocated_ = 0, weight_bytes_ = 0;
  std::array<Scratch, kSlots> scratch_;
  std::unique_ptr<Products> products_;
  std::unique_ptr<Uploader> uploader_;    // while matrices are loaded
  std::unique_ptr<Offloader> offloader_;  // from the first pass that offloads
};

}  // namespace spark::cuda
