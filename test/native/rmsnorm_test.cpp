#include "op_support.h"

using namespace spark_test;

namespace {

constexpr double kEpsilon = 1e-2;  // large enough that dropping it fails

Doubles reference_rstd(const Doubles& x, int64_t M, int64_t C) {
  Doubles rstd;
  for (int64_t m = 0; m < M; ++m) {
    double squares = 0;
    for (int64_t c = 0; c < C; ++c) squares += x[m * C + c] * x[m * C + c];
    rstd.push_back(1 / std::sqrt(squares / C + kEpsilon));
  }
  return rstd;
}

Doubles reference(const Doubles& x, const Doubles& w, int64_t M, int64_t C) {
  const Doubles rstd = reference_rstd(x, M, C);
  Doubles y(x.size());
  for (int64_t m = 0; m < M; ++m)
    for (int64_t c = 0; c < C; ++c) y[m * C + c] = x[m * C + c] * rstd[static_cast<size_t>(m)] * w[c];
  return y;
}

// dx by its equation (cuda/rmsnorm.cu)
Doubles reference_gradient(const Doubles& x, const Doubles& w, const Doubles& dy, int64_t M, int64_t C) {
  const Doubles rstd = reference_rstd(x, M, C);
  Doubles dx;
  for (int64_t m = 0; m < M; ++m) {
    double dot = 0;
    for (int64_t c = 0; c < C; ++c) dot += dy[m * C + c] * w[c] * x[m * C + c];
    const double scale = rstd[static_cast<size_t>(m)], back = scale * scale * dot / static_cast<double>(C);
    for (int64_t c = 0; c < C; ++c) dx.push_back(scale * (dy[m * C + c] * w[c] - x[m * C + c] * back));
  }
  return dx;
}

}  // namespace

TEST_CASE("rmsnorm: its gradient's equation is what differences say") {
  for (const auto& [M, C] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {3, 7}, {2, 100}}) {
    CAPTURE(C);
    const Doubles x = random_doubles("x", M * C), w = random_doubles("w", C), dy = random_doubles("dy", M * C);
    const Doubles expected = numeric_gradient([&](const Doubles& at) { return reference(at, w, M, C); }, x, dy);
    CHECK(distance(reference_gradient(x, w, dy, M, C), expected) < 1e-6);
  }
}

// Rows for a warp, and those for a block of each length that its registers hold or not.
OP_TEST_CASE("rmsnorm") {
  for (const auto& [M, C] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 1}, {3, 7}, {5, 64}, {2, 100}, {3, 1032}, {2, 1033}, {2, 4104}, {1, 8200}, {1, 16392}}) {
    CAPTURE(C);
    Device device(backend);
    const Doubles x = random_doubles("x", M * C), w = random_doubles("w", C), dy = random_doubles("dy", M * C);
    auto *dx = device.held(M * C, 0.5), *y = device.held(M * C, 9);
    float* rstd = device.filled(M, 0);
    const auto weight = device.vector(w);
    backend.rmsnorm_forward(y, rstd, device.activations(x), weight, static_cast<float>(kEpsilon), M);
    CHECK(distance(device.values(y, M * C), reference(x, w, M, C)) < tolerance.activations);
    CHECK(distance(device.host(rstd, M), reference_rstd(x, M, C)) < tolerance.exact);
    backend.rmsnorm_backward(dx, device.activations(dy), device.activations(x), rstd, weight, M);
    CHECK(distance(device.values(dx, M * C), plus(reference_gradient(x, w, dy, M, C), 0.5)) < tolerance.activations);
  }
}
