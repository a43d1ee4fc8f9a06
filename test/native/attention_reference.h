// Attention by its equation in float64, and an op held against it: for the tests of every kind of kernel.
#pragma once

#include <numeric>
#include <vector>

#include "op_support.h"

namespace spark_test::attention {

struct Case {
  std::vector<int> lengths;
  int64_t H, K, D;
};

struct Sizes {
  int64_t N, q, kv;  // tokens, H D, K D
};

inline Sizes sizes(const Case& c) {
  return {std::accumulate(c.lengths.begin(), c.lengths.end(), int64_t{0}), c.H * c.D, c.K * c.D};
}

// o (N, H, D) then lse (N, H), from q, k, v concatenated.
inline Doubles reference(const Case& c, const Doubles& qkv) {
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
inline Doubles reference_gradient(const Case& c, const Doubles& qkv, const Doubles& dout) {
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

inline void check(spark::Backend& backend, const Tolerance& tolerance, const Case& c, bool differences) {
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

}  // namespace spark_test::attention
