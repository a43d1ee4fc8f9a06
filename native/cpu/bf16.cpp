#include "cpu/bf16.h"

#include <dnnl.hpp>

#include <bit>

#include "core/error.h"
#include "core/half.h"
#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

namespace {

// Round to nearest, ties to even; NaN stays NaN.
SPARK_INLINE Bf16 to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<Bf16>(x == x ? rounded : (bits >> 16) | 0x40u);
}

SPARK_CLONES void round_row(Bf16* to, const float* x, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = to_bf16(x[i]);
}

SPARK_CLONES void split_row(Bf16* high, Bf16* middle, const float* x, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const Bf16 h = to_bf16(x[i]);
    high[i] = h;
    middle[i] = to_bf16(x[i] - bf16_to_float(h));
  }
}

}  // namespace

void bf16_split(Bf16* to, int64_t stride, const float* x, int64_t count, int64_t parts, Bf16Side side) {
  if (parts == 1) return round_row(to, x, count);
  Bf16* middle = to + (side == Bf16Side::Left ? 1 : 2) * stride;
  Bf16* again = to + (side == Bf16Side::Left ? 2 : 1) * stride;
  split_row(to, middle, x, count);
  std::copy_n(to, count, again);
}

void require_bf16_units() {
  const int isa = static_cast<int>(dnnl::get_effective_cpu_isa());
  if ((isa & static_cast<int>(dnnl::cpu_isa::avx512_core_bf16)) == static_cast<int>(dnnl::cpu_isa::avx512_core_bf16)) {
    return;
  }
  throw Error("unsupported_compute",
              "compute: expected a processor with AVX-512 BF16 or AMX, got one without; use compute f32");
}

struct Bf16Products::Engine {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

struct Bf16Products::Product {
  dnnl::memory::desc a, b, c;
  dnnl::matmul matmul;
};

Bf16Products::Bf16Products() : engine_(std::make_unique<Engine>()) {}
Bf16Products::~Bf16Products() = default;

void Bf16Products::run(float* c, int64_t ldc, const Bf16* a, int64_t lda, const Bf16* b, int64_t ldb, bool transposed,
                       int64_t m, int64_t n, int64_t k, bool accumulate) {
  using Type = dnnl::memory::data_type;
  using Dims = dnnl::memory::dims;
  if (m == 0 || n == 0) return;
  try {
    std::unique_ptr<Product>& product = products_[Key{m, n, k, lda, ldb, ldc, transposed, accumulate}];
    if (!product) {
      product = std::make_unique<Product>();
      product->a = {Dims{m, k}, Type::bf16, Dims{lda, 1}};
      product->b = {Dims{k, n}, Type::bf16, transposed ? Dims{1, ldb} : Dims{ldb, 1}};
      product->c = {Dims{m, n}, Type::f32, Dims{ldc, 1}};
      dnnl::primitive_attr attributes;
      if (accumulate) {
        dnnl::post_ops sum;
        sum.append_sum(1.0f);
        attributes.set_post_ops(sum);
      }
      product->matmul = dnnl::matmul({{product->a, product->b, product->c}, attributes, engine_->engine});
    }
    const auto memory = [&](const dnnl::memory::desc& desc, const void* data) {
      return dnnl::memory(desc, engine_->engine, const_cast<void*>(data));
    };
    product->matmul.execute(engine_->stream, {{DNNL_ARG_SRC, memory(product->a, a)},
                                              {DNNL_ARG_WEIGHTS, memory(product->b, b)},
                                              {DNNL_ARG_DST, memory(product->c, c)}});
    engine_->stream.wait();
  } catch (const dnnl::error& e) {
    products_.clear();
    check_dnnl(e.status, m, n, k);
  }
}

}  // namespace spark
