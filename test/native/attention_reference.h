// Attention by its equation in float64, and an op held against it: for the tests of every kind of kernel.
#pragma once

#include <numeric>
#include <vector>

#include "op_support.h"

namespace spark_test::attention {

struct Case {
  std::vector<int> lengths;
  int64_t H, K, D;
  int prefix = 0;  // rows that all sequences begin with; not counted among their lengths
};

struct Sizes {
  int64_t N, q, kv;  // tokens, H D, K D
};

inline Sizes sizes(const Case& c) {
  return {std::accumulate(c.lengths.begin(), c.lengths.end(), int64_t{c.prefix}), c.H * c.D, c.K * c.D};
}

// For every row, the rows that it sees, itself the last of them.
inline std::vector<std::vector<int64_t>> seen(const Case& c) {
  std::vector<std::vector<int64_t>> rows;
  const auto sequence = [&](std::vector<int64_t> before, int n) {
    for (int i = 0; i < n; ++i) before.push_back(std::ssize(rows)), rows.push_back(before);
    return before;
  };
  const std::vector<int64_t> shared = sequence({}, c.prefix);
  for (const int n : c.lengths) sequence(shared, n);
  return rows;
}

// o (N, H, D) then lse (N, H), from q, k, v concatenated.
inline Doubles reference(const Case& c, const Doubles& qkv) {
  const auto [N, QW, KW] = sizes(c);
  const double *q = qkv.data(), *k = q + N * QW, *v = k + N * KW;
  const auto keys = seen(c);
  Doubles out(static_cast<size_t>(N * QW + N * c.H), 0.0);
  for (int64_t h = 0; h < c.H; ++h) {
    const int64_t g = h / (c.H / c.K);
    for (int64_t i = 0; i < N; ++i) {
      const std::vector<int64_t>& own = keys[static_cast<size_t>(i)];
      Doubles s;
      double sum = 0;
      for (const int64_t j : own) {
        double dot = 0;
        for (int64_t d = 0; d < c.D; ++d) dot += q[i * QW + h * c.D + d] * k[j * KW + g * c.D + d];
        s.push_back(std::exp(dot / std::sqrt(static_cast<double>(c.D))));
        sum += s.back();
      }
      for (size_t at = 0; at < own.size(); ++at)
        for (int64_t d = 0; d < c.D; ++d)
          out[static_cast<size_t>(i * QW + h * c.D + d)] += s[at] / sum * v[own[at] * KW + g * c.D + d];
      out[static_cast<size_t>(N * QW + i * c.H + h)] = std::log(sum);
    }
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
  const auto keys = seen(c);
  for (int64_t h = 0; h < c.H; ++h)
    for (int64_t i = 0; i < N; ++i)
      for (const int64_t j : keys[static_cast<size_t>(i)]) {
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
  return gradient;
}

inline void check(spark::Backend& backend, const Tolerance& tolerance, const Case& c, bool differences) {
  CAPTURE(c.D);
  CAPTURE(c.lengths.size());
  CAPTURE(c.prefix);
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
  const spark::Packing packing = device.packing(c.lengths, c.prefix);
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
