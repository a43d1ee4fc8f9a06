#include "op_support.h"

using namespace spark_test;

TEST_CASE("rope turns interleaved pairs by position in the sequence, and back") {
  auto& backend = test_backend();
  // rotary below D leaves the rest of a head alone
  for (const auto& [heads, D, rotary] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 2, 2}, {3, 6, 4}, {2, 64, 64}}) {
    CAPTURE(D);
    Device device(backend);
    const spark::Packing packing = device.packing({4, 1, 3});
    const std::vector<int> position = {0, 1, 2, 3, 0, 0, 1, 2};
    const Doubles x = random_doubles("x", 8 * heads * D);
    Doubles table, expected = x;
    for (int p = 0; p < 4; ++p)
      for (int64_t i = 0; i < rotary / 2; ++i)
        table.insert(table.end(), {std::cos(p * 0.7 / (i + 1)), std::sin(p * 0.7 / (i + 1))});
    for (int64_t n = 0; n < 8; ++n)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < rotary / 2; ++i) {
          const size_t at = static_cast<size_t>((n * heads + h) * D + 2 * i);
          const double angle = position[static_cast<size_t>(n)] * 0.7 / (i + 1);
          expected[at] = x[at] * std::cos(angle) - x[at + 1] * std::sin(angle);
          expected[at + 1] = x[at] * std::sin(angle) + x[at + 1] * std::cos(angle);
        }
    float *y = device.floats(x), *angles = device.floats(table);
    backend.rope_forward(y, angles, packing, heads, D, rotary);
    CHECK(distance(device.host(y, 8 * heads * D), expected) < kTolerance);
    backend.rope_backward(y, angles, packing, heads, D, rotary);  // the transpose of a rotation is its inverse
    CHECK(distance(device.host(y, 8 * heads * D), x) < kTolerance);
  }
}
