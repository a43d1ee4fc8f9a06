#include "op_support.h"

using namespace spark_test;

namespace {

struct Shape {
  int64_t M, in, out, R;
};
constexpr double kScale = 1.75;

// y (M, out) = scale (x Aᵀ) Bᵀ from x, A, B concatenated
Doubles reference(const Shape& s, const Doubles& xab) {
  const double *x = xab.data(), *a = x + s.M * s.in, *b = a + s.R * s.in;
  Doubles y(static_cast<size_t>(s.M * s.out), 0.0);
  for (int64_t m = 0; m < s.M; ++m)
    for (int64_t r = 0; r < s.R; ++r) {
      double u = 0;
      for (int64_t i = 0; i < s.in; ++i) u += x[m * s.in + i] * a[r * s.in + i];
      for (int64_t o = 0; o < s.out; ++o) y[static_cast<size_t>(m * s.out + o)] += kScale * u * b[o * s.R + r];
    }
  return y;
}

}  // namespace

TEST_CASE("lora: down, up, dA, dB, dx") {
  auto& backend = test_backend();
  for (const Shape& s : std::vector<Shape>{
           {1, 1, 1, 1}, {5, 7, 3, 2}, {9, 20, 18, 8}, {37, 12, 16, 5}, {8, 35, 40, 17}, {6, 9, 5, 33}}) {
    CAPTURE(s.R);
    Device device(backend);
    const int64_t X = s.M * s.in, A = s.R * s.in, B = s.out * s.R;
    const Doubles xab = random_doubles("xab", X + A + B), dy = random_doubles("dy", s.M * s.out);
    const Doubles gradient = numeric_gradient([&](const Doubles& at) { return reference(s, at); }, xab, dy);
    const float *x = device.floats(xab), *a = x + X, *b = a + A;
    float *y = device.filled(s.M * s.out, 0.25f), *u = device.filled(s.M * s.R, 9), *du = device.filled(s.M * s.R, 9);
    backend.lora_forward(y, u, x, a, b, kScale, s.M, s.in, s.out, s.R);
    CHECK(distance(device.host(y, s.M * s.out), plus(reference(s, xab), 0.25)) < kTolerance);
    float* d = device.filled(X + A + B, 0.5f);
    backend.lora_backward(d, d + X, d + X + A, du, device.floats(dy), x, u, a, b, kScale, s.M, s.in, s.out, s.R);
    const auto got = device.host(d, X + A + B);
    const auto part = [](const auto& v, int64_t from, int64_t n) {
      return Doubles(v.begin() + from, v.begin() + from + n);
    };
    CHECK(distance(part(got, 0, X), plus(part(gradient, 0, X), 0.5)) < kTolerance);
    CHECK(distance(part(got, X, A), plus(part(gradient, X, A), 0.5)) < kTolerance);
    CHECK(distance(part(got, X + A, B), plus(part(gradient, X + A, B), 0.5)) < kTolerance);
    // no dx wanted: dA and dB are the same
    float* again = device.filled(X + A + B, 0.5f);
    backend.lora_backward(nullptr, again + X, again + X + A, du, device.floats(dy), x, u, a, b, kScale, s.M, s.in,
                          s.out, s.R);
    CHECK(device.host(again + X, A + B) == device.host(d + X, A + B));
  }
}
