// Tokens per second of a LoRA SFT step (forward, backward, AdamW) on a GGUF model, beside the floor its products set.
//   bench_train MODEL.gguf [tokens] [sequence length] [threads]
// Floor: 4 FLOP per block weight and token (2 for the first block's q, k and v), 4 per output weight and loss token, at
// the rate of a 1024³ product measured in the same run. Attention and LoRA are not in it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "train/engine.h"

using namespace spark;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double gemm_rate(int threads) {
  CpuBackend backend(threads);
  backend.enter();
  constexpr int64_t S = 1024;
  const std::vector<float> a(S * S, 0.5f), b(S * S, 0.25f);
  std::vector<float> c(S * S);
  double best = 1e30;
  for (int i = 0; i < 20; ++i) {
    const double start = now();
    backend.linear_forward(c.data(), a.data(),
                           {reinterpret_cast<const std::byte*>(b.data()), TensorType::F32, S, S, nullptr}, S);
    best = std::min(best, now() - start);
  }
  return 2.0 * S * S * S / best;
}

int run(int argc, char** argv) {
  ModelOptions options;
  options.path = argv[1];
  const int32_t N = argc > 2 ? std::atoi(argv[2]) : 4096, length = argc > 3 ? std::atoi(argv[3]) : 200;
  options.threads = argc > 4 ? std::atoi(argv[4]) : 0;
  if (argc > 5) options.compute = argv[5];
  auto model = Model::open(options);
  const ModelInfo& info = model->info();
  std::vector<int32_t> tokens, cu{0};
  std::vector<uint8_t> mask;
  for (int32_t i = 0; i < N; ++i) {
    tokens.push_back(static_cast<int32_t>(i * 2654435761u % static_cast<uint32_t>(info.vocabulary)));
    mask.push_back(i % length != 0 && i % length > length / 2);  // half state, half own tokens
    if (i > 0 && i % length == 0) cu.push_back(i);
  }
  cu.push_back(N);
  Batch batch;
  batch.tokens = tokens, batch.cu_seqlens = cu, batch.loss_mask = mask;
  auto adapter = model->create_adapter({});
  double best = 1e30, loss = 0;
  int64_t losses = 0;
  for (int i = 0; i < 10; ++i) {
    const double start = now();
    const SftMetrics metrics = adapter->accumulate_sft(batch, 1000, nullptr);
    adapter->optimizer_step({.learning_rate = 1e-3f});
    best = std::min(best, now() - start);
    losses = metrics.tokens, loss = metrics.loss_sum / static_cast<double>(metrics.tokens);
  }
  const double q = static_cast<double>(info.heads * info.head_size),
               kv = static_cast<double>(info.kv_heads * info.head_size);
  const double C = static_cast<double>(info.width), attention = C * (q + 2 * kv);
  const double block = attention + q * C + 3 * C * static_cast<double>(info.feed_forward);
  const double flop = N * (4 * block * static_cast<double>(info.layers) - 2 * attention) +
                      4.0 * static_cast<double>(losses) * C * static_cast<double>(info.vocabulary);
  const double rate = gemm_rate(options.threads);
  std::printf("%s: %.2f M parameters, %d tokens in sequences of %d, %lld with loss, %d threads\n", argv[1],
              static_cast<double>(info.parameters) * 1e-6, N, length, static_cast<long long>(losses), info.threads);
  std::printf(
      "step %.1f ms, %.0f tokens/s; %.1f GFLOP/s of products = %.0f %% of sgemm 1024^3 (%.0f GFLOP/s); loss %.3f\n",
      best * 1e3, N / best, flop / best * 1e-9, 100 * flop / best / rate, rate * 1e-9, loss);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_train MODEL.gguf [tokens] [sequence length] [threads]\n");
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", e.code().c_str(), e.what());
    return 1;
  }
}
