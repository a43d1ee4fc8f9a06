#include "op_support.h"

using namespace spark_test;

OP_TEST_CASE("linear, frozen weight") {
  for (const auto& [M, out, in] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 1, 1}, {5, 7, 3}, {33, 48, 20}}) {
    Device device(backend);
    const Doubles x = random_doubles("x", M * in), w = random_doubles("w", out * in),
                  dy = random_doubles("dy", M * out);
    const auto weight = device.weight(w, out, in);
    auto *y = device.held(M * out, 9), *dx = device.held(M * in, 0.5);
    backend.linear_forward(y, device.activations(x), weight, {}, nullptr, M);
    CHECK(distance(device.values(y, M * out), times_transposed(x, w, M, out, in)) < tolerance.activations);
    const Doubles expected = numeric_gradient(
        [&, M = M, out = out, in = in](const Doubles& at) { return times_transposed(at, w, M, out, in); }, x, dy);
    backend.linear_backward(dx, device.activations(dy), weight, {}, M, true);
    CHECK(distance(device.values(dx, M * in), plus(expected, 0.5)) < tolerance.activations);
    backend.linear_backward(dx, device.activations(dy), weight, {}, M, false);
    CHECK(distance(device.values(dx, M * in), expected) < tolerance.activations);
    // the output projection: fp32 outside
    float* logits = device.filled(M * out, 9);
    backend.output_forward(logits, device.activations(x), weight, {}, M);
    CHECK(distance(device.host(logits, M * out), times_transposed(x, w, M, out, in)) < tolerance.exact);
    backend.output_backward(dx, device.dlogits(dy, M, out), weight, {}, M);
    CHECK(distance(device.values(dx, M * in), expected) < tolerance.activations);
  }
}

TEST_CASE("on the CPU a matrix is used where it lies, whatever its type; a vector becomes fp32") {
  spark::CpuBackend backend(1);
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  CHECK(backend.load_matrix(spark::TensorType::F32, bytes, 2, 3).data == bytes);
  const std::vector<uint16_t> halves = {0x3c00, 0xc000, 0x3800};  // 1, −2, 0.5
  const auto* packed = reinterpret_cast<const std::byte*>(halves.data());
  CHECK(backend.load_matrix(spark::TensorType::F16, packed, 1, 3).data == packed);
  const spark::Vector v = backend.load_vector(spark::TensorType::F16, packed, 3);
  CHECK(std::vector<float>(v.data, v.data + 3) == std::vector<float>{1.0f, -2.0f, 0.5f});
}

OP_TEST_CASE("a packed matrix of two panels gives what its fp32 copy gives") {
  constexpr int64_t kRows = 1100, kCols = 1024, M = 3;  // a panel holds 1024 rows of this length
  std::vector<uint16_t> halves(kRows * kCols);
  for (size_t i = 0; i < halves.size(); ++i) {
    halves[i] = static_cast<uint16_t>(0x2c00 + i * 2654435761u % 2048 + (i % 3 ? 0x8000 : 0));  // ±(1/16 to 1/4)
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(halves.data());
  std::vector<float> floats(halves.size());
  spark::dequantize(spark::TensorType::F16, bytes, floats.data(), kRows * kCols);
  Device device(backend);
  const auto packed = backend.load_matrix(spark::TensorType::F16, bytes, kRows, kCols);
  const auto plain =
      backend.load_matrix(spark::TensorType::F32, reinterpret_cast<const std::byte*>(floats.data()), kRows, kCols);
  const auto *x = device.activations(random_doubles("x", M * kCols)),
             *dy = device.activations(random_doubles("dy", M * kRows));
  auto *y = device.held(M * kRows, 9), *again = device.held(M * kRows, 9);
  backend.linear_forward(y, x, packed, {}, nullptr, M);
  backend.linear_forward(again, x, plain, {}, nullptr, M);
  CHECK(distance(device.values(y, M * kRows), device.values(again, M * kRows)) < tolerance.activations);
  auto *dx = device.held(M * kCols, 0.5), *dx_again = device.held(M * kCols, 0.5);
  for (const bool accumulate : {true, false}) {
    backend.linear_backward(dx, dy, packed, {}, M, accumulate);
    backend.linear_backward(dx_again, dy, plain, {}, M, accumulate);
    CHECK(distance(device.values(dx, M * kCols), device.values(dx_again, M * kCols)) < tolerance.activations);
  }
}
