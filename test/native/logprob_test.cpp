#include <limits>

#include "op_support.h"

using namespace spark_test;

namespace {

Doubles reference(const Doubles& logits, const std::vector<int32_t>& targets, int64_t V) {
  Doubles lp;
  for (size_t m = 0; m < targets.size(); ++m) {
    double sum = 0;
    for (int64_t j = 0; j < V; ++j) sum += std::exp(logits[m * static_cast<size_t>(V) + static_cast<size_t>(j)]);
    lp.push_back(logits[m * static_cast<size_t>(V) + static_cast<size_t>(targets[m])] - std::log(sum));
  }
  return lp;
}

// Exact gradient by the logits of Σ dlp · lp; itself checked against differences below.
Doubles reference_gradient(const Doubles& logits, const std::vector<int32_t>& targets, const Doubles& dlp, int64_t V) {
  const Doubles lp = reference(logits, targets, V);
  Doubles gradient;
  for (size_t m = 0; m < targets.size(); ++m) {
    const double* row = logits.data() + static_cast<int64_t>(m) * V;
    const double lse = row[targets[m]] - lp[m];
    for (int64_t j = 0; j < V; ++j) gradient.push_back(dlp[m] * ((j == targets[m]) - std::exp(row[j] - lse)));
  }
  return gradient;
}

}  // namespace

OP_TEST_CASE("logprob of a target, and its gradient over the logits") {
  for (const int64_t V : {1, 5, 97, 1030, 2052}) {  // on CUDA the last two take several rounds of a block, one by four
    CAPTURE(V);
    Device device(backend);
    const std::vector<int32_t> targets = {0, static_cast<int32_t>(V - 1), static_cast<int32_t>(V / 2)};
    const Doubles logits = random_doubles("logits", 3 * V, V < 2000 ? 4.0 : 1.0), dlp = {0.7, -1.3, 0.1};
    float *x = device.floats(logits), *lp = device.filled(3, 9), *lse = device.filled(3, 9);
    const int32_t* at = device.ints(targets);
    backend.logprob_forward(lp, lse, x, at, 3, V);
    CHECK(distance(device.host(lp, 3), reference(logits, targets, V)) < (V == 1 ? 1e30 : tolerance.exact));
    if (V == 1) CHECK(std::abs(device.host(lp, 1)[0]) < 1e-6);
    const Doubles expected = reference_gradient(logits, targets, dlp, V);
    if (V < 100) {
      const auto lps = [&](const Doubles& l) { return reference(l, targets, V); };
      CHECK(distance(expected, numeric_gradient(lps, logits, dlp)) < (V == 1 ? 1e30 : 1e-7));
    }
    backend.logprob_backward(x, device.floats(dlp), lse, at, 3, V);
    const auto got = device.dlogits(x, 3, V);
    const double rounded = tested_compute() == spark::Compute::F32 ? 0.0 : 1.0 / 256;
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst, std::abs(got[i] - expected[i]) - rounded * std::abs(expected[i]));
    }
    CHECK(worst < 3e-6);  // of slopes up to 1.3; exp_fast of a rounded difference
  }
}

OP_TEST_CASE("logprob keeps large logits finite and shows those that are not") {
  Device device(backend);
  float *lp = device.filled(3, 9), *lse = device.filled(3, 9);
  const double infinity = std::numeric_limits<double>::infinity();
  backend.logprob_forward(lp, lse, device.floats({1e4, 1e4 - 1, -1e4, 0, infinity, 0, 0, 0, std::nan("")}),
                          device.ints({0, 1, 0}), 3, 3);
  const auto got = device.host(lp, 3);
  CHECK(got[0] == doctest::Approx(-0.313262).epsilon(1e-3));  // lse near 1e4 has a resolution of 1e-3
  CHECK_FALSE(std::isfinite(got[1]));
  CHECK_FALSE(std::isfinite(got[2]));
}
