// Time of each main op at the shape of a 30 M parameter Llama, beside the rate oneDNN reaches on a square product here.
//   bench_ops [--tokens 2048] [--length 256] [--threads 0] [--json]
// FLOP of matrix work only, so that "of sgemm" says how far an op is from being a plain product.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "flags.h"
#include "measure.h"
#include "ops/buffer.h"

using namespace spark;
using namespace spark::bench;
using nlohmann::json;

namespace {

// Best of several runs: the machine's other work only ever adds.
double seconds(const std::function<void()>& run) {
  run();
  double best = 1e30, total = 0;
  for (int i = 0; i < 50 && (i < 5 || total < 0.4); ++i) {
    const double start = now();
    run();
    const double took = now() - start;
    best = std::min(best, took);
    total += took;
  }
  return best;
}

struct Options {
  int64_t tokens = 2048, length = 256, threads = 0;
  bool json = false;
};

struct Bench {
  double peak = 0;  // FLOP/s of a square product
  bool quiet = false;
  json ops = json::array();
  void row(const char* name, double flop, double bytes, const std::function<void()>& run) {
    const double s = seconds(run);
    json op = {{"name", name}, {"ms", s * 1e3}};
    if (flop > 0) op["flops"] = flop / s, op["share_of_sgemm"] = flop / s / peak;
    if (bytes > 0) op["bytes_per_second"] = bytes / s;
    ops.push_back(op);
    if (quiet) return;
    std::printf("%-28s %9.3f ms", name, s * 1e3);
    if (flop > 0) std::printf(" %9.1f GFLOP/s %6.1f %% of sgemm", flop / s * 1e-9, 100 * flop / s / peak);
    if (bytes > 0) std::printf(" %9.1f GB/s", bytes / s * 1e-9);
    std::printf("\n");
  }
};

struct Product {
  int64_t N, C, F;  // y (N, F) = x (N, C) Wᵀ
};

// The same projection with weights as other files keep them, and in bf16 where the processor can.
void linear_rows(Bench& bench, int threads, float* y, const float* x, float* dx, const Product& p) {
  const double flop = 2.0 * static_cast<double>(p.N) * static_cast<double>(p.C) * static_cast<double>(p.F);
  const auto rows = [&](const std::string& name, CpuBackend& backend, TensorType type) {
    // Bytes 0x20 are small positive numbers in every one of these types.
    const std::vector<std::byte> bytes(tensor_bytes(type, p.F * p.C), std::byte{0x20});
    const Weight w = backend.load_matrix(type, bytes.data(), p.F, p.C);
    bench.row(("linear_forward " + name).c_str(), flop, 0, [&] { backend.linear_forward(y, x, w, {}, nullptr, p.N); });
    bench.row(("linear_backward " + name).c_str(), flop, 0, [&] { backend.linear_backward(dx, y, w, {}, p.N, false); });
  };
  CpuBackend f32(threads);
  f32.enter();
  rows("Q8_0", f32, TensorType::Q8_0);
  rows("Q4_K", f32, TensorType::Q4_K);
  try {
    CpuBackend bf16(threads, Compute::Bf16);
    bf16.enter();
    rows("BF16 in bf16", bf16, TensorType::BF16);
  } catch (const Error& e) {
    if (e.code() != "unsupported_compute") throw;
    std::fprintf(stderr, "no products in bf16: %s\n", e.what());
  }
}

void run(const Options& options) {
  const int64_t N = options.tokens, length = options.length;
  const int threads = static_cast<int>(options.threads);
  CpuBackend backend(threads);
  backend.enter();
  constexpr int64_t C = 512, H = 8, K = 4, D = 64, F = 1536, V = 8192, R = 8;
  Arena arena(backend);
  const auto floats = [&](int64_t count) {
    float* x = arena.floats(count);
    for (int64_t i = 0; i < count; ++i) x[i] = static_cast<float>(i * 2654435761u % 1000) * 1e-3f - 0.5f;
    return x;
  };
  const auto weight = [&](int64_t rows, int64_t cols) {
    return Weight{reinterpret_cast<const std::byte*>(floats(rows * cols)), TensorType::F32, rows, cols, nullptr};
  };
  std::vector<int32_t> cu{0}, positions;
  while (cu.back() < N) {
    const int32_t n = static_cast<int32_t>(std::min<int64_t>(length, N - cu.back()));
    for (int32_t i = 0; i < n; ++i) positions.push_back(i);
    cu.push_back(cu.back() + n);
  }
  const Packing packing{N, static_cast<int64_t>(cu.size()) - 1, length, cu.data(), positions.data()};
  const AttentionShape heads{H, K, D};
  const double tokens = static_cast<double>(N);
  double pairs = 0;
  for (size_t s = 0; s + 1 < cu.size(); ++s) pairs += 0.5 * (cu[s + 1] - cu[s]) * (cu[s + 1] - cu[s]);

  Bench bench;
  bench.quiet = options.json;
  constexpr int64_t S = 1024;
  const Weight square = weight(S, S);
  float *sx = floats(S * S), *sy = floats(S * S);
  bench.peak = 2.0 * S * S * S / seconds([&] { backend.linear_forward(sy, sx, square, {}, nullptr, S); });
  if (!bench.quiet) {
    std::printf(
        "N %lld, C %lld, H %lld, K %lld, D %lld, F %lld, V %lld, R %lld, %d threads; sgemm %lld^3: %.1f GFLOP/s\n",
        (long long)N, (long long)C, (long long)H, (long long)K, (long long)D, (long long)F, (long long)V, (long long)R,
        backend.threads(), (long long)S, bench.peak * 1e-9);
  }

  const Weight up = weight(F, C);
  const Vector norm{floats(C), C, nullptr};
  float *x = floats(N * C), *dx = floats(N * C), *rstd = floats(N);
  float *y = floats(N * F), *gate = floats(N * F), *hidden = floats(N * F);
  float *a = floats(R * C), *b = floats(F * R), *da = floats(R * C), *db = floats(F * R), *u = floats(N * R),
        *du = floats(N * R);
  float *q = floats(N * H * D), *k = floats(N * K * D), *v = floats(N * K * D), *o = floats(N * H * D),
        *lse = floats(N * H);
  float *dq = floats(N * H * D), *dk = floats(N * K * D), *dv = floats(N * K * D), *table = floats(length * D);
  constexpr int64_t M = 256;
  float *logits = floats(M * V), *lp = floats(M), *row_lse = floats(M);
  const std::vector<int32_t> targets(M, 7);

  bench.row("linear_forward", 2 * tokens * C * F, 0, [&] { backend.linear_forward(y, x, up, {}, nullptr, N); });
  bench.row("linear_backward", 2 * tokens * C * F, 0, [&] { backend.linear_backward(dx, y, up, {}, N, false); });
  linear_rows(bench, threads, y, x, dx, {N, C, F});
  bench.row("linear_forward with LoRA", 2 * tokens * (C * F + R * (C + F)), 0, [&] {
    backend.lora_down(u, x, a, 2, N, C, R);
    backend.linear_forward(y, x, up, {u, R, R, b}, nullptr, N);
  });
  bench.row("linear_backward with LoRA", 2 * tokens * (C * F + 2 * R * (C + F)), 0, [&] {
    backend.lora_up_backward(du, db, y, F, u, R, b, 2, N, F, R);
    backend.linear_backward(dx, y, up, {du, R, R, a}, N, false);
    backend.lora_down_backward(da, du, x, N, C, R);
  });
  bench.row("attention_forward", 4 * pairs * H * D, 0,
            [&] { backend.attention_forward(o, lse, q, k, v, packing, heads); });
  bench.row("attention_backward", 10 * pairs * H * D, 0,
            [&] { backend.attention_backward(dq, dk, dv, dq, q, k, v, o, lse, packing, heads); });
  bench.row("rmsnorm_forward", 0, 8 * tokens * C, [&] { backend.rmsnorm_forward(dx, rstd, x, norm, 1e-5f, N); });
  bench.row("rmsnorm_backward", 0, 16 * tokens * C, [&] { backend.rmsnorm_backward(dx, x, x, rstd, norm, N); });
  bench.row("rope_forward", 0, 8 * tokens * H * D, [&] { backend.rope_forward(q, {table, D, false}, packing, H, D); });
  bench.row("swiglu_forward", 0, 12 * tokens * F, [&] { backend.swiglu_forward(hidden, gate, y, N * F); });
  bench.row("swiglu_backward", 0, 20 * tokens * F, [&] { backend.swiglu_backward(gate, y, hidden, gate, y, N * F); });
  bench.row("logprob_forward", 0, 4.0 * M * V,
            [&] { backend.logprob_forward(lp, row_lse, logits, targets.data(), M, V); });
  bench.row("logprob_backward", 0, 8.0 * M * V,
            [&] { backend.logprob_backward(logits, lp, row_lse, targets.data(), M, V); });
  constexpr int64_t G = 64, J = 9 * G;  // as many names as there are actions
  std::vector<int32_t> offsets;
  for (int32_t g = 0; g <= G; ++g) offsets.push_back(9 * g);
  float *w = floats(J * C), *target = floats(J), *choice_lp = floats(J);
  bench.row("choice_forward", 0, 4.0 * (J + G) * C,
            [&] { backend.choice_forward(choice_lp, x, w, offsets.data(), G, C); });
  bench.row("choice_backward", 0, 4.0 * (J + G) * C,
            [&] { backend.choice_backward(dx, choice_lp, target, w, offsets.data(), G, C); });
  bench.row("add", 0, 12 * tokens * C, [&] { backend.add(dx, x, N * C); });
  if (!bench.quiet) return;
  const json document = {{"N", N},
                         {"length", length},
                         {"threads", backend.threads()},
                         {"sgemm_1024_flops", bench.peak},
                         {"ops", bench.ops}};
  std::cout << document.dump(2) << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags("Time of each main op of the CPU backend beside a plain product");
  flags.number("--tokens", options.tokens, 1, "packed tokens");
  flags.number("--length", options.length, 1, "of a sequence");
  flags.number("--threads", options.threads, 0, "0: all cores");
  flags.yes("--json", options.json, "one JSON document instead of a table");
  return flags.run(argc, argv, [&] { return run(options), 0; });
}
