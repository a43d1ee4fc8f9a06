#include <numeric>

#include "cuda/lost.h"
#include "op_support.h"
#include "support.h"

using namespace spark_test;

namespace {

struct Case {
  std::vector<int> lengths;
  int64_t H, K, D;
};

struct Sizes {
  int64_t N, q, kv;  // tokens, H D, K D
};

Sizes sizes(const Case& c) {
  return {std::accumulate(c.lengths.begin(), c.lengths.end(), int64_t{0}), c.H * c.D, c.K * c.D};
}

// o (N, H, D) then lse (N, H), from q, k, v concatenated.
Doubles reference(const Case& c, const Doubles& qkv) {
  const auto [N, QW, KW] = sizes(c);
  const double *q = qkv.data(), *k = q + N * QW, *v = k + N * KW;
  Doubles out(static_cast<size_t>(N * QW + N * c.H), 0.0);
  int64_t first = 0;
  for (const int n : c.lengths) {
    for (int64_t h = 0; h < c.H; ++h) {
      const int64_t g = h / (c.H / c.K);
      for (int64_t i = first; i < first + n; ++i) {
        Doubles s;
        double sum = 0;
        for (int64_t j = first; j <= i; ++j) {
          double dot = 0;
          for (int64_t d = 0; d < c.D; ++d) dot += q[i * QW + h * c.D + d] * k[j * KW + g * c.D + d];
          s.push_back(std::exp(dot / std::sqrt(static_cast<double>(c.D))));
          sum += s.back();
        }
        for (int64_t j = first; j <= i; ++j)
          for (int64_t d = 0; d < c.D; ++d)
            out[static_cast<size_t>(i * QW + h * c.D + d)] +=
                s[static_cast<size_t>(j - first)] / sum * v[j * KW + g * c.D + d];
        out[static_cast<size_t>(N * QW + i * c.H + h)] = std::log(sum);
      }
    }
    first += n;
  }
  return out;
}

// Exact gradient by q, k, v (concatenated) of Σ dout · o; itself checked against differences below.
Doubles reference_gradient(const Case& c, const Doubles& qkv, const Doubles& dout) {
  const auto [N, QW, KW] = sizes(c);
  const double *q = qkv.data(), *k = q + N * QW, *v = k + N * KW;
  const Doubles out = reference(c, qkv);
  const double scale = 1 / std::sqrt(static_cast<double>(c.D));
  Doubles gradient(qkv.size(), 0.0);
  double *dq = gradient.data(), *dk = dq + N * QW, *dv = dk + N * KW;
  int64_t first = 0;
  for (const int n : c.lengths) {
    for (int64_t h = 0; h < c.H; ++h)
      for (int64_t i = first; i < first + n; ++i)
        for (int64_t j = first; j <= i; ++j) {
          const int64_t a = i * QW + h * c.D, b = j * KW + h / (c.H / c.K) * c.D;
          double dot = 0, dp = 0, delta = 0;
          for (int64_t d = 0; d < c.D; ++d) {
            dot += q[a + d] * k[b + d];
            dp += dout[static_cast<size_t>(a + d)] * v[b + d];
            delta += dout[static_cast<size_t>(a + d)] * out[static_cast<size_t>(a + d)];
          }
          const double p = std::exp(dot * scale - out[static_cast<size_t>(N * QW + i * c.H + h)]);
          for (int64_t d = 0; d < c.D; ++d) {
            dq[a + d] += p * (dp - delta) * scale * k[b + d];
            dk[b + d] += p * (dp - delta) * scale * q[a + d];
            dv[b + d] += p * dout[static_cast<size_t>(a + d)];
          }
        }
    first += n;
  }
  return gradient;
}

void check(spark::Backend& backend, const Tolerance& tolerance, const Case& c, bool differences) {
  CAPTURE(c.D);
  CAPTURE(c.lengths.size());
  Device device(backend);
  const auto [N, QW, KW] = sizes(c);
  const Doubles qkv = random_doubles("qkv", N * (QW + 2 * KW)), dout = random_doubles("dout", N * QW);
  Doubles expected = reference_gradient(c, qkv, dout);
  if (differences) {
    Doubles weight = dout;
    weight.resize(dout.size() + static_cast<size_t>(N * c.H), 0.0);
    const Doubles numeric = numeric_gradient([&](const Doubles& at) { return reference(c, at); }, qkv, weight);
    CHECK(distance(expected, numeric) < 1e-7);
  }
  const auto* q = device.activations(qkv);  // (N, H, D), then k and v (N, K, D)
  const auto *k = backend.at(q, N * QW), *v = backend.at(k, N * KW);
  auto* o = device.held(N * QW, 9);
  float* lse = device.filled(N * c.H, 9);
  const spark::Packing packing = device.packing(c.lengths);
  backend.attention_forward(o, lse, q, k, v, packing, {c.H, c.K, c.D});
  const auto part = [](const auto& x, int64_t from, int64_t count) {
    return Doubles(x.begin() + from, x.begin() + from + count);
  };
  const Doubles out = reference(c, qkv);
  CHECK(distance(device.values(o, N * QW), part(out, 0, N * QW)) < tolerance.activations);
  CHECK(distance(device.host(lse, N * c.H), part(out, N * QW, N * c.H)) < tolerance.exact);
  auto* d = device.held(N * (QW + 2 * KW), 9);
  backend.attention_backward(d, backend.at(d, N * QW), backend.at(d, N * (QW + KW)), device.activations(dout), q, k, v,
                             o, lse, packing, {c.H, c.K, c.D});
  const auto got = device.values(d, N * (QW + 2 * KW));
  CHECK(distance(part(got, 0, N * QW), part(expected, 0, N * QW)) < tolerance.activations);
  CHECK(distance(part(got, N * QW, N * KW), part(expected, N * QW, N * KW)) < tolerance.activations);
  CHECK(distance(part(got, N * (QW + KW), N * KW), part(expected, N * (QW + KW), N * KW)) < tolerance.activations);
}

}  // namespace

OP_TEST_CASE("attention: the reference gradient agrees with differences, the op with both") {
  check(backend, tolerance, {{1}, 1, 1, 1}, true);
  check(backend, tolerance, {{3, 1, 5}, 4, 1, 3}, true);
  check(backend, tolerance, {{6, 2}, 2, 2, 16}, true);
}

OP_TEST_CASE("attention: tiles, odd lengths, grouped heads, several head sizes") {
  check(backend, tolerance, {{33, 1, 64, 65}, 4, 1, 16},
        false);                                            // 4:1; lengths around a tile of 32 queries and 64 keys
  check(backend, tolerance, {{131}, 2, 2, 64}, false);     // 1:1
  check(backend, tolerance, {{70, 31}, 3, 3, 20}, false);  // head size between vectors
  check(backend, tolerance, {{97, 2}, 8, 2, 128}, false);
}

TEST_CASE("attention: Hopper's kernels" * doctest::skip(!is_tested("cuda emulated"))) {
  for (const bool descending : {false, true}) {
    CAPTURE(descending);
    tested_compute() = spark::Compute::Bf16;
    const auto backend = emulated_cuda(descending, spark::cuda::AttentionKernels::Hopper);
    backend->enter();
    check(*backend, kCuda, {{1, 63, 65}, 2, 1, 8}, false);  // shorter than a tile; a head that fills an eighth of one
    if (kSanitized && descending) continue;
    check(*backend, kCuda, {{129, 7, 200}, 2, 1, 64}, false);
    check(*backend, kCuda, {{257, 64}, 3, 1, 128}, false);  // all stages, several heads to a key's
    check(*backend, kCuda, {{128}, 1, 1, 96}, false);
  }
}

TEST_CASE("attention: a device has Hopper's kernels when they agree with the others" *
          doctest::skip(!is_tested("cuda emulated"))) {
  namespace cuda = spark::cuda;
  const auto device = [](const cuda::CudaOptions& options) { return cuda::CudaBackend(0, options).device(); };
  cuda::emulated::descending_order(false);
  CHECK(device({}).find("attention by mma.sync") != std::string::npos);
  CHECK_THROWS_WITH_AS(device({.attention = cuda::AttentionKernels::Hopper}),
                       doctest::Contains("compute capability 9.0"), spark::Error);
  cuda::emulated::hopper() = true;
  CHECK(device({.attention = cuda::AttentionKernels::Ampere}).find("attention by mma.sync") != std::string::npos);
  if (!kSanitized) CHECK(device({}).find("attention by wgmma") != std::string::npos);
  CHECK(device({.attention_difference = 1e-9}).find("mma.sync (wgmma's differs") != std::string::npos);
  cuda::emulated::Counted& counted = cuda::emulated::counted();
  counted.most_waits = counted.waits;
  const Thrown lost = thrown([&] { device({}); });
  counted.most_waits = INT64_MAX;
  cuda::lost_device().reason.clear();  // other tests of this process go on
  CHECK(lost.code == "device_lost");
  CHECK(lost.message.find("SPARK_RL_ATTENTION=ampere") != std::string::npos);
  cuda::emulated::hopper() = false;
}
