// The CUDA backend: compute bf16 or fp8 on one device and one stream, with copies of block inputs on another. One file
// per op beside this one, the names of the CPU's. Nothing here waits for the device but what hands a number to the
// host: download, sum_of_squares, all_finite.
//
// Every op gives the same bits twice: no sum is made with atomics.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "cuda/device.h"
#include "cuda/fp8_rows.h"
#include "cuda/offload.h"
#include "cuda/products.h"
#include "cuda/uploader.h"
#include "ops/backend.h"

namespace spark::cuda {

// How a frozen bf16 matrix (rows, cols) is stored: with a margin, room for LoRA's factor, so that one product can
// compute both (linear.cu). A matrix with more rows than columns has kMargin more values behind every row, another one
// has kMargin more rows behind the last.
constexpr int64_t kMargin = 64;
inline int64_t stored_stride(int64_t rows, int64_t cols) { return rows > cols ? cols + kMargin : cols; }
inline int64_t stored_values(int64_t rows, int64_t cols) {
  return rows * stored_stride(rows, cols) + (rows > cols ? 0 : kMargin * cols);
}

// Room in bytes behind a row of a projection in e4m3, for LoRA's columns there (fp8_rows.cu): up to rank 32 behind W's,
// and up to 64 behind those of its transpose, where q, k and v add theirs at once.
constexpr int64_t kFp8Margin = 128, kFp8TransposedMargin = 256;

// Whether load_matrix makes bf16 of it; a matrix of another type stays packed on the device.
inline bool loads_as_bf16(TensorType type) {
  return type == TensorType::F32 || type == TensorType::F16 || type == TensorType::BF16;
}

// About as many values as the largest matrix of an 8B block has.
constexpr int64_t kHeadPanel = int64_t{1} << 26;

// Whose attention kernels: mma.sync's, which every device has, or wgmma's (attention_hopper.h).
enum class AttentionKernels { Ampere, Hopper };

struct CudaOptions {
  Compute compute = Compute::Bf16;                 // or Fp8
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
  Compute compute() const override { return compute_; }
  int threads() const override { return 1; }
  size_t allocated() const override { return allocated_; }
  size_t weight_bytes() const override { return weight_bytes_; }
  int64_t logits_per_chunk() const override { return int64_t{1} << 26; }
  bool offloads() const override { return true; }

#include "ops/overrides.inc"  // the rest of the contract, with `override`
  Weight load_projection(TensorType type, const std::byte* data, int64_t rows, int64_t cols) override;

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
  // ---- fp8.cu
  bool takes_fp8(int64_t rows, int64_t cols) const {
    return compute_ == Compute::Fp8 && rows % 16 == 0 && cols % 16 == 0;
  }
  void quantise_frozen(const Fp8Rows& to, const Bf16* x, int64_t rows, int64_t cols, int64_t stride);
  void fp8_product(Activation* c, const Activation* x, const Fp8Rows& w, const LowRank& lora, bool turned,
                   const Activation* addend, int64_t M, int64_t n, int64_t k);
  void fp8_forward(Activation* y, const Activation* x, const Weight& w, const LowRank& lora, const Activation* residual,
                   int64_t M);
  void fp8_backward(Activation* dx, const Activation* dy, const Weight& w, const LowRank& lora, int64_t M,
                    bool accumulate);
  void require_fp8();  // fp8_choice.cu
  double fp8_difference();
  // Whether attention of this shape is Hopper's: its rows must be readable 16 bytes at a time.
  bool uses_hopper(const AttentionShape& shape, std::initializer_list<const void*> pointers) const;
  void choose_attention(const CudaOptions& options);  // attention_choice.cu
  bool has_hopper_code();
  double attention_difference(int64_t D);
  // ---- lora_pass.cu: du and dB from one pass over dy
  static int64_t blocks_of_lora_pass();                             // that the current device runs at a time
  size_t lora_pass_bytes(int64_t M, int64_t out, int64_t R) const;  // in kRows; 0: two products are better
  // False, and nothing done, where these sizes and addresses are not for it.
  bool lora_pass(Activation* du, float* db, const Activation* dy, int64_t dy_stride, const Activation* u,
                 int64_t stride, const Activation* b, float scale, int64_t M, int64_t out, int64_t R);
  void gather_strided(Activation* y, const Activation* x, const int32_t* rows, int64_t M, int64_t C, int64_t stride);

  int device_;
  Compute compute_;
  int64_t head_panel_;
  Stream stream_{};
  int64_t lora_blocks_ = 0;  // blocks_of_lora_pass; 0: its blocks need more shared memory than the device has
  AttentionKernels attention_ = AttentionKernels::Ampere;
  std::string attention_text_;  // which, and why not the other
  size_t allocated_ = 0, weight_bytes_ = 0;
  std::array<Scratch, kSlots> scratch_;
  std::unique_ptr<Products> products_;
  std::unique_ptr<Uploader> uploader_;    // while matrices are loaded
  std::unique_ptr<Offloader> offloader_;  // from the first pass that offloads
};

}  // namespace spark::cuda
