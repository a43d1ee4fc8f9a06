#include "op_support.h"

using namespace spark_test;

OP_TEST_CASE("swiglu") {
  for (const int64_t n : {1, 37, 5000}) {
    Device device(backend);
    const Doubles gate = random_doubles("gate", n, 3.0), up = random_doubles("up", n), dy = random_doubles("dy", n);
    Doubles y(gate.size()), dgate(gate.size()), dup(gate.size());
    const auto f = [](double g, double u) { return g / (1 + std::exp(-g)) * u; };
    for (size_t i = 0; i < gate.size(); ++i) {
      constexpr double h = 1e-5;
      y[i] = f(gate[i], up[i]);
      dgate[i] = dy[i] * (f(gate[i] + h, up[i]) - f(gate[i] - h, up[i])) / (2 * h);
      dup[i] = dy[i] * (f(gate[i], up[i] + h) - f(gate[i], up[i] - h)) / (2 * h);
    }
    auto *g = device.activations(gate), *u = device.activations(up), *out = device.held(n, 9);
    backend.swiglu_forward(out, g, u, n);
    CHECK(distance(device.values(out, n), y) < tolerance.activations);
    backend.swiglu_backward(g, u, device.activations(dy), g, u, n);  // in place, as the model does
    CHECK(distance(device.values(g, n), dgate) < tolerance.activations);
    CHECK(distance(device.values(u, n), dup) < tolerance.activations);
  }
}

OP_TEST_CASE("swiglu at the ends of the exponential's range") {
  Device device(backend);
  auto* y = device.held(4, 9);
  backend.swiglu_forward(y, device.activations({-200, 200, -90, 0}), device.activations({1, 1, 1, 1}), 4);
  const auto got = device.values(y, 4);
  CHECK(std::abs(got[0]) < 1e-30);
  CHECK(got[1] == 200.0f);
  CHECK(std::abs(got[2]) < 1e-30);
  CHECK(got[3] == 0.0f);
}
