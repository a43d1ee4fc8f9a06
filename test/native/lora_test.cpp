#include "op_support.h"

using namespace spark_test;

namespace {

// Two projections of one group: they read the same x through a stacked A (2 R, in) and have a B (out, R) each.
struct Shape {
  int64_t M, in, out, R;
  int64_t x() const { return M * in; }
  int64_t a() const { return 2 * R * in; }
  int64_t b() const { return out * R; }  // of one projection
};
constexpr double kScale = 1.75;

// y (2, M, out): y_p = scale (x A_pᵀ) B_pᵀ from x, A, B_0, B_1 concatenated
Doubles reference(const Shape& s, const Doubles& xabb) {
  const double *x = xabb.data(), *a = x + s.x(), *b = a + s.a();
  Doubles y(static_cast<size_t>(2 * s.M * s.out), 0.0);
  for (int64_t p = 0; p < 2; ++p)
    for (int64_t m = 0; m < s.M; ++m)
      for (int64_t r = 0; r < s.R; ++r) {
        double u = 0;
        for (int64_t i = 0; i < s.in; ++i) u += x[m * s.in + i] * a[(p * s.R + r) * s.in + i];
        for (int64_t o = 0; o < s.out; ++o)
          y[static_cast<size_t>((p * s.M + m) * s.out + o)] += kScale * u * b[p * s.b() + o * s.R + r];
      }
  return y;
}

Doubles part(const std::vector<float>& v, int64_t from, int64_t n) { return {v.begin() + from, v.begin() + from + n}; }
Doubles part(const Doubles& v, int64_t from, int64_t n) { return {v.begin() + from, v.begin() + from + n}; }

}  // namespace

OP_TEST_CASE("lora: down, up, dA, dB, dx of two projections that share A") {
  for (const Shape& s : std::vector<Shape>{
           {1, 1, 1, 1}, {5, 7, 3, 2}, {9, 20, 18, 8}, {37, 12, 16, 5}, {8, 35, 40, 17}, {6, 9, 5, 33}}) {
    CAPTURE(s.R);
    Device device(backend);
    const int64_t X = s.x(), A = s.a(), B = s.b(), S = 2 * s.R, Y = s.M * s.out;
    const Doubles values = random_doubles("xabb", X + A + 2 * B), dy = random_doubles("dy", 2 * Y);
    const Doubles gradient = numeric_gradient([&](const Doubles& at) { return reference(s, at); }, values, dy);
    const float *a = device.floats(values) + X, *b = a + A;
    const auto *x = device.activations(values), *dys = device.activations(dy);
    auto* y = device.held(2 * Y, 0.25);
    float *u = device.filled(s.M * S, 9), *du = device.filled(s.M * S, 9);
    backend.lora_down(u, x, a, s.M, s.in, S);
    for (int64_t p = 0; p < 2; ++p) {
      backend.lora_up(backend.at(y, p * Y), u + p * s.R, S, b + p * B, kScale, s.M, s.out, s.R);
    }
    CHECK(distance(device.values(y, 2 * Y), plus(reference(s, values), 0.25)) < tolerance.activations);

    const auto backward = [&](float* d, spark::Activation* dx) {
      for (int64_t p = 0; p < 2; ++p) {
        backend.lora_up_backward(du + p * s.R, d + A + p * B, backend.at(dys, p * Y), u + p * s.R, S, b + p * B, kScale,
                                 s.M, s.out, s.R);
      }
      backend.lora_down_backward(dx, d, du, x, a, s.M, s.in, S);
    };
    float* d = device.filled(A + 2 * B, 0.5f);
    auto* dx = device.held(X, 0.5);
    backward(d, dx);
    const auto got = device.host(d, A + 2 * B);
    CHECK(distance(device.values(dx, X), plus(part(gradient, 0, X), 0.5)) < tolerance.activations);
    // u and du may be rounded on the way
    CHECK(distance(part(got, 0, A), plus(part(gradient, X, A), 0.5)) < tolerance.activations);
    CHECK(distance(part(got, A, 2 * B), plus(part(gradient, X + A, 2 * B), 0.5)) < tolerance.activations);
    // no dx wanted: dA and dB are the same
    float* again = device.filled(A + 2 * B, 0.5f);
    backward(again, nullptr);
    CHECK(device.host(again, A + 2 * B) == got);
  }
}
