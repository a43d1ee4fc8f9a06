// Products on the processor's bf16 units (AMX, AVX-512 BF16), accumulated in fp32, through oneDNN's matmul.
//
// An fp32 value is h + m + r with h its bf16 rounding, m the bf16 rounding of the rest, and |r| ≤ 2^-18 |x|. Then
//   Bf16    x w ≈ h h'                     error 2^-8 a product
//   Bf16x3  x w ≈ h h' + m h' + h m'       error 2^-17 a product (m m', r h' and h r' are left out)
// The second is one product over three times the inner length: [h m h] · [h' h' m'].
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "ops/backend.h"

namespace spark {

using Bf16 = uint16_t;

// How many bf16 values stand for one fp32 value inside a product: 1 or 3.
constexpr int64_t bf16_parts(Compute compute) { return compute == Compute::Bf16x3 ? 3 : 1; }

enum class Bf16Side { Left, Right };  // [h m h] or [h' h' m']

// to = the parts of x (count): part i begins at to + i · stride. With one part, its bf16 rounding.
void bf16_split(Bf16* to, int64_t stride, const float* x, int64_t count, int64_t parts, Bf16Side side);

// Throws unsupported_compute when this processor has no bf16 units.
void require_bf16_units();

// Keeps the compiled products: making one costs more than running a small one.
class Bf16Products {
 public:
  Bf16Products();
  ~Bf16Products();
  // c (m, n) = a (m, k) b, or += ; b is (k, n) row-major, or its transpose (n, k) when `transposed`; lda, ldb and ldc
  // are the distances of rows.
  void run(float* c, int64_t ldc, const Bf16* a, int64_t lda, const Bf16* b, int64_t ldb, bool transposed, int64_t m,
           int64_t n, int64_t k, bool accumulate);

 private:
  struct Product;
  struct Engine;
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, bool, bool>;
  std::unique_ptr<Engine> engine_;
  std::map<Key, std::unique_ptr<Product>> products_;
};

}  // namespace spark
