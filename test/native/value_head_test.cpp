#include "op_support.h"

using namespace spark_test;

namespace {

constexpr int64_t T = 3, C = 7, E = 10;
constexpr int64_t kW1 = T * C, kB1 = kW1 + E * C, kW2 = kB1 + E, kB2 = kW2 + E, kAll = kB2 + 1;

// v (T) from x (T, C), W1 (E, C), b1 (E), w2 (E), b2 concatenated
Doubles reference(const Doubles& p) {
  Doubles v;
  for (int64_t t = 0; t < T; ++t) {
    double sum = p[kB2];
    for (int64_t e = 0; e < E; ++e) {
      double z = p[static_cast<size_t>(kB1 + e)];
      for (int64_t c = 0; c < C; ++c) z += p[static_cast<size_t>(t * C + c)] * p[static_cast<size_t>(kW1 + e * C + c)];
      sum += p[static_cast<size_t>(kW2 + e)] * z / (1 + std::exp(-z));
    }
    v.push_back(sum);
  }
  return v;
}

}  // namespace

OP_TEST_CASE("value head: value, dx and every parameter's gradient") {
  Device device(backend);
  const Doubles all = random_doubles("all", kAll), dv = random_doubles("dv", T);
  const auto view = [](float* p) { return spark::ValueHeadParameters{p + kW1, p + kB1, p + kW2, p + kB2}; };
  const auto* x = device.activations(all);  // its first T C
  float *p = device.floats(all), *v = device.filled(T, 9), *z = device.filled(T * E, 9);
  backend.value_head_forward(v, z, x, view(p), T, C, E);
  CHECK(distance(device.host(v, T), reference(all)) < tolerance.exact);
  float* d = device.filled(kAll, 0.5f);  // dx is "=", parameters "+="
  auto* dx = device.held(T * C, 9);
  backend.value_head_backward(dx, view(d), z, device.floats(dv), x, view(p), T, C, E);
  const Doubles expected = numeric_gradient(reference, all, dv);
  CHECK(distance(device.values(dx, T * C), Doubles(expected.begin(), expected.begin() + kW1)) < tolerance.activations);
  CHECK(distance(device.host(d + kW1, kAll - kW1), plus(Doubles(expected.begin() + kW1, expected.end()), 0.5)) <
        tolerance.exact);
}

OP_TEST_CASE("value head: the slope of its loss") {
  Device device(backend);
  float* dv = device.filled(3, 9);
  backend.value_backward(dv, device.floats({1, -2, 0.5}), device.floats({0.5, 1, 0.5}), 0.25f, 3);
  CHECK(device.host(dv, 3) == std::vector<float>{0.125f, -0.75f, 0});
}
