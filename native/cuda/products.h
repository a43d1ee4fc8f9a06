// Matrix products on the device: cuBLASLt (products.cu); row-major outside, summed in fp32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "cuda/runtime.h"

namespace spark::cuda {

enum class Number { Bf16, F32, E4m3 };

// A matrix as stored: row-major, `stride` values from row to row. A transposed one is stored as its transpose.
struct Factor {
  const void* data = nullptr;
  int64_t stride = 0;
  bool transposed = false;
};

// c (m, n) = scale · a b + addend; a is (m, k) and b is (k, n) once they are transposed. The addend is stored as c is:
// null for none, c itself to add to what it holds.
struct Product {
  int64_t m = 0, n = 0, k = 0;
  Factor a, b;
  void* c = nullptr;
  int64_t stride = 0;  // of c and the addend
  const void* addend = nullptr;
  float scale = 1;
  Number inputs = Number::Bf16, output = Number::Bf16;
  // Of e4m3 inputs: what the rows of a (m) and those of b as it is stored (n), transposed, are to be multiplied by.
  // Both are then rows of whole 16 bytes.
  const float *a_scales = nullptr, *b_scales = nullptr;
};

class Products {
 public:
  static constexpr size_t kWorkspace = size_t{64} << 20;  // what cuBLASLt may use
  explicit Products(Stream stream);
  ~Products();
  void run(const Product& product);
  static std::string library();  // its name and version

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Throws device_lost where the device is, else internal. `text` says which call failed and how.
[[noreturn]] void product_failed(const std::string& text, Stream stream);

}  // namespace spark::cuda
