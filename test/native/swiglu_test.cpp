#include "op_support.h"

using namespace spark_test;

TEST_CASE("swiglu") {
  auto& backend = test_backend();
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
    float *g = device.floats(gate), *u = device.floats(up), *out = device.filled(n, 9);
    backend.swiglu_forward(out, g, u, n);
    CHECK(distance(device.host(out, n), y) < kTolerance);
    backend.swiglu_backward(g, u, device.floats(dy), g, u, n);  // in place, as the model does
    CHECK(distance(device.host(g, n), dgate) < kTolerance);
    CHECK(distance(device.host(u, n), dup) < kTolerance);
  }
}

TEST_CASE("swiglu at the ends of the exponential's range") {
  auto& backend = test_backend();
  Device device(backend);
  float* y = device.filled(4, 9);
  backend.swiglu_forward(y, device.floats({-200, 200, -90, 0}), device.floats({1, 1, 1, 1}), 4);
  const auto got = device.host(y, 4);
  CHECK(std::abs(got[0]) < 1e-30);
  CHECK(got[1] == 200.0f);
  CHECK(std::abs(got[2]) < 1e-30);
  CHECK(got[3] == 0.0f);
}
