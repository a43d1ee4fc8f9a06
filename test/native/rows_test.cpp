#include "op_support.h"
#include "packed_types.h"

using namespace spark_test;

OP_TEST_CASE("every packed type: rows of it, and products with it, are those of its values") {
  constexpr int64_t kRows = 3, kCols = 512, M = 2;
  for (const PackedType& t : kPackedTypes) {
    CAPTURE(static_cast<int>(t.type));
    Device device(backend);
    const auto data = random_blocks(t, spark::tensor_bytes(t.type, kRows * kCols) / t.bytes());
    std::vector<float> values(kRows * kCols);
    spark::dequantize(t.type, data.data(), values.data(), kRows * kCols);
    const auto table = backend.load_matrix(t.type, data.data(), kRows, kCols);
    auto* y = device.held(kRows * kCols, 9);
    backend.embedding(y, table, device.ints({0, 1, 2}), kRows);
    CHECK(distance(device.values(y, kRows * kCols), values) < tolerance.activations);
    const Doubles x = random_doubles("x", M * kCols), dy = random_doubles("dy", M * kRows);
    Doubles product(M * kRows, 0.0), gradient(M * kCols, 0.0);
    for (int64_t m = 0; m < M; ++m)
      for (int64_t r = 0; r < kRows; ++r)
        for (int64_t c = 0; c < kCols; ++c) {
          const double w = values[static_cast<size_t>(r * kCols + c)];
          product[static_cast<size_t>(m * kRows + r)] += x[static_cast<size_t>(m * kCols + c)] * w;
          gradient[static_cast<size_t>(m * kCols + c)] += dy[static_cast<size_t>(m * kRows + r)] * w;
        }
    auto *out = device.held(M * kRows, 9), *dx = device.held(M * kCols, 9);
    backend.linear_forward(out, device.activations(x), table, {}, nullptr, M);
    CHECK(distance(device.values(out, M * kRows), product) < tolerance.activations);
    backend.linear_backward(dx, device.activations(dy), table, {}, M, false);
    CHECK(distance(device.values(dx, M * kCols), gradient) < tolerance.activations);
  }
}

OP_TEST_CASE("a packed matrix with LoRA gives what its fp32 copy gives, wide or high") {
  constexpr int64_t kShort = 3, kLong = 520, kCols = 512, M = 2, R = 5;
  for (const PackedType& t : kSomePackedTypes) {
    for (const int64_t rows : {kShort, kLong}) {
      CAPTURE(static_cast<int>(t.type));
      CAPTURE(rows);
      Device device(backend);
      const auto data = random_blocks(t, spark::tensor_bytes(t.type, rows * kCols) / t.bytes());
      Doubles values(static_cast<size_t>(rows * kCols));
      std::vector<float> wide(values.size());
      spark::dequantize(t.type, data.data(), wide.data(), rows * kCols);
      values.assign(wide.begin(), wide.end());
      const auto packed = backend.load_matrix(t.type, data.data(), rows, kCols),
                 plain = device.weight(values, rows, kCols);
      const auto *x = device.activations(random_doubles("x", M * kCols)),
                 *dy = device.activations(random_doubles("dy", M * rows));
      const spark::LowRank up{device.activations(random_doubles("u", M * R)), R, R,
                              device.activations(random_doubles("b", rows * R))};
      spark::LowRank down = up;
      down.factor = device.activations(random_doubles("a", R * kCols));
      auto *y = device.held(M * rows, 9), *y_plain = device.held(M * rows, 9);
      backend.linear_forward(y, x, packed, up, nullptr, M);
      backend.linear_forward(y_plain, x, plain, up, nullptr, M);
      CHECK(distance(device.values(y, M * rows), device.values(y_plain, M * rows)) < tolerance.activations);
      auto *dx = device.held(M * kCols, 9), *dx_plain = device.held(M * kCols, 9);
      backend.linear_backward(dx, dy, packed, down, M, false);
      backend.linear_backward(dx_plain, dy, plain, down, M, false);
      CHECK(distance(device.values(dx, M * kCols), device.values(dx_plain, M * kCols)) < tolerance.activations);
    }
  }
}

OP_TEST_CASE("embedding, gather and scatter move the right rows") {
  Device device(backend);
  const auto table = device.weight({0, 1, 10, 11, 20, 21}, 3, 2);
  auto* y = device.held(6, 9);
  backend.embedding(y, table, device.ints({2, 0, 2}), 3);
  CHECK(device.values(y, 6) == std::vector<float>{20, 21, 0, 1, 20, 21});
  backend.gather_rows(y, device.activations({0, 1, 10, 11, 20, 21}), device.ints({1, 2}), 2, 2);
  CHECK(device.values(y, 4) == std::vector<float>{10, 11, 20, 21});
  auto* dx = device.held(6, 1);
  backend.scatter_rows(dx, device.activations({5, 6, 7, 8}), device.ints({2, 0}), 1, 2, 2);
  CHECK(device.values(dx, 6) == std::vector<float>{8, 9, 1, 1, 6, 7});
  backend.scatter_rows(dx, device.activations({4, -8}), device.ints({1}), 0.25f, 1, 2);
  CHECK(device.values(dx, 6) == std::vector<float>{8, 9, 2, -1, 6, 7});
  const std::vector<float> exact{1, -2, 0.5, 3};
  backend.round(dx, device.floats({1, -2, 0.5, 3}), 4);
  CHECK(device.values(dx, 4) == exact);
  backend.zero(dx, 5);
  CHECK(device.values(dx, 6) == std::vector<float>{0, 0, 0, 0, 0, 7});
  CHECK(backend.all_finite(dx, 6));
  CHECK_FALSE(backend.all_finite(device.activations({1, std::nan(""), 2}), 3));
  CHECK_FALSE(backend.all_finite(device.activations({1, 2, INFINITY}), 3));
}
