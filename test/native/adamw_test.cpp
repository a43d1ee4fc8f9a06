#include "op_support.h"

using namespace spark_test;

OP_TEST_CASE("adamw: three steps of the published update, clip scale and decoupled decay included") {
  Device device(backend);
  constexpr int64_t n = 37;
  Doubles w = random_doubles("w", n), m(n, 0.0), v(n, 0.0);
  float *dw = device.floats(w), *dm = device.filled(n, 0), *dv = device.filled(n, 0);
  spark::AdamwCoefficients c{0.1f, 0.8f, 0.95f, 1e-3f, 0.2f, 0.5f, 0};
  for (c.step = 1; c.step <= 3; ++c.step) {
    const Doubles g = random_doubles(std::string("g").append(std::to_string(c.step)), n, 0.01);
    backend.adamw(dw, dm, dv, device.floats(g), c, n);
    for (size_t i = 0; i < n; ++i) {
      const double gradient = 0.5 * g[i];
      m[i] = 0.8 * m[i] + 0.2 * gradient;
      v[i] = 0.95 * v[i] + 0.05 * gradient * gradient;
      const double step = static_cast<double>(c.step);
      w[i] -= 0.1 * 0.2 * w[i];
      w[i] -= 0.1 * (m[i] / (1 - std::pow(0.8, step))) / (std::sqrt(v[i] / (1 - std::pow(0.95, step))) + 1e-3);
    }
  }
  CHECK(distance(device.host(dw, n), w) < 1e-5);
  CHECK(distance(device.host(dm, n), m) < 1e-5);
  CHECK(distance(device.host(dv, n), v) < 1e-5);
}

OP_TEST_CASE("sum of squares, and what add and fill do") {
  Device device(backend);
  const Doubles x = random_doubles("x", 1001);
  double expected = 0;
  for (const double value : x) expected += value * value;
  CHECK(backend.sum_of_squares(device.floats(x), 1001) == doctest::Approx(expected).epsilon(1e-9));
  CHECK_FALSE(std::isfinite(backend.sum_of_squares(device.floats({1, std::nan(""), 2}), 3)));
  float *a = device.floats({1, 2, 3}), *b = device.filled(3, 10);
  backend.add(b, a, 3);
  CHECK(device.host(b, 3) == std::vector<float>{11, 12, 13});
  backend.fill(b, 7, 2);
  CHECK(device.host(b, 3) == std::vector<float>{7, 7, 13});
}
