#include "op_support.h"

using namespace spark_test;

OP_TEST_CASE("rope turns pairs by position in the sequence, and back") {
  // rotary below D leaves the rest of a head alone
  for (const auto& [heads, D, rotary] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 2, 2}, {3, 6, 4}, {2, 64, 64}}) {
    for (const bool halves : {false, true}) {
      CAPTURE(D);
      CAPTURE(halves);
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
            const int64_t head = (n * heads + h) * D;
            const size_t first = static_cast<size_t>(head + (halves ? i : 2 * i));
            const size_t second = static_cast<size_t>(head + (halves ? i + rotary / 2 : 2 * i + 1));
            const double angle = position[static_cast<size_t>(n)] * 0.7 / (i + 1);
            expected[first] = x[first] * std::cos(angle) - x[second] * std::sin(angle);
            expected[second] = x[first] * std::sin(angle) + x[second] * std::cos(angle);
          }
      auto* y = device.activations(x);
      const spark::Rope rope{device.floats(table), rotary, halves};
      backend.rope_forward(y, rope, packing, heads, D);
      CHECK(distance(device.values(y, 8 * heads * D), expected) < tolerance.activations);
      backend.rope_backward(y, rope, packing, heads, D);  // the transpose of a rotation is its inverse
      CHECK(distance(device.values(y, 8 * heads * D), x) < tolerance.activations);
    }
  }
}
