#include <tuple>

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

// dy (M, out) as lora_up_backward reads it, and u and du (M, R) as columns of stacks (M, S).
struct UpShape {
  int64_t M, out, R, S, column, dy_stride;
  bool once = true;  // whether the device reads dy once (native/cuda/lora_pass.cu)
};

// What one call of lora_up_backward is given on a backend, and gives.
struct Up {
  UpShape s;
  Doubles dy, u, b;  // (M, dy_stride), (M, S), (out, R)

  explicit Up(const UpShape& shape) : s(shape), u(random_doubles("u", s.M * s.S)), b(random_doubles("b", s.out * s.R)) {
    constexpr int64_t kDistinct = 100003;
    const Doubles some = random_doubles("dy", kDistinct);
    for (int64_t i = 0; i < s.M * s.dy_stride; ++i) dy.push_back(some[static_cast<size_t>(i % kDistinct)]);
  }

  struct Result {
    Doubles du, db;  // (M, S) that held 9, and (out, R) that held 0.5
  };
  // `offset` values behind an aligned address, where u lies
  Result run(Backend& backend, int64_t offset = 0) const {
    Device device(backend);
    Doubles moved(static_cast<size_t>(offset), 0.0);
    moved.insert(moved.end(), u.begin(), u.end());
    auto* du = device.held(s.M * s.S, 9);
    float* db = device.filled(s.out * s.R, 0.5f);
    const Activation *dys = device.activations(dy), *us = device.activations(moved), *bs = device.activations(b);
    backend.lora_up_backward(backend.at(du, s.column), db, dys, s.dy_stride, backend.at(us, offset + s.column), s.S, bs,
                             kScale, s.M, s.out, s.R);
    const auto got = device.values(du, s.M * s.S), sums = device.host(db, s.out * s.R);
    return {{got.begin(), got.end()}, {sums.begin(), sums.end()}};
  }
  Result expected() const {
    Result r{Doubles(static_cast<size_t>(s.M * s.S), 9.0), Doubles(static_cast<size_t>(s.out * s.R), 0.5)};
    for (int64_t m = 0; m < s.M; ++m) {
      double* du = r.du.data() + m * s.S + s.column;
      std::fill_n(du, s.R, 0.0);
      for (int64_t o = 0; o < s.out; ++o) {
        const double own = dy[static_cast<size_t>(m * s.dy_stride + o)];
        for (int64_t k = 0; k < s.R; ++k) {
          du[k] += kScale * own * b[static_cast<size_t>(o * s.R + k)];
          r.db[static_cast<size_t>(o * s.R + k)] += own * u[static_cast<size_t>(m * s.S + s.column + k)];
        }
      }
    }
    return r;
  }
};

// Of one strip of columns or several, of one run of rows or several, that end anywhere; then what is not for that pass.
const UpShape kUpShapes[] = {
    {300, 264, 8, 48, 40, 264},        {257, 1040, 16, 48, 16, 1040},     {777, 520, 32, 96, 32, 520},
    {256, 256, 24, 24, 0, 264},        {300, 264, 64, 64, 0, 264, false}, {300, 264, 8, 20, 8, 264, false},
    {300, 264, 12, 24, 0, 264, false}, {300, 264, 8, 16, 8, 268, false},  {255, 256, 8, 8, 0, 256, false}};

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
      backend.lora_up_backward(backend.at(du, p * s.R), d + A + p * B, backend.at(dys, p * Y), s.out,
                               backend.at(u, p * s.R), S, backend.at(b, p * B), kScale, s.M, s.out, s.R);
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

// logits (M, V): x Wᵀ + scale (x Aᵀ) Bᵀ of x, A (R, C) and B (V, R) concatenated
OP_TEST_CASE("LoRA on the output projection: logits, dx, dA, dB from gradients that lie among logits") {
  for (const Shape& s : std::vector<Shape>{{1, 1, 1, 1}, {5, 3, 7, 2}, {9, 20, 18, 8}, {7, 12, 35, 17}}) {
    CAPTURE(s.in);
    Device device(backend);
    const int64_t X = s.x(), A = s.R * s.in, B = s.b(), Y = s.M * s.out;
    const Doubles values = random_doubles("xab", X + A + B), dy = random_doubles("dy", Y),
                  w = random_doubles("w", s.out * s.in);
    const auto logits_of = [&](const Doubles& at) {
      Doubles y = times_transposed(part(at, 0, X), w, s.M, s.out, s.in);
      const Doubles u = times_transposed(part(at, 0, X), part(at, X, A), s.M, s.R, s.in);
      const Doubles up = times_transposed(u, part(at, X + A, B), s.M, s.out, s.R);
      for (size_t i = 0; i < y.size(); ++i) y[i] += kScale * up[i];
      return y;
    };
    const Doubles gradient = numeric_gradient(logits_of, values, dy);
    const Weight weight = device.weight(w, s.out, s.in);
    const Activation* x = device.activations(values);
    const Activation *a = backend.at(x, X), *b = backend.at(a, A);
    auto *u = device.held(s.M * s.R, 9), *du = device.held(s.M * s.R, 9), *dx = device.held(X, 9);
    float *logits = device.filled(Y, 9), *d = device.filled(A + B, 0.5f);
    backend.lora_down(u, x, a, kScale, s.M, s.in, s.R);
    backend.output_forward(logits, x, weight, {u, s.R, s.R, b}, s.M);
    CHECK(distance(device.host(logits, Y), logits_of(values)) < tolerance.activations);
    const Activation* dlogits = device.dlogits(dy, s.M, s.out);
    backend.lora_up_backward(du, d + A, dlogits, backend.dlogit_stride(s.out), u, s.R, b, kScale, s.M, s.out, s.R);
    backend.lora_down_backward(d, du, x, s.M, s.in, s.R);
    backend.output_backward(dx, dlogits, weight, {du, s.R, s.R, a}, s.M);
    const auto got = device.host(d, A + B);
    CHECK(distance(device.values(dx, X), part(gradient, 0, X)) < tolerance.activations);
    CHECK(distance(part(got, 0, A), plus(part(gradient, X, A), 0.5)) < tolerance.activations);
    CHECK(distance(part(got, A, B), plus(part(gradient, X + A, B), 0.5)) < tolerance.activations);
  }
}

// y (N, C): y += scale · A[tokens] Bᵀ of A (V, R) and B (C, R) concatenated
OP_TEST_CASE("LoRA on the embedding: rows of A by token, a token's gradient from all its rows") {
  constexpr int64_t V = 11;
  for (const auto& [N, C, R] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 1, 1}, {37, 12, 5}, {64, 20, 8}}) {
    CAPTURE(N);
    Device device(backend);
    std::vector<int32_t> tokens, rows, distinct, offsets;
    for (int64_t n = 0; n < N; ++n) tokens.push_back(static_cast<int32_t>(n * n % 7 + n % 2));
    for (int32_t token = 0; token < V; ++token) {
      const size_t before = rows.size();
      for (int32_t n = 0; n < N; ++n) {
        if (tokens[static_cast<size_t>(n)] == token) rows.push_back(n);
      }
      if (rows.size() > before) distinct.push_back(token), offsets.push_back(static_cast<int32_t>(before));
    }
    offsets.push_back(static_cast<int32_t>(N));
    const Doubles values = random_doubles("ab", V * R + C * R), dy = random_doubles("dy", N * C);
    const auto embedded = [&, N = N, C = C, R = R](const Doubles& at) {
      Doubles y(static_cast<size_t>(N * C), 0.0);
      for (int64_t n = 0; n < N; ++n)
        for (int64_t c = 0; c < C; ++c)
          for (int64_t r = 0; r < R; ++r)
            y[static_cast<size_t>(n * C + c)] += kScale *
                                                 at[static_cast<size_t>(tokens[static_cast<size_t>(n)] * R + r)] *
                                                 at[static_cast<size_t>(V * R + c * R + r)];
      return y;
    };
    const Doubles gradient = numeric_gradient(embedded, values, dy);
    const Activation* a = device.activations(values);
    const Activation* b = backend.at(a, V * R);
    const int32_t* on_device = device.ints(tokens);
    auto *u = device.held(N * R, 9), *du = device.held(N * R, 9), *y = device.held(N * C, 0.25);
    float* d = device.filled(V * R + C * R, 0.5f);
    backend.lora_rows_forward(u, a, on_device, kScale, N, R);
    backend.lora_up(y, {u, R, R, b}, N, C);
    CHECK(distance(device.values(y, N * C), plus(embedded(values), 0.25)) < tolerance.activations);
    backend.lora_up_backward(du, d + V * R, device.activations(dy), C, u, R, b, kScale, N, C, R);
    backend.lora_rows_backward(
        d, du, {static_cast<int64_t>(distinct.size()), device.ints(distinct), device.ints(offsets), device.ints(rows)},
        R);
    const auto got = device.host(d, V * R + C * R);
    CHECK(distance(part(got, 0, V * R), plus(part(gradient, 0, V * R), 0.5)) < tolerance.activations);
    CHECK(distance(part(got, V * R, C * R), plus(part(gradient, V * R, C * R), 0.5)) < tolerance.activations);
  }
}

TEST_CASE("LoRA's backward pass over large dy: du among the columns of its stack, dB") {
  each_tested([](const TestedBackend& tested) {
    const auto backend = tested.make();
    backend->enter();
    tested_compute() = backend->compute();
    std::vector<UpShape> shapes(std::begin(kUpShapes), std::end(kUpShapes));
    if (tested.name == "cuda") {  // so many rows for a block that it uses every stage of its ring several times
      shapes.insert(shapes.end(), {{4095, 4104, 16, 48, 16, 4104}, {4095, 4104, 32, 32, 0, 4104}});
    }
    const cuda::emulated::Counted& counted = cuda::emulated::counted();
    for (const UpShape& s : shapes) {
      CAPTURE(s.M);
      CAPTURE(s.out);
      CAPTURE(s.R);
      const Up up(s);
      const int64_t products = counted.products;
      const Up::Result got = up.run(*backend), expected = up.expected();
      if (tested.slow) CHECK(counted.products - products == (s.once ? 0 : 2));
      CHECK(distance(got.du, expected.du) < tested.tolerance.activations);
      CHECK(distance(got.db, expected.db) < tested.tolerance.exact);
    }
  });
  tested_compute() = Compute::F32;
}

TEST_CASE("LoRA's pass over dy: the same bits twice, those of two products but for rounding, the scratch as planned") {
  tested_compute() = Compute::Bf16;
  const auto backend = emulated_cuda(false);
  backend->enter();
  const cuda::emulated::Counted& counted = cuda::emulated::counted();
  const Up up({400, 520, 16, 16, 0, 520});
  const int64_t held = counted.held, products = counted.products;
  const Up::Result once = up.run(*backend), again = up.run(*backend);
  CHECK(counted.products == products);
  CHECK(once.du == again.du);
  CHECK(once.db == again.db);
  OpSizes sizes;
  sizes.lora_up_backward.insert({up.s.out, up.s.M, up.s.R});
  CHECK(counted.held - held ==
        static_cast<int64_t>(backend->workspace_bytes(sizes)) - int64_t{cuda::Products::kWorkspace});
  CHECK(counted.held > held);

  const Up::Result apart = up.run(*backend, 1);  // u at an address that is not a vector's
  CHECK(counted.products == products + 2);
  CHECK(distance(once.du, apart.du) < 0x1p-8);
  CHECK(distance(once.db, apart.db) < kCuda.exact);
  tested_compute() = Compute::F32;
}
