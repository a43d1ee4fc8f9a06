// How fast this machine multiplies, and how many products a step cannot do without.
#pragma once

#include <algorithm>
#include <dnnl.hpp>
#include <functional>
#include <vector>

#include "core/error.h"
#include "measure.h"
#include "train/engine.h"

namespace spark::bench {

// FLOP/s of `product`, which does 2 M N K: the best of half a second.
inline double best_rate(int64_t M, int64_t N, int64_t K, const std::function<void()>& product) {
  double best = 1e30;
  for (double begin = now(), start = begin; start - begin < 0.5; start = now()) {
    product();
    best = std::min(best, now() - start);
  }
  return 2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K) / best;
}

// oneDNN's fp32 product y = x Wᵀ, measured on oneDNN itself: the machine's rate, whatever the engine does with it.
inline double sgemm_rate(int64_t M, int64_t N, int64_t K) {
  const std::vector<float> x(static_cast<size_t>(M * K), 0.5f), w(static_cast<size_t>(N * K), 0.25f);
  std::vector<float> y(static_cast<size_t>(M * N));
  return best_rate(M, N, K, [&] {
    if (dnnl_sgemm('N', 'T', M, N, K, 1.0f, x.data(), K, w.data(), K, 0.0f, y.data(), N) != dnnl_success)
      throw Error("internal", "oneDNN refused a plain product");
  });
}

// The same product in bf16 with fp32 sums and results; W in the order oneDNN likes best. 0 where it has none.
inline double bf16_rate(int64_t M, int64_t N, int64_t K) try {
  using namespace dnnl;
  using Type = memory::data_type;
  using Tag = memory::format_tag;
  const engine cpu(engine::kind::cpu, 0);
  stream queue(cpu);
  const memory::desc x({M, K}, Type::bf16, Tag::ab), w({K, N}, Type::bf16, Tag::any), y({M, N}, Type::f32, Tag::ab);
#if DNNL_VERSION_MAJOR >= 3
  const matmul::primitive_desc shape(cpu, x, w, y);
#else
  const matmul::primitive_desc shape(matmul::desc(x, w, y), cpu);
#endif
  const matmul product(shape);
  memory mx(shape.src_desc(), cpu), mw(shape.weights_desc(), cpu), my(shape.dst_desc(), cpu);
  const auto ones = [](memory& m) {  // 1.0 in bf16
    auto* values = static_cast<uint16_t*>(m.get_data_handle());
    std::fill_n(values, m.get_desc().get_size() / sizeof(uint16_t), uint16_t{0x3f80});
  };
  ones(mx), ones(mw);
  return best_rate(M, N, K, [&] {
    product.execute(queue, {{DNNL_ARG_SRC, mx}, {DNNL_ARG_WEIGHTS, mw}, {DNNL_ARG_DST, my}});
    queue.wait();
  });
} catch (const dnnl::error&) {
  return 0;
}

// FLOP of the frozen products that a step cannot do without: 2 per weight and token forward, 2 for the gradient of its
// input, which q, k and v of the first block do not need. `head_rows` rows meet the output projection.
inline double product_flop(const ModelInfo& info, double tokens, double head_rows, bool backward) {
  const double C = static_cast<double>(info.width), q = static_cast<double>(info.heads * info.head_size),
               kv = static_cast<double>(info.kv_heads * info.head_size);
  const double qkv = C * (q + 2 * kv), block = qkv + q * C + 3 * C * static_cast<double>(info.feed_forward);
  const double weights = block * static_cast<double>(info.layers), head = C * static_cast<double>(info.vocabulary);
  const double forward = 2 * (tokens * weights + head_rows * head);
  return backward ? 2 * forward - 2 * tokens * qkv : forward;
}

}  // namespace spark::bench
