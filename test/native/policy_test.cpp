#include "op_support.h"
#include "ops/objective.h"

using namespace spark_test;

namespace {

// docs/algorithm.md's loss of one token, written out.
double loss(double lp, double old_lp, double ref, double advantage, double clip, double kl) {
  const double r = std::exp(lp - old_lp), clipped = std::min(std::max(r, 1 - clip), 1 + clip);
  return -std::min(r * advantage, clipped * advantage) + kl * 0.5 * (lp - ref) * (lp - ref);
}

}  // namespace

OP_TEST_CASE("policy slope: every side of the clip, both signs of the advantage") {
  Device device(backend);
  Doubles lp, old_lp, ref, advantage, expected, without_kl;
  for (const double shift : {-0.6, -0.21, -0.1, 0.0, 0.1, 0.19, 0.6})
    for (const double a : {-1.5, 0.0, 0.8}) {
      lp.push_back(-2 + shift), old_lp.push_back(-2), ref.push_back(-1.7), advantage.push_back(a);
      const auto slope = [&](double kl) {
        constexpr double h = 1e-6;
        return (loss(lp.back() + h, -2, -1.7, a, 0.2, kl) - loss(lp.back() - h, -2, -1.7, a, 0.2, kl)) / (2 * h) / 8;
      };
      expected.push_back(slope(0.3)), without_kl.push_back(slope(0));
      CHECK(spark::policy_clip_loss(std::exp(shift), a, 0.2) == doctest::Approx(loss(lp.back(), -2, 0, a, 0.2, 0)));
    }
  const int64_t n = static_cast<int64_t>(lp.size());
  float* dlp = device.filled(n, 9);
  const float *l = device.floats(lp), *o = device.floats(old_lp), *a = device.floats(advantage);
  backend.policy_backward(dlp, l, o, device.floats(ref), a, {0.2f, 0.3f, 1.0 / 8}, n);
  CHECK(distance(device.host(dlp, n), expected) < tolerance.exact);
  backend.policy_backward(dlp, l, o, nullptr, a, {0.2f, 0.0f, 1.0 / 8}, n);
  CHECK(distance(device.host(dlp, n), without_kl) < tolerance.exact);
}
