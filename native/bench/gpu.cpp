// Time of each op on the CUDA device at the shape of Llama-3.1-8B, beside its floor: what it must compute by the rate
// of a large product, or what it must read and write by the rate of a large copy, both measured first in the same run.
//   bench_gpu [--tokens 4096] [--length 4096] [--rank 16] [--only elementwise|products|attention|losses] [--compute
//   bf16|fp8] [--json]
// FLOP and bytes are those the op cannot do without: inputs once, outputs once, causal halves of attention.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/half.h"
#include "factory.h"
#include "flags.h"
#include "measure.h"
#include "ops/buffer.h"

using namespace spark;
using namespace spark::bench;
using nlohmann::json;

namespace {

constexpr int64_t C = 4096, H = 32, K = 8, D = 128, F = 14336, V = 128256;

class Bench {
 public:
  Bench(Backend& backend, bool quiet) : backend_(backend), arena_(backend), quiet_(quiet) { flag_ = arena_.ints(1); }

  // Random values of deviation about 0.3: products of zeros draw less power and run faster than real ones.
  Activation* activations(int64_t count) {
    std::vector<uint16_t> host(static_cast<size_t>(count));
    for (size_t i = 0; i < host.size(); ++i) host[i] = float_to_bf16(random(i));
    return uploaded(arena_.activations(count), host.data(), host.size() * sizeof(uint16_t));
  }
  float* floats(int64_t count) {
    std::vector<float> host(static_cast<size_t>(count));
    for (size_t i = 0; i < host.size(); ++i) host[i] = random(i);
    return uploaded(arena_.floats(count), host.data(), host.size() * sizeof(float));
  }
  int32_t* ints(const std::vector<int32_t>& host) {
    return uploaded(arena_.ints(static_cast<int64_t>(host.size())), host.data(), host.size() * sizeof(int32_t));
  }
  // Bytes 0x20 to 0x3f are small numbers in every type.
  Weight weight(TensorType type, int64_t rows, int64_t cols, bool projection = true) {
    std::vector<std::byte> host(tensor_bytes(type, rows * cols));
    for (size_t i = 0; i < host.size(); ++i) host[i] = static_cast<std::byte>(0x20 + i * 2654435761u % 29);
    if (type == TensorType::BF16) {
      for (size_t i = 0; i + 1 < host.size(); i += 2) {
        const uint16_t bits = float_to_bf16(random(i) * 0.05f);
        host[i] = static_cast<std::byte>(bits & 0xff), host[i + 1] = static_cast<std::byte>(bits >> 8);
      }
    }
    return projection ? backend_.load_projection(type, host.data(), rows, cols)
                      : backend_.load_matrix(type, host.data(), rows, cols);
  }

  // Median of several runs of a few launches each; the device is waited for once a run.
  double seconds(const std::function<void()>& op) {
    op();
    wait();
    const double start = now();
    op();
    wait();
    const int launches = std::clamp(static_cast<int>(5e-3 / std::max(now() - start, 1e-6)), 1, 200);
    std::vector<double> all;
    for (int repeat = 0; repeat < 7; ++repeat) {
      const double begin = now();
      for (int i = 0; i < launches; ++i) op();
      wait();
      all.push_back((now() - begin) / launches);
    }
    return median(all);
  }

  void measure_ceilings() {
    constexpr int64_t S = 8192;
    const Weight square = weight(TensorType::BF16, S, S);
    Activation *x = activations(S * S), *y = activations(S * S);
    float *sum = floats(S * S), *added = floats(S * S);
    flops_ = 2.0 * S * S * S / seconds([&] { backend_.linear_forward(y, x, square, {}, nullptr, S); });
    bytes_ = 12.0 * S * S / seconds([&] { backend_.add(sum, added, S * S); });
    if (quiet_) return;
    std::printf("ceilings: %.0f TFLOP/s (product of 8192), %.2f TB/s (y += x of 268 MB)\n", flops_ * 1e-12,
                bytes_ * 1e-12);
    std::printf("%-34s %9s %9s %7s %s\n", "op", "ms", "floor ms", "share", "bound by");
  }

  void row(const std::string& name, double flop, double bytes, const std::function<void()>& op) {
    const double took = seconds(op), compute = flop / flops_, memory = bytes / bytes_;
    const double floor = std::max(compute, memory);
    const char* bound = compute > memory ? "products" : "memory";
    ops_.push_back({{"name", name},
                    {"ms", took * 1e3},
                    {"floor_ms", floor * 1e3},
                    {"share", floor / took},
                    {"bound", bound},
                    {"flop", flop},
                    {"bytes", bytes}});
    if (!quiet_)
      std::printf("%-34s %9.4f %9.4f %6.1f%% %s\n", name.c_str(), took * 1e3, floor * 1e3, 100 * floor / took, bound);
  }

  json document() const { return {{"flops", flops_}, {"bytes_per_second", bytes_}, {"ops", ops_}}; }

 private:
  static float random(size_t i) { return static_cast<float>((i * 2654435761u >> 7) % 1000) * 1e-3f - 0.5f; }
  template <class T>
  T* uploaded(T* to, const void* host, size_t bytes) {
    backend_.upload(to, host, bytes);
    return to;
  }
  void wait() {
    int32_t nothing = 0;
    backend_.download(&nothing, flag_, sizeof nothing);
  }

  Backend& backend_;
  Arena arena_;
  bool quiet_;
  int32_t* flag_;
  double flops_ = 1, bytes_ = 1;
  json ops_ = json::array();
};

struct Sizes {
  int64_t N = 4096, length = 4096, R = 16;
};

struct Options {
  Sizes sizes;
  std::string only = "all", compute = "bf16";
  bool json = false;
};

void elementwise(Bench& bench, Backend& backend, const Sizes& s, const Packing& packing) {
  const double n = static_cast<double>(s.N);
  Activation *x = bench.activations(s.N * C), *y = bench.activations(s.N * C), *dx = bench.activations(s.N * C);
  Activation *gate = bench.activations(s.N * F), *up = bench.activations(s.N * F), *hidden = bench.activations(s.N * F);
  float* rstd = bench.floats(s.N);
  const std::vector<float> ones(C, 1.0f);
  const Vector norm = backend.load_vector(TensorType::F32, reinterpret_cast<const std::byte*>(ones.data()), C);
  const Rope rope{bench.floats(s.length * D), D, false};
  bench.row("rmsnorm_forward", 0, 4 * n * C, [&] { backend.rmsnorm_forward(y, rstd, x, norm, 1e-5f, s.N); });
  bench.row("rmsnorm_backward", 0, 8 * n * C, [&] { backend.rmsnorm_backward(dx, y, x, rstd, norm, s.N); });
  bench.row("rope_forward q", 0, 4 * n * H * D, [&] { backend.rope_forward(x, rope, packing, H, D); });
  bench.row("swiglu_forward", 0, 6 * n * F, [&] { backend.swiglu_forward(hidden, gate, up, s.N * F); });
  bench.row("swiglu_backward", 0, 10 * n * F, [&] { backend.swiglu_backward(gate, up, hidden, gate, up, s.N * F); });
}

void products(Bench& bench, Backend& backend, const Sizes& s) {
  const double n = static_cast<double>(s.N);
  Activation *x = bench.activations(s.N * C), *y = bench.activations(s.N * F), *rest = bench.activations(s.N * C);
  const bool fp8 = backend.compute() == Compute::Fp8;  // whatever their type, weights are then the same
  for (const TensorType type : {TensorType::BF16, TensorType::Q8_0, TensorType::Q4_K}) {
    if (fp8 && type != TensorType::BF16) continue;
    const Weight w = bench.weight(type, F, C);
    const std::string name = fp8 ? "fp8" : tensor_type_name(static_cast<uint32_t>(type));
    const double flop = 2 * n * C * F, bytes = 2 * n * (C + F) + static_cast<double>(tensor_bytes(type, F * C));
    bench.row("linear_forward " + name, flop, bytes, [&] { backend.linear_forward(y, x, w, {}, nullptr, s.N); });
    bench.row("linear_backward " + name, flop, bytes, [&] { backend.linear_backward(x, y, w, {}, s.N, false); });
  }
  if (fp8) {  // a product so narrow that its time is that of its quantised factor
    const Weight from_c = bench.weight(TensorType::BF16, 16, C), from_f = bench.weight(TensorType::BF16, 16, F);
    bench.row("quantise (N, C), to 16 columns", 0, 4 * n * C,
              [&] { backend.linear_forward(rest, x, from_c, {}, nullptr, s.N); });
    bench.row("quantise (N, F), to 16 columns", 0, 4 * n * F,
              [&] { backend.linear_forward(rest, y, from_f, {}, nullptr, s.N); });
  }
  Activation *a = bench.activations(2 * s.R * C), *b = bench.activations(F * s.R), *wide = bench.activations(s.R * F);
  Activation *u = bench.activations(s.N * 2 * s.R), *du = bench.activations(s.N * 2 * s.R);
  float *da = bench.floats(2 * s.R * C), *db = bench.floats(F * s.R);
  const int64_t S = 2 * s.R;
  const double r = static_cast<double>(s.R);
  bench.row("lora_down (gate, up)", 4 * n * r * C, 2 * n * C, [&] { backend.lora_down(u, x, a, 2, s.N, C, S); });
  const Weight gate = bench.weight(TensorType::BF16, F, C), down = bench.weight(TensorType::BF16, C, F);
  const double flop = 2 * n * C * F, bytes = 2 * n * (C + F) + 2.0 * C * F;
  bench.row("linear_forward gate, LoRA", flop, bytes,
            [&] { backend.linear_forward(y, x, gate, {u, S, s.R, b}, nullptr, s.N); });
  bench.row("linear_forward down, LoRA, residual", flop, bytes + 2 * n * C,
            [&] { backend.linear_forward(x, y, down, {u, S, s.R, a}, rest, s.N); });
  bench.row("linear_backward gate, LoRA", flop, bytes,
            [&] { backend.linear_backward(x, y, gate, {du, S, S, a}, s.N, false); });
  bench.row("linear_backward down, LoRA", flop, bytes,
            [&] { backend.linear_backward(y, x, down, {du, S, s.R, wide}, s.N, false); });
  bench.row("lora_up_backward (gate)", 4 * n * r * F, 2 * n * F,
            [&] { backend.lora_up_backward(du, db, y, F, u, S, b, 2, s.N, F, s.R); });
  bench.row("lora_up_backward (q)", 4 * n * r * C, 2 * n * C,
            [&] { backend.lora_up_backward(du, db, y, C, u, S, b, 2, s.N, C, s.R); });
  bench.row("lora_up_backward (k)", 4 * n * r * (K * D), 2 * n * (K * D),
            [&] { backend.lora_up_backward(du, db, y, K * D, u, S, b, 2, s.N, K * D, s.R); });
  bench.row("lora_down_backward (gate, up)", 4 * n * r * C, 2 * n * C,
            [&] { backend.lora_down_backward(da, du, x, s.N, C, S); });
}

void attention(Bench& bench, Backend& backend, const Sizes& s, const Packing& packing) {
  Activation *q = bench.activations(s.N * H * D), *k = bench.activations(s.N * K * D),
             *v = bench.activations(s.N * K * D);
  Activation *o = bench.activations(s.N * H * D), *dq = bench.activations(s.N * H * D);
  Activation *dk = bench.activations(s.N * K * D), *dv = bench.activations(s.N * K * D);
  float* lse = bench.floats(s.N * H);
  const AttentionShape shape{H, K, D};
  const double pairs = 0.5 * static_cast<double>(packing.sequences) * static_cast<double>(s.length * s.length);
  bench.row("attention_forward", 4 * pairs * H * D, 0,
            [&] { backend.attention_forward(o, lse, q, k, v, packing, shape); });
  bench.row("attention_backward", 10 * pairs * H * D, 0,
            [&] { backend.attention_backward(dq, dk, dv, o, q, k, v, o, lse, packing, shape); });
}

void losses(Bench& bench, Backend& backend) {
  const int64_t M = backend.logits_per_chunk() / V;
  const double m = static_cast<double>(M);
  const Weight head = bench.weight(TensorType::BF16, V, C, false);
  Activation* x = bench.activations(M * C);
  float *logits = bench.floats(M * V), *lp = bench.floats(M), *lse = bench.floats(M), *dlp = bench.floats(M);
  const int32_t* targets = bench.ints(std::vector<int32_t>(static_cast<size_t>(M), 7));
  const double flop = 2 * m * C * V, weight = 2.0 * C * V;
  bench.row("output_forward", flop, weight + 4 * m * V, [&] { backend.output_forward(logits, x, head, {}, M); });
  bench.row("logprob_forward", 0, 4 * m * V, [&] { backend.logprob_forward(lp, lse, logits, targets, M, V); });
  bench.row("logprob_backward", 0, 6 * m * V, [&] { backend.logprob_backward(logits, dlp, lse, targets, M, V); });
  constexpr int64_t G = 256, J = 9 * G;  // as many names as there are actions
  std::vector<int32_t> begins;
  for (int32_t g = 0; g <= G; ++g) begins.push_back(9 * g);
  Activation *rows = bench.activations(G * C), *w = bench.activations(J * C);
  float *choice_lp = bench.floats(J), *choice_target = bench.floats(J);
  const int32_t* offsets = bench.ints(begins);
  const double moved = 2.0 * (J + G) * C;
  bench.row("choice_forward", 0, moved, [&] { backend.choice_forward(choice_lp, rows, w, offsets, G, C); });
  bench.row("choice_backward", 0, moved,
            [&] { backend.choice_backward(rows, choice_lp, choice_target, w, offsets, G, C); });
  bench.row("output_backward", flop, weight + 2 * m * V, [&] { backend.output_backward(x, logits, head, {}, M); });
}

void run(const Options& options) {
  const Sizes& s = options.sizes;
  if (s.N % s.length != 0) throw Error("usage", "--tokens: expected a multiple of --length");
  const auto backend = make_backend("cuda", 0, options.compute);
  backend->enter();
  Bench bench(*backend, options.json);
  std::vector<int32_t> cu, positions;
  for (int64_t n = 0; n <= s.N; n += s.length) cu.push_back(static_cast<int32_t>(n));
  for (int64_t n = 0; n < s.N; ++n) positions.push_back(static_cast<int32_t>(n % s.length));
  const Packing packing{s.N, s.N / s.length, s.length, bench.ints(cu), bench.ints(positions)};
  const std::string& only = options.only;
  const std::map<std::string, std::function<void()>> parts = {
      {"elementwise", [&] { elementwise(bench, *backend, s, packing); }},
      {"products", [&] { products(bench, *backend, s); }},
      {"attention", [&] { attention(bench, *backend, s, packing); }},
      {"losses", [&] { losses(bench, *backend); }},
  };
  bench.measure_ceilings();
  for (const auto& [name, part] : parts) {
    if (only == "all" || only == name) part();
  }
  if (!options.json) return;
  json document = bench.document();
  document["device"] = backend->device();
  document["tokens"] = s.N, document["length"] = s.length, document["rank"] = s.R;
  std::cout << document.dump(2) << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags("Time of each op on the CUDA device at the shape of Llama-3.1-8B beside its floor");
  flags.number("--tokens", options.sizes.N, 1, "packed tokens, a multiple of --length");
  flags.number("--length", options.sizes.length, 1, "of a sequence");
  flags.number("--rank", options.sizes.R, 1, "of LoRA");
  flags.text("--only", options.only, "one part", {"all", "elementwise", "products", "attention", "losses"});
  flags.text("--compute", options.compute, "bf16 or fp8; with fp8 the rate of a large product is that of e4m3",
             {"bf16", "fp8"});
  flags.yes("--json", options.json, "one JSON document instead of a table");
  return flags.run(argc, argv, [&] { return run(options), 0; });
}
