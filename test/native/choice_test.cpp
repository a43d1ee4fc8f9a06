#include <limits>
#include <numeric>

#include "op_support.h"

using namespace spark_test;

namespace {

std::vector<int32_t> offsets_of(const std::vector<int32_t>& sizes) {
  std::vector<int32_t> offsets(sizes.size() + 1);
  std::partial_sum(sizes.begin(), sizes.end(), offsets.begin() + 1);
  return offsets;
}

// lp (J) from x (G, C) and w (J, C)
Doubles reference(const Doubles& x, const Doubles& w, const std::vector<int32_t>& offsets, int64_t C) {
  Doubles lp;
  for (size_t g = 0; g + 1 < offsets.size(); ++g) {
    double sum = 0;
    for (int32_t j = offsets[g]; j < offsets[g + 1]; ++j) {
      double logit = 0;
      for (int64_t c = 0; c < C; ++c) {
        logit += x[g * static_cast<size_t>(C) + static_cast<size_t>(c)] * w[static_cast<size_t>(j * C + c)];
      }
      lp.push_back(logit);
      sum += std::exp(logit);
    }
    for (int32_t j = offsets[g]; j < offsets[g + 1]; ++j) lp[static_cast<size_t>(j)] -= std::log(sum);
  }
  return lp;
}

struct Sizes {
  int64_t C;
  std::vector<int32_t> choices;  // alternatives of each
};

// Widths with and without vectors of eight, and past a round of the kernels' threads and of the CPU's block; as many
// alternatives as a warp has lanes, and more.
const Sizes kSizes[] = {{1, {2}},       {7, {2, 3, 9, 40}}, {24, {5, 2, 2, 33, 8, 2, 4}},
                        {133, {17, 2}}, {264, {9, 300}},    {2056, {3, 2}}};

}  // namespace

OP_TEST_CASE("log-probs of choices, and the gradient of their loss") {
  for (const Sizes& sizes : kSizes) {
    const int64_t C = sizes.C, G = static_cast<int64_t>(sizes.choices.size());
    CAPTURE(C);
    const auto offsets = offsets_of(sizes.choices);
    const int64_t J = offsets.back();
    Device device(backend);
    const Doubles x = random_doubles("x", G * C), w = random_doubles("w", J * C, 1 / std::sqrt(static_cast<double>(C)));
    Doubles target = random_doubles("target", J);
    for (double& t : target) t = std::max(t, 0.0);  // half of them 0, and no sum is 1
    const int32_t* on_device = device.ints(offsets);
    const auto *rows = device.activations(x), *alternatives = device.activations(w);
    float* lp = device.filled(J, 9);
    backend.choice_forward(lp, rows, alternatives, on_device, G, C);
    CHECK(distance(device.host(lp, J), reference(x, w, offsets, C)) < tolerance.exact);
    Doubles slopes = target;  // of Σ slope · lp
    for (double& s : slopes) s = -s;
    const auto lps = [&](const Doubles& at) { return reference(at, w, offsets, C); };
    auto* dx = device.held(G * C, 9);
    backend.choice_backward(dx, lp, device.floats(target), alternatives, on_device, G, C);
    CHECK(distance(device.values(dx, G * C), numeric_gradient(lps, x, slopes)) < tolerance.activations);
  }
}

OP_TEST_CASE("some of the choices are computed as among all, and none are nothing") {
  constexpr int64_t C = 40;
  const auto offsets = offsets_of({4, 2, 7, 3, 5});
  const int64_t G = 5, J = offsets.back(), first = 1, count = 3, begin = offsets[1], own = offsets[4] - begin;
  Device device(backend);
  const auto *x = device.activations(random_doubles("x", G * C)), *w = device.activations(random_doubles("w", J * C));
  const int32_t* on_device = device.ints(offsets);
  const float* target = device.floats(Doubles(static_cast<size_t>(J), 0.25));
  float *all = device.filled(J, 9), *some = device.filled(J, 9);
  auto *dall = device.held(G * C, 9), *dsome = device.held(G * C, 9);
  backend.choice_forward(all, x, w, on_device, G, C);
  backend.choice_backward(dall, all, target, w, on_device, G, C);
  const auto *rows = backend.at(x, first * C), *alternatives = backend.at(w, begin * C);
  backend.choice_forward(some + begin, rows, alternatives, on_device + first, count, C);
  backend.choice_backward(backend.at(dsome, first * C), some + begin, target + begin, alternatives, on_device + first,
                          count, C);
  backend.choice_forward(some, x, w, on_device, 0, C);
  backend.choice_backward(dsome, some, target, w, on_device, 0, C);
  std::vector<float> lp = device.host(all, J), dx = device.values(dall, G * C);
  for (int64_t j = 0; j < J; ++j) {
    if (j < begin || j >= begin + own) lp[static_cast<size_t>(j)] = 9;
  }
  for (int64_t i = 0; i < G * C; ++i) {
    if (i < first * C || i >= (first + count) * C) dx[static_cast<size_t>(i)] = 9;
  }
  CHECK(device.host(some, J) == lp);
  CHECK(device.values(dsome, G * C) == dx);
}

OP_TEST_CASE("choices keep large logits finite and show those that are not") {
  Device device(backend);
  const double infinity = std::numeric_limits<double>::infinity();
  const auto *x = device.activations({1, 1, 1}),
             *w = device.activations({8192, 8128, -8192, 0, infinity, 1, std::nan("")});
  float* lp = device.filled(7, 9);
  backend.choice_forward(lp, x, w, device.ints({0, 3, 5, 7}), 3, 1);
  const auto got = device.host(lp, 7);
  CHECK(got[0] == 0);
  CHECK(got[1] == -64);
  CHECK(got[2] == -16384);
  for (size_t j = 3; j < 7; ++j) {
    CAPTURE(j);
    CHECK_FALSE(std::isfinite(got[j]));
  }
}
