#include "op_support.h"

using namespace spark;
using namespace spark_test;

namespace {

// Two projections of one group, W_0 and W_1: they read the same x through a stacked A (2 R, in) and have a B (out, R)
// each.
struct Shape {
  int64_t M, in, out, R;
  int64_t x() const { return M * in; }
  int64_t a() const { return 2 * R * in; }
  int64_t b() const { return out * R; }  // of one projection
};
constexpr float kScale = 1.75f;

// y (2, M, out): y_p = x W_pᵀ + scale (x A_pᵀ) B_pᵀ from x, A, B_0, B_1 concatenated, and w (2, out, in)
Doubles reference(const Shape& s, const Doubles& w, const Doubles& xabb) {
  const double *x = xabb.data(), *a = x + s.x(), *b = a + s.a();
  Doubles y(static_cast<size_t>(2 * s.M * s.out), 0.0);
  for (int64_t p = 0; p < 2; ++p)
    for (int64_t m = 0; m < s.M; ++m) {
      double* own = y.data() + (p * s.M + m) * s.out;
      for (int64_t o = 0; o < s.out; ++o)
        for (int64_t i = 0; i < s.in; ++i)
          own[o] += x[m * s.in + i] * w[static_cast<size_t>((p * s.out + o) * s.in + i)];
      for (int64_t r = 0; r < s.R; ++r) {
        double u = 0;
        for (int64_t i = 0; i < s.in; ++i) u += x[m * s.in + i] * a[(p * s.R + r) * s.in + i];
        for (int64_t o = 0; o < s.out; ++o) own[o] += kScale * u * b[p * s.b() + o * s.R + r];
      }
    }
  return y;
}

template <class T>
Doubles part(const std::vector<T>& v, int64_t from, int64_t n) {
  return {v.begin() + from, v.begin() + from + n};
}

}  // namespace

// Wide and high, so that LoRA's part comes in both ways a backend may add it; the last is of a rank no margin holds.
OP_TEST_CASE("projections with LoRA that share A: forward with a residual, dA, dB, dx") {
  for (const Shape& s : std::vector<Shape>{{1, 1, 1, 1},
                                           {5, 3, 7, 2},
                                           {9, 20, 18, 8},
                                           {37, 12, 16, 5},
                                           {8, 40, 35, 17},
                                           {6, 5, 9, 33},
                                           {3, 4, 6, 70},
                                           {3, 6, 4, 70}}) {
    CAPTURE(s.in);
    CAPTURE(s.R);
    Device device(backend);
    const int64_t X = s.x(), A = s.a(), B = s.b(), S = 2 * s.R, Y = s.M * s.out, W = s.out * s.in;
    const Doubles values = random_doubles("xabb", X + A + 2 * B), dy = random_doubles("dy", 2 * Y),
                  w = random_doubles("w", 2 * W);
    const Doubles gradient = numeric_gradient([&](const Doubles& at) { return reference(s, w, at); }, values, dy);
    const Weight weights[] = {device.weight(part(w, 0, W), s.out, s.in), device.weight(part(w, W, W), s.out, s.in)};
    const Activation* x = device.activations(values);
    const Activation *a = backend.at(x, X), *b = backend.at(a, A);
    const auto *dys = device.activations(dy), *residual = device.held(Y, 0.25);
    auto* y = device.held(2 * Y, 9);
    auto *u = device.held(s.M * S, 9), *du = device.held(s.M * S, 9);
    backend.lora_down(u, x, a, kScale, s.M, s.in, S);
    for (int64_t p = 0; p < 2; ++p) {
      const LowRank up{backend.at(u, p * s.R), S, s.R, backend.at(b, p * B)};
      backend.linear_forward(backend.at(y, p * Y), x, weights[p], up, p ? residual : nullptr, s.M);
    }
    const Doubles expected = reference(s, w, values), second = plus(part(expected, Y, Y), 0.25);
    const auto got_y = device.values(y, 2 * Y);
    CHECK(distance(part(got_y, 0, Y), part(expected, 0, Y)) < tolerance.activations);
    CHECK(distance(part(got_y, Y, Y), second) < tolerance.activations);

    float* d = device.filled(A + 2 * B, 0.5f);
    auto* dx = device.held(X, 9);
    for (int64_t p = 0; p < 2; ++p) {
      backend.lora_up_backward(backend.at(du, p * s.R), d + A + p * B, backend.at(dys, p * Y), backend.at(u, p * s.R),
                               S, backend.at(b, p * B), kScale, s.M, s.out, s.R);
      const LowRank down = p ? LowRank{du, S, S, a} : LowRank{};
      backend.linear_backward(dx, backend.at(dys, p * Y), weights[p], down, s.M, p > 0);
    }
    backend.lora_down_backward(d, du, x, s.M, s.in, S);
    const auto got = device.host(d, A + 2 * B);
    CHECK(distance(device.values(dx, X), part(gradient, 0, X)) < tolerance.activations);
    // u and du are rounded on the way
    CHECK(distance(part(got, 0, A), plus(part(gradient, X, A), 0.5)) < tolerance.activations);
    CHECK(distance(part(got, A, 2 * B), plus(part(gradient, X + A, 2 * B), 0.5)) < tolerance.activations);
    // dx overwritten by one product with all of du
    backend.linear_backward(dx, dys, weights[0], {du, S, S, a}, s.M, false);
    backend.linear_backward(dx, backend.at(dys, Y), weights[1], {}, s.M, true);
    CHECK(distance(device.values(dx, X), part(gradient, 0, X)) < tolerance.activations);
  }
}
