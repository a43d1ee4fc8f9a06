#include "op_support.h"

using namespace spark_test;

TEST_CASE("embedding, gather and scatter move the right rows") {
  auto& backend = test_backend();
  Device device(backend);
  const auto table = device.weight({0, 1, 10, 11, 20, 21}, 3, 2);
  float* y = device.filled(6, 9);
  backend.embedding(y, table, device.ints({2, 0, 2}), 3);
  CHECK(device.host(y, 6) == std::vector<float>{20, 21, 0, 1, 20, 21});
  backend.gather_rows(y, reinterpret_cast<const float*>(table.data), device.ints({1, 2}), 2, 2);
  CHECK(device.host(y, 4) == std::vector<float>{10, 11, 20, 21});
  float* dx = device.filled(6, 1);
  backend.scatter_rows(dx, device.floats({5, 6, 7, 8}), device.ints({2, 0}), 2, 2);
  CHECK(device.host(dx, 6) == std::vector<float>{8, 9, 1, 1, 6, 7});
}
