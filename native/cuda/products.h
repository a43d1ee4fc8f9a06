// Matrix products on the device: cuBLASLt (products.cu); row-major outside, summed in fp32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "cuda/runtime.h"

namespace spark::cuda {

enum class Number { Bf16, F32 };

// c (m, n) = scale · op(a) op(b), or += when `accumulate`. op(a) is (m, k) and op(b) is (k, n); a transposed factor is
// stored as its transpose. lda, ldb and ldc are the distances of rows as stored.
struct Product {
  int64_t m = 0, n = 0, k = 0;
  const void* a = nullptr;
  int64_t lda = 0;
  bool transpose_a = false;
  const void* b = nullptr;
  int64_t ldb = 0;
  bool transpose_b = false;
  void* c = nullptr;
  int64_t ldc = 0;
  Number inputs = Number::Bf16, output = Number::Bf16;
  float scale = 1;
  bool accumulate = false;
};

class Products {
 public:
  static constexpr size_t kWorkspace = size_t{64} << 20;  // what cuBLASLt may use
  explicit Products(Stream stream);
  ~Products();
  void run(const Product& product);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spark::cuda
