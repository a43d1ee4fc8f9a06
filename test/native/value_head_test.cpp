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

TEST_CASE("value head: value, dx and every parameter's gradient") {
  auto& backend = test_backend();
  Device device(backend);
  const Doubles all = random_doubles("all", kAll), dv = random_doubles("dv", T);
  const auto view = [](float* p) { return spark::ValueHeadParameters{p + kW1, p + kB1, p + kW2, p + kB2}; };
  float *p = device.floats(all), *v = device.filled(T, 9), *z = device.filled(T * E, 9);
  backend.value_head_forward(v, z, p, view(p), T, C, E);
  CHECK(distance(device.host(v, T), reference(all)) < kTolerance);
  float* d = device.filled(kAll, 0.5f);  // dx is "=", the rest "+="
  backend.value_head_backward(d, view(d), z, device.floats(dv), p, view(p), T, C, E);
  Doubles expected = numeric_gradient(reference, all, dv);
  for (size_t i = kW1; i < expected.size(); ++i) expected[i] += 0.5;
  CHECK(distance(device.host(d, kAll), expected) < kTolerance);
}
