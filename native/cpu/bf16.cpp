#include "cpu/bf16.h"

#include <dnnl.hpp>
#include <utility>

#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

bool has(dnnl::cpu_isa isa) {
  const int wanted = static_cast<int>(isa);
  return (static_cast<int>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}

}  // namespace

void round_to_bf16(Bf16Bits* to, const float* x, int64_t count, float scale) {
  kernels().round_to_bf16(to, x, count, scale);
}

std::string widest_instructions() {
  using Isa = dnnl::cpu_isa;
  constexpr std::pair<Isa, const char*> kNames[] = {{Isa::avx512_core_amx, "AMX"},
                                                    {Isa::avx512_core_bf16, "AVX-512 BF16"},
                                                    {Isa::avx512_core, "AVX-512"},
                                                    {Isa::avx2, "AVX2"},
                                                    {Isa::avx, "AVX"},
                                                    {Isa::sse41, "SSE4.1"}};
  for (const auto& [isa, name] : kNames) {
    if (has(isa)) return name;
  }
  return "no vector instructions";
}

void require_bf16_units() {
  if (has(dnnl::cpu_isa::avx512_core_bf16)) return;
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

void Bf16Products::run(void* c, bool wide, int64_t ldc, const Bf16Bits* a, int64_t lda, const Bf16Bits* b, int64_t ldb,
                       bool transposed, int64_t m, int64_t n, int64_t k, bool accumulate) {
  using Type = dnnl::memory::data_type;
  using Dims = dnnl::memory::dims;
  if (m == 0 || n == 0) return;
  try {
    // Batches of many sizes would collect products without end.
    constexpr size_t kMostProducts = 512;
    if (products_.size() >= kMostProducts) products_.clear();
    std::unique_ptr<Product>& product = products_[Key{m, n, k, lda, ldb, ldc, transposed, accumulate, wide}];
    if (!product) {
      product = std::make_unique<Product>();
      product->a = {Dims{m, k}, Type::bf16, Dims{lda, 1}};
      product->b = {Dims{k, n}, Type::bf16, transposed ? Dims{1, ldb} : Dims{ldb, 1}};
      product->c = {Dims{m, n}, wide ? Type::f32 : Type::bf16, Dims{ldc, 1}};
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
