#include "op_support.h"

using namespace spark_test;

OP_TEST_CASE("embedding, gather and scatter move the right rows") {
  Device device(backend);
  const auto table = device.weight({0, 1, 10, 11, 20, 21}, 3, 2);
  auto* y = device.held(6, 9);
  backend.embedding(y, table, device.ints({2, 0, 2}), 3);
  CHECK(device.values(y, 6) == std::vector<float>{20, 21, 0, 1, 20, 21});
  backend.gather_rows(y, device.activations({0, 1, 10, 11, 20, 21}), device.ints({1, 2}), 2, 2);
  CHECK(device.values(y, 4) == std::vector<float>{10, 11, 20, 21});
  auto* dx = device.held(6, 1);
  backend.scatter_rows(dx, device.activations({5, 6, 7, 8}), device.ints({2, 0}), 2, 2);
  CHECK(device.values(dx, 6) == std::vector<float>{8, 9, 1, 1, 6, 7});
  backend.residual_add(dx, y, 4);
  CHECK(device.values(dx, 6) == std::vector<float>{18, 20, 21, 22, 6, 7});
  backend.zero(dx, 5);
  CHECK(device.values(dx, 6) == std::vector<float>{0, 0, 0, 0, 0, 7});
  CHECK(backend.all_finite(dx, 6));
  CHECK_FALSE(backend.all_finite(device.activations({1, std::nan(""), 2}), 3));
  CHECK_FALSE(backend.all_finite(device.activations({1, 2, INFINITY}), 3));
}
