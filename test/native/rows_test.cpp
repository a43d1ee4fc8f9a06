#include "op_support.h"

using namespace spark_test;

namespace {

struct PackedType {
  spark::TensorType type;
  size_t bytes;                // of a block
  std::vector<size_t> halves;  // where its half-precision factors are
};

// Blocks of random bits, but for the factors, which become positive numbers between 1/16 and 1.
std::vector<std::byte> random_blocks(const PackedType& t, size_t count) {
  std::vector<std::byte> data(t.bytes * count);
  uint64_t state = 7;
  for (std::byte& b : data) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    b = static_cast<std::byte>(state >> 56);
  }
  for (size_t block = 0; block < count; ++block) {
    for (const size_t at : t.halves) {
      std::byte& high = data[block * t.bytes + at + 1];
      high = static_cast<std::byte>(0x2c + (static_cast<unsigned>(high) & 15));
    }
  }
  return data;
}

}  // namespace

OP_TEST_CASE("every packed type: rows of it, and products with it, are those of its values") {
  constexpr int64_t kRows = 3, kCols = 512, M = 2;
  for (const PackedType& t : std::vector<PackedType>{{spark::TensorType::Q8_0, 34, {0}},
                                                     {spark::TensorType::Q4_0, 18, {0}},
                                                     {spark::TensorType::Q4_K, 144, {0, 2}},
                                                     {spark::TensorType::Q5_K, 176, {0, 2}},
                                                     {spark::TensorType::Q6_K, 210, {208}}}) {
    CAPTURE(static_cast<int>(t.type));
    Device device(backend);
    const auto data = random_blocks(t, spark::tensor_bytes(t.type, kRows * kCols) / t.bytes);
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
    backend.linear_forward(out, device.activations(x), table, M);
    CHECK(distance(device.values(out, M * kRows), product) < tolerance.activations);
    backend.linear_backward(dx, device.activations(dy), table, M, false);
    CHECK(distance(device.values(dx, M * kCols), gradient) < tolerance.activations);
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
  backend.scatter_rows(dx, device.activations({-4, 8}), device.ints({1}), 0.25f, 1, 2);
  backend.residual_add(dx, y, 4);
  CHECK(device.values(dx, 6) == std::vector<float>{18, 20, 21, 22, 6, 7});
  backend.zero(dx, 5);
  CHECK(device.values(dx, 6) == std::vector<float>{0, 0, 0, 0, 0, 7});
  CHECK(backend.all_finite(dx, 6));
  CHECK_FALSE(backend.all_finite(device.activations({1, std::nan(""), 2}), 3));
  CHECK_FALSE(backend.all_finite(device.activations({1, 2, INFINITY}), 3));
}
