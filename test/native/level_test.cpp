// Levels of vector instructions: how one is chosen, and that on each a sum over vectors has no edge. The op suite runs
// on the level in use; ctest runs it once more on each lower one (native/cmake/tests.cmake).
#include <cmath>
#include <limits>

#include "cpu/kernels.h"
#include "op_support.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

TEST_CASE("a level by its name; none is the highest, and one that is not here is refused with those that are") {
  const std::vector<const Kernels*> here = kernels_here();
  REQUIRE(!here.empty());
  CHECK(&kernels_at("") == here.front());
  for (const Kernels* each : here) CHECK(&kernels_at(each->level) == each);
  const Thrown t = thrown([] { kernels_at("avx1024"); });
  CHECK(t.code == "invalid_argument");
  CHECK(t.message.find("SPARK_RL_CPU_LEVEL: expected a level that this processor has, ") == 0);
  CHECK(t.message.find(here.back()->level) != std::string::npos);
  CHECK(t.message.find("got avx1024; leave it unset for the highest") != std::string::npos);
}

TEST_CASE("log Σ exp on every level: lengths around a vector, −∞ and NaN anywhere") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Kernels* each : kernels_here()) {
    CAPTURE(std::string(each->level));
    for (const int64_t V : {1, 3, 4, 7, 8, 15, 16, 17, 33, 100}) {
      CAPTURE(V);
      const Doubles values = random_doubles("logits", V, 3.0);
      std::vector<float> logits(values.begin(), values.end());  // (V)
      double sum = 0;
      for (const double x : values) sum += std::exp(x);
      // 1e-7 for each exponential, half a last place for each addition, and for what log adds and returns.
      const double bound = 1e-7 + (static_cast<double>(V) + 4 * std::abs(std::log(sum)) + 4) * 0x1p-24;
      CHECK(std::abs(each->log_sum_exp(logits.data(), V) - std::log(sum)) <= bound);
      for (const int64_t at : {int64_t{0}, V / 2, V - 1}) {
        std::vector<float> other = logits;
        other[static_cast<size_t>(at)] = std::nanf("");
        CHECK(std::isnan(each->log_sum_exp(other.data(), V)));
        if (V == 1) continue;
        other[static_cast<size_t>(at)] = -kInfinity;
        const double left = std::log(sum - std::exp(values[static_cast<size_t>(at)]));
        CHECK(std::abs(each->log_sum_exp(other.data(), V) - left) <= bound + 4 * std::abs(left) * 0x1p-24 + 1e-5);
      }
    }
  }
}
