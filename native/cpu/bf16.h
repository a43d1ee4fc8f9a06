// Products on the processor's bf16 units (AMX, AVX-512 BF16), summed in fp32, through oneDNN's matmul. Rounding both
// factors to bf16 leaves a relative error of 2^-8 in each product, which a sum over hundreds of them averages out.
//
// Three bf16 products for one of fp32 (high and low halves, an error of 2^-17) were tried: no faster than sgemm here,
// as splitting the factors costs what the units save.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "cpu/activation.h"

namespace spark {

// to = scale · x, to nearest, ties to even; NaN stays NaN
void round_to_bf16(Bf16Bits* to, const float* x, int64_t count, float scale = 1.0f);

// The widest that products use here: AMX, AVX-512, …
std::string widest_instructions();

// Throws unsupported_compute when this processor has no bf16 units.
void require_bf16_units();

// Keeps the compiled products: making one costs more than running a small one.
class Bf16Products {
 public:
  Bf16Products();
  ~Bf16Products();
  // c (m, n) = a (m, k) b, or += ; b is (k, n) row-major, or its transpose (n, k) when `transposed`; lda, ldb and ldc
  // are the distances of rows. A result in bf16 is rounded once, after the sum.
  template <class T>
  void run(T* c, int64_t ldc, const Bf16Bits* a, int64_t lda, const Bf16Bits* b, int64_t ldb, bool transposed,
           int64_t m, int64_t n, int64_t k, bool accumulate) {
    run(c, std::is_same_v<T, float>, ldc, a, lda, b, ldb, transposed, m, n, k, accumulate);
  }

 private:
  struct Product;
  struct Engine;
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, bool, bool, bool>;
  void run(void* c, bool wide, int64_t ldc, const Bf16Bits* a, int64_t lda, const Bf16Bits* b, int64_t ldb,
           bool transposed, int64_t m, int64_t n, int64_t k, bool accumulate);
  std::unique_ptr<Engine> engine_;
  std::map<Key, std::unique_ptr<Product>> products_;
};

}  // namespace spark
