// Compute fp8: frozen projections multiplied in e4m3 with a scale a row (cuda/fp8.cu). What it computes is known to the
// bit but for the order of sums, so it is held against a reference that rounds as it does and multiplies in float64;
// how far that is from the equation is bounded beside it.
#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "bench/random_gguf.h"
#include "core/fp8.h"
#include "core/quantize.h"
#include "op_support.h"
#include "packed_types.h"
#include "support.h"
#include "tiny_model.h"
#include "train/model.h"

namespace spark_test {

using namespace spark;

namespace {

std::unique_ptr<Backend> emulated_fp8(bool descending) {
  cuda::emulated::descending_order(descending);
  cuda::CudaOptions options;
  options.compute = Compute::Fp8;
  return std::make_unique<cuda::CudaBackend>(0, options);
}

// f(backend) for each that has fp8; SPARK_TEST_BACKENDS knows the device's by the name `cuda fp8`.
void each_fp8(const std::function<void(Backend&)>& f) {
  tested_compute() = Compute::Fp8;
  for (const bool descending : {false, true}) {
    if (!is_tested("cuda fp8 emulated") || (descending && kSanitized)) continue;
    CAPTURE(descending);
    const auto backend = emulated_fp8(descending);
    backend->enter();
    f(*backend);
  }
  if (is_tested("cuda fp8")) {
    std::unique_ptr<Backend> backend;
    try {
      backend = make_cuda_backend(0, Compute::Fp8);
    } catch (const Error& e) {
      if (std::getenv("SPARK_TEST_BACKENDS")) FAIL("cuda fp8: " << std::string(e.what()));
      MESSAGE("skipped cuda fp8: " << std::string(e.what()));
    }
    if (backend) {
      const std::string device = "cuda fp8";
      CAPTURE(device);
      backend->enter();
      f(*backend);
    }
  }
  tested_compute() = Compute::F32;
}

// The value of e4m3 nearest to x, by looking at all of them; of two equally near the one with an even last bit.
double nearest_e4m3(double x) {
  int best = 0;
  for (int code = 1; code < 0x7f; ++code) {
    const auto off = [&](int c) {
      return std::abs(static_cast<double>(e4m3_to_float(static_cast<uint8_t>(c))) - std::abs(x));
    };
    if (off(code) < off(best) || (off(code) == off(best) && code % 2 == 0)) best = code;
  }
  return std::copysign(static_cast<double>(e4m3_to_float(static_cast<uint8_t>(best))), x);
}

// x (rows, cols) as products see it; of a frozen matrix the largest of a row counts as 2^-8 of the largest of all at
// least, and of x beside LoRA as what `least_of` (rows) says.
Doubles rounded(const Doubles& x, int64_t rows, int64_t cols, bool frozen = false, const Doubles& least_of = {}) {
  Doubles all;
  float least = 0x1p-100f;
  for (const double value : x) {
    if (frozen) least = std::max({least, static_cast<float>(std::abs(value)) * 0x1p-8f, 0x1p-40f});
  }
  for (int64_t r = 0; r < rows; ++r) {
    float most = least_of.empty() ? least : std::max(least, static_cast<float>(least_of[r]));
    for (int64_t c = 0; c < cols; ++c) most = std::max(most, static_cast<float>(std::abs(x[r * cols + c])));
    const float inverse = 448 / most, scale = most / 448;
    for (int64_t c = 0; c < cols; ++c) {
      const uint8_t code = float_to_e4m3(static_cast<float>(x[r * cols + c]) * inverse);  // the nearest: tested above
      all.push_back(static_cast<double>(e4m3_to_float(code)) * static_cast<double>(scale));
    }
  }
  return all;
}

// How far rounding moves a value of a row whose largest is `most`: half a unit in the last of four bits, or half a step
// of 2^-9 where the value divided by the scale is below 2^-6; and the division's own rounding.
double moved(double value, double most) { return std::max(std::abs(value) * (1.0 / 16 + 1e-6), most / 448 / 1024); }
double largest_of_row(const Doubles& x, int64_t row, int64_t cols) {
  double most = 0;
  for (int64_t c = 0; c < cols; ++c) most = std::max(most, std::abs(x[row * cols + c]));
  return most;
}

Doubles turned(const Doubles& x, int64_t rows, int64_t cols) {  // (cols, rows)
  Doubles t(x.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) t[c * rows + r] = x[r * cols + c];
  return t;
}

double magnitude(int64_t row) { return std::ldexp(1.0, static_cast<int>(row % 7) - 3); }
// Rows of different size, so that another row's scale would show.
Doubles uneven(const std::string& name, int64_t rows, int64_t cols) {
  Doubles x = random_doubles(name, rows * cols);
  for (int64_t i = 0; i < rows * cols; ++i) x[i] *= magnitude(i / cols);
  return x;
}

// Both without the sizes of rows, so that small ones count as much as large ones.
template <class A>
double even_distance(const A& got, const Doubles& expected, int64_t rows, int64_t cols, bool of_cols) {
  Doubles a(got.begin(), got.end()), b = expected;
  for (int64_t i = 0; i < rows * cols; ++i) {
    const double size = magnitude(i / cols) * (of_cols ? magnitude(i % cols) : 1);
    a[i] /= size, b[i] /= size;
  }
  return distance(a, b);
}

double largest(const Doubles& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

Weight projection(Backend& backend, const std::vector<float>& w, int64_t out, int64_t in) {
  return backend.load_projection(TensorType::F32, reinterpret_cast<const std::byte*>(w.data()), out, in);
}

struct Sizes {
  int64_t M, out, in;
};
// The last two have rows for more than one turn of a block, either way round.
constexpr Sizes kSizes[] = {{1, 16, 16}, {5, 32, 48}, {33, 48, 16}, {2, 16, 2064}, {2, 2064, 16}};

}  // namespace

TEST_CASE("fp32 to e4m3 and back") {
  for (int code = 0; code < 256; ++code) {
    const float value = e4m3_to_float(static_cast<uint8_t>(code));
    CHECK(std::isnan(value) == ((code & 0x7f) == 0x7f));
    if (!std::isnan(value)) CHECK(float_to_e4m3(value) == code);
  }
  CHECK(e4m3_to_float(0x7e) == 448.0f);
  CHECK(e4m3_to_float(0x08) == 0x1p-6f);
  CHECK(e4m3_to_float(0x01) == 0x1p-9f);
  CHECK(e4m3_to_float(float_to_e4m3(INFINITY)) == 448.0f);
  CHECK(e4m3_to_float(float_to_e4m3(-449.0f)) == -448.0f);
  CHECK(std::isnan(e4m3_to_float(float_to_e4m3(NAN))));
  CHECK(std::isnan(e4m3_to_float(float_to_e4m3(std::bit_cast<float>(0xff800001u)))));
  // every value half way between two neighbours, what is next to it, and random ones of all sizes
  std::vector<float> all;
  for (int code = 0; code < 0x7e; ++code) {
    const float middle =
        (e4m3_to_float(static_cast<uint8_t>(code)) + e4m3_to_float(static_cast<uint8_t>(code + 1))) / 2;
    for (const float x : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1e3f)}) all.push_back(x);
  }
  for (const float x : normal_values(3, "any", 2000, 1.0))
    all.push_back(std::ldexp(x, static_cast<int>(all.size() % 24) - 14));
  for (const float x : all) {
    CAPTURE(x);
    CHECK(static_cast<double>(e4m3_to_float(float_to_e4m3(x))) == nearest_e4m3(static_cast<double>(x)));
    CHECK(e4m3_to_float(float_to_e4m3(-x)) == -e4m3_to_float(float_to_e4m3(x)));
  }
}

// The kernel by itself: one row of each length that a block's registers hold or not, to the bit.
TEST_CASE("fp8: rows of any length are quantised") {
  cuda::emulated::descending_order(false);
  for (const int64_t cols : {1024, 4112, 8208, 16400}) {
    CAPTURE(cols);
    const Doubles values = random_doubles("x", cols);
    std::vector<cuda::Bf16> x;
    float most = 0;
    std::vector<float> kept;
    for (const double value : values) {
      x.push_back({float_to_bf16(static_cast<float>(value))});
      kept.push_back(bf16_to_float(x.back().bits));
      most = std::max(most, std::abs(kept.back()));
    }
    std::vector<uint8_t> codes(cols);
    float scale = 0;
    cuda::quantise_rows({codes.data(), cols, &scale}, x.data(), 1, cols, cols, nullptr, {}, {});
    CHECK(scale == most / 448);
    int64_t wrong = 0;
    for (int64_t c = 0; c < cols; ++c) wrong += codes[c] != float_to_e4m3(kept[c] * (448 / most));
    CHECK(wrong == 0);
  }
}

// Rounding a result to bf16 is off by 1/512 of it; Hopper's tensor cores keep some 14 bits of a sum of 32 products
// (DeepSeek-V3, arXiv 2412.19437, section 3.3.2), which is given as much again. With an addend the product is rounded
// first and then the sum.
TEST_CASE("fp8: products of what rounding by rows leaves, forward and backward") {
  each_fp8([](Backend& backend) {
    for (const auto& [M, out, in] : kSizes) {
      CAPTURE(out);
      CAPTURE(in);
      Device device(backend);
      // Rows of x, dy and of W either way round have sizes of their own.
      const Doubles x = uneven("x", M, in), dy = uneven("dy", M, out);
      for (const bool forward : {true, false}) {
        const Doubles w = forward ? uneven("w", out, in) : turned(uneven("w", in, out), in, out);
        const std::vector<float> floats(w.begin(), w.end());
        const Weight weight = projection(backend, floats, out, in);
        CHECK(weight.fp8);
        if (forward) {
          auto* y = device.held(M * out, 9);
          backend.linear_forward(y, device.activations(x), weight, {}, nullptr, M);
          const Doubles expected = times_transposed(rounded(x, M, in), rounded(w, out, in, true), M, out, in);
          CHECK(even_distance(device.values(y, M * out), expected, M, out, true) < 1.0 / 256);
        } else {
          const Doubles expected =
              times_transposed(rounded(dy, M, out), rounded(turned(w, out, in), in, out, true), M, in, out);
          auto* dx = device.held(M * in, 0.5);
          backend.linear_backward(dx, device.activations(dy), weight, {}, M, false);
          CHECK(even_distance(device.values(dx, M * in), expected, M, in, true) < 1.0 / 256);
          dx = device.held(M * in, 0.5);
          backend.linear_backward(dx, device.activations(dy), weight, {}, M, true);
          const Doubles sum = plus(expected, 0.5);
          CHECK(distance(device.values(dx, M * in), sum) < (2 + largest(expected) / largest(sum)) / 512);
        }
      }
    }
  });
}

TEST_CASE("fp8: what rounding costs is what its error analysis says") {
  each_fp8([](Backend& backend) {
    constexpr int64_t M = 24, out = 64, in = 96;
    Device device(backend);
    const Doubles x = uneven("x", M, in), w = uneven("w", out, in);
    const std::vector<float> floats(w.begin(), w.end());
    auto* y = device.held(M * out, 9);
    backend.linear_forward(y, device.activations(x), projection(backend, floats, out, in), {}, nullptr, M);
    const std::vector<float> got = device.values(y, M * out);
    const Doubles exact = times_transposed(x, w, M, out, in);
    double error = 0, size = 0;
    for (int64_t m = 0; m < M; ++m) {
      for (int64_t o = 0; o < out; ++o) {
        const double most_x = largest_of_row(x, m, in), most_w = largest_of_row(w, o, in);
        double bound = std::abs(exact[m * out + o]) / 128;  // bf16
        for (int64_t i = 0; i < in; ++i) {
          const double a = x[m * in + i], b = w[o * in + i], da = moved(a, most_x), db = moved(b, most_w);
          bound += std::abs(a) * db + da * std::abs(b) + da * db;
        }
        const double off = std::abs(static_cast<double>(got[m * out + o]) - exact[m * out + o]);
        CHECK(off <= bound);
        const double own = magnitude(m) * magnitude(o);
        error += off * off / own / own, size += exact[m * out + o] * exact[m * out + o] / own / own;
      }
    }
    // A value is off by 2^-4 / √3 / 1.5 or so of itself, 0.025, and independently of others: √2 of that for a product
    // of two, and no less for a sum of many.
    CHECK(std::sqrt(error / size) < 0.045);
    CHECK(std::sqrt(error / size) > 0.02);  // it really ran in fp8
  });
}

namespace {

// u (M, R) as it lies among others, S = R + 3 values from row to row, from the second on; and LoRA's factor.
struct LowRankInputs {
  int64_t R, S;
  Doubles u, factor;  // (M, R); (n, R)
  Doubles among;      // (M, S)
  LowRankInputs(int64_t M, int64_t n, int64_t rank, double size = 1)
      : R(rank), S(rank + 3), u(random_doubles("u", M * R)), factor(random_doubles("factor", n * R)) {
    for (double& value : factor) value *= size;
    const Doubles others = random_doubles("others", M * S);
    for (int64_t m = 0; m < M; ++m) {
      for (int64_t s = 0; s < S; ++s) {
        among.push_back(s < 1 || s > R ? others[m * S + s] : u[m * R + s - 1]);
      }
    }
  }
  // What the row of x must hold at least, beside w (n, k): |u c|, where c balances u and the factor (fp8_rows.cu)
  Doubles least_of(const Doubles& w, int64_t k) const {
    const auto n = static_cast<int64_t>(factor.size()) / R;
    double sum = 0, most = 0;
    for (int64_t i = 0; i < n * R; ++i) {
      const double ratio = std::abs(factor[i]) / (std::max(largest_of_row(w, i / R, k), largest(w) / 256) / 448);
      sum += ratio, most = std::max(most, ratio);
    }
    const double c = std::max(std::sqrt(sum / static_cast<double>(n * R)), most / 448);
    Doubles least;
    for (int64_t m = 0; m < static_cast<int64_t>(u.size()) / R; ++m) least.push_back(c * largest_of_row(u, m, R));
    return least;
  }
  bool joins(bool by_rows) const { return R <= (by_rows ? 32 : 64); }
  // `by_rows`: the factor is B (n, R), else A (R, n)
  LowRank on(Device& device, Backend& backend, bool by_rows) const {
    const auto n = static_cast<int64_t>(factor.size()) / R;
    return {backend.at(device.activations(among), 1), S, R,
            device.activations(by_rows ? factor : turned(factor, n, R))};
  }
};

// Ranks on either side of what fits behind the rows of W (32) and of its transpose (64), and whose columns are no
// whole 16 bytes.
constexpr int64_t kRanks[] = {4, 7, 32, 33, 64, 65};

}  // namespace

TEST_CASE("fp8: LoRA's part, the residual and what dx holds are added as bf16 would") {
  each_fp8([](Backend& backend) {
    for (const auto& [M, out, in] : kSizes) {
      CAPTURE(out);
      CAPTURE(in);
      for (const int64_t R : kRanks) {
        if (R > 7 && out != 48) continue;
        if (R == 7 && M == 2) continue;  // emulating long rows takes long
        CAPTURE(R);
        Device device(backend);
        const Doubles x = random_doubles("x", M * in), w = random_doubles("w", out * in),
                      dy = random_doubles("dy", M * out), residual = random_doubles("residual", M * out);
        const std::vector<float> floats(w.begin(), w.end());
        const Weight weight = projection(backend, floats, out, in);
        const LowRankInputs up(M, out, R), down(M, in, R);
        const auto least = [](const LowRankInputs& lora, bool by_rows, const Doubles& rows, int64_t k) {
          return lora.joins(by_rows) ? lora.least_of(rows, k) : Doubles();
        };
        const Doubles wt = turned(w, out, in);
        Doubles expected =
            times_transposed(rounded(x, M, in, false, least(up, true, w, in)), rounded(w, out, in, true), M, out, in);
        const Doubles added = times_transposed(up.u, up.factor, M, out, R);
        for (size_t i = 0; i < expected.size(); ++i) expected[i] += added[i] + residual[i];
        auto* y = device.held(M * out, 9);
        backend.linear_forward(y, device.activations(x), weight, up.on(device, backend, true),
                               device.activations(residual), M);
        CHECK(distance(device.values(y, M * out), expected) < 2.0 / 256);  // rounded twice
        expected = times_transposed(rounded(dy, M, out, false, least(down, false, wt, out)), rounded(wt, in, out, true),
                                    M, in, out);
        const Doubles back = times_transposed(down.u, down.factor, M, in, R);
        for (size_t i = 0; i < expected.size(); ++i) expected[i] += back[i];
        for (const bool accumulate : {true, false}) {
          auto* dx = device.held(M * in, 0.5);
          backend.linear_backward(dx, device.activations(dy), weight, down.on(device, backend, false), M, accumulate);
          CHECK(distance(device.values(dx, M * in), accumulate ? plus(expected, 0.5) : expected) < 2.0 / 256);
        }
      }
    }
  });
}

// What is saved: a product of LoRA's own, which would write all of y.
TEST_CASE("fp8: LoRA has no product of its own while its columns fit") {
  if (!is_tested("cuda fp8 emulated")) return;
  const auto backend = emulated_fp8(false);
  backend->enter();
  constexpr int64_t M = 3, out = 48, in = 32;
  const Weight weight = projection(*backend, std::vector<float>(out * in, 0.5f), out, in);
  Device device(*backend);
  const Doubles x = random_doubles("x", M * in), dy = random_doubles("dy", M * out);
  auto *y = device.held(M * out, 9), *dx = device.held(M * in, 9);
  for (const int64_t R : kRanks) {
    CAPTURE(R);
    const LowRankInputs up(M, out, R), down(M, in, R);
    int64_t& products = cuda::emulated::counted().products;
    products = 0;
    backend->linear_forward(y, device.activations(x), weight, up.on(device, *backend, true), nullptr, M);
    CHECK(products == (R <= 32 ? 1 : 2));
    products = 0;
    backend->linear_backward(dx, device.activations(dy), weight, down.on(device, *backend, false), M, false);
    CHECK(products == (R <= 64 ? 1 : 2));
  }
}

// With W of zeros all of y is LoRA's part. u and B are each off by 2^-9 as two digits and y by 2^-9 as bf16; below 2^-6
// of the mean, where a large digit has fewer bits and a small one none, by 2^-10 of it. bf16 itself, which u and B are
// read from, is not seen by the reference either: 2^-9 each.
TEST_CASE("fp8: LoRA's part alone is as exact as bf16, whatever the size of its factors") {
  each_fp8([](Backend& backend) {
    constexpr int64_t M = 19, out = 48, in = 32;
    const std::vector<float> zeros(out * in, 0.0f);
    const Weight weight = projection(backend, zeros, out, in);
    for (const double size : {1e-12, 1e-4, 1.0, 1e4}) {
      CAPTURE(size);
      Device device(backend);
      const LowRankInputs up(M, out, 16, size), down(M, in, 16, size);
      const Doubles x = random_doubles("x", M * in), dy = random_doubles("dy", M * out);
      auto *y = device.held(M * out, 9), *dx = device.held(M * in, 9);
      backend.linear_forward(y, device.activations(x), weight, up.on(device, backend, true), nullptr, M);
      CHECK(distance(device.values(y, M * out), times_transposed(up.u, up.factor, M, out, 16)) < 1.0 / 128);
      backend.linear_backward(dx, device.activations(dy), weight, down.on(device, backend, false), M, false);
      CHECK(distance(device.values(dx, M * in), times_transposed(down.u, down.factor, M, in, 16)) < 1.0 / 128);
    }
  });
}

TEST_CASE("fp8: LoRA's part beside rows of W of all sizes, beside none, and not finite") {
  each_fp8([](Backend& backend) {
    constexpr int64_t M = 6, out = 64, in = 48, R = 8;
    Device device(backend);
    const Doubles x = random_doubles("x", M * in);
    Doubles w = random_doubles("w", out * in);
    for (int64_t i = 0; i < out * in; ++i) w[i] *= std::ldexp(1.0, -static_cast<int>(i / in % 16));
    std::fill_n(w.begin() + 5 * in, in, 0.0);
    const std::vector<float> floats(w.begin(), w.end());
    const Weight weight = projection(backend, floats, out, in);
    const auto product = [&](const LowRank& lora) {
      auto* y = device.held(M * out, 9);
      backend.linear_forward(y, device.activations(x), weight, lora, nullptr, M);
      return device.values(y, M * out);
    };
    const std::vector<float> without = product({});
    LowRankInputs up(M, out, R);
    const std::vector<float> with = product(up.on(device, backend, true));
    const Doubles added = times_transposed(up.u, up.factor, M, out, R);
    // Rows smaller than the largest by more than 2^8 share one scale, so B's digits span 2^8 more than B does.
    Doubles sizes_x = x, sizes_w = w;
    for (double& value : sizes_x) value = std::abs(value);
    for (double& value : sizes_w) value = std::abs(value);
    const Doubles base = times_transposed(sizes_x, sizes_w, M, out, in);
    for (int64_t i = 0; i < M * out; ++i) {
      CHECK(std::abs(static_cast<double>(with[i]) - static_cast<double>(without[i]) - added[i]) <
            largest(added) / 64 + base[i] / 16);
    }
    // B of zeros, where an adapter begins
    LowRankInputs none(M, out, R, 0);
    CHECK(product(none.on(device, backend, true)) == without);
    // what is not finite stays in its row of u, or of B
    for (const double bad : {static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
      LowRankInputs spoiled = up;
      spoiled.among[2 * spoiled.S + 3] = bad;
      std::vector<float> got = product(spoiled.on(device, backend, true));
      for (int64_t i = 0; i < M * out; ++i) CHECK(std::isfinite(got[i]) == (i / out != 2));
      spoiled = up;
      spoiled.factor[7 * R + 2] = bad;
      got = product(spoiled.on(device, backend, true));
      for (int64_t m = 0; m < M; ++m) CHECK(!std::isfinite(got[m * out + 7]));
    }
  });
}

TEST_CASE("fp8: rows of zeros, of the smallest values, of NaN and infinity, and their neighbours") {
  each_fp8([](Backend& backend) {
    constexpr int64_t M = 5, out = 32, in = 48;
    Device device(backend);
    Doubles x = random_doubles("x", M * in), w = random_doubles("w", out * in);
    std::fill_n(x.begin(), in, 0.0);
    for (int64_t i = 0; i < in; ++i) x[in + i] = std::ldexp(1.0, -130), w[3 * in + i] = 0;
    x[2 * in + 7] = NAN;
    x[3 * in + 7] = -INFINITY;
    const std::vector<float> floats(w.begin(), w.end());
    auto* y = device.held(M * out, 9);
    backend.linear_forward(y, device.activations(x), projection(backend, floats, out, in), {}, nullptr, M);
    const std::vector<float> got = device.values(y, M * out);
    const Doubles last(x.begin() + 4 * in, x.end());
    const Doubles expected = times_transposed(rounded(last, 1, in), rounded(w, out, in, true), 1, out, in);
    for (int64_t o = 0; o < out; ++o) {
      CHECK(got[o] == 0.0f);
      CHECK(std::abs(got[out + o]) < 1e-30f);
      CHECK(!std::isfinite(got[2 * out + o]));
      CHECK(!std::isfinite(got[3 * out + o]));
    }
    CHECK(got[4 * out + 3] == 0.0f);
    CHECK(distance(std::vector<float>(got.begin() + 4 * out, got.end()), expected) < 1.0 / 256);
  });
}

TEST_CASE("fp8: a matrix of any type is what its values in bf16 are") {
  each_fp8([](Backend& backend) {
    constexpr int64_t M = 3, out = 64, in = 256;
    Device device(backend);
    const auto *x = device.activations(random_doubles("x", M * in)),
               *dy = device.activations(random_doubles("dy", M * out));
    const auto products = [&](const Weight& weight) {
      CHECK(weight.fp8);
      auto *y = device.held(M * out, 9), *dx = device.held(M * in, 9);
      backend.linear_forward(y, x, weight, {}, nullptr, M);
      backend.linear_backward(dx, dy, weight, {}, M, false);
      return std::pair(device.values(y, M * out), device.values(dx, M * in));
    };
    for (const PackedType& t : kSomePackedTypes) {
      const char* type = tensor_type_name(static_cast<uint32_t>(t.type));
      CAPTURE(type);
      const auto data = random_blocks(t, static_cast<int64_t>(tensor_bytes(t.type, out * in) / t.bytes()));
      std::vector<float> floats(out * in);
      dequantize(t.type, data.data(), floats.data(), out * in);
      for (float& value : floats) value = bf16_to_float(float_to_bf16(value));
      CHECK(products(backend.load_projection(t.type, data.data(), out, in)) ==
            products(projection(backend, floats, out, in)));
    }
  });
}

TEST_CASE("fp8: a matrix whose sides are no multiples of 16 stays bf16, and so do the embedding and the output head") {
  each_fp8([](Backend& backend) {
    Device device(backend);
    const std::vector<float> w(40 * 48, 0.5f);
    for (const auto& [out, in] : {std::pair(40, 48), std::pair(48, 40)}) {
      CHECK(!projection(backend, w, out, in).fp8);
      const Doubles x = random_doubles("x", 3 * in);
      auto* y = device.held(3 * out, 9);
      backend.linear_forward(y, device.activations(x), projection(backend, w, out, in), {}, nullptr, 3);
      const Doubles wide(w.begin(), w.end());
      CHECK(distance(device.values(y, 3 * out), times_transposed(x, wide, 3, out, in)) < kCuda.activations);
    }
    CHECK(!backend.load_matrix(TensorType::F32, reinterpret_cast<const std::byte*>(w.data()), 32, 48).fp8);
  });
}

namespace {

const TinyShape kEvenShape{64, 2, 4, 2, 16, 160, 50, 512, true};

std::vector<float> gradients(Model& model, const OwnedBatch& batch) {
  const auto adapter = model.create_adapter({});
  adapter->accumulate_sft(batch.view(), batch.loss_tokens(), nullptr);
  adapter->optimizer_step({.learning_rate = 1e-2f});  // B is no longer 0
  adapter->zero_grad();
  adapter->accumulate_sft(batch.view(), batch.loss_tokens(), nullptr);
  std::vector<float> all;
  for (const NamedTensor& t : adapter->tensors(true)) all.insert(all.end(), t.data.begin(), t.data.end());
  return all;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * b[i], aa += static_cast<double>(a[i]) * a[i],
        bb += static_cast<double>(b[i]) * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

// f(a function that opens a backend) as each_fp8 does, for models, which own theirs.
void each_fp8_model(const std::function<void(const std::function<std::unique_ptr<Backend>()>&)>& f) {
  if (is_tested("cuda fp8 emulated")) f([] { return emulated_fp8(false); });
  if (!is_tested("cuda fp8")) return;
  try {
    make_cuda_backend(0, Compute::Fp8);
  } catch (const Error& e) {
    if (std::getenv("SPARK_TEST_BACKENDS")) FAIL("cuda fp8: " << std::string(e.what()));
    MESSAGE("skipped cuda fp8: " << std::string(e.what()));
    return;
  }
  f([] { return make_cuda_backend(0, Compute::Fp8); });
}

}  // namespace

TEST_CASE("fp8: a whole model's log-probs and gradients are near those of fp32, and repeat to the bit") {
  each_fp8_model([](const std::function<std::unique_ptr<Backend>()>& make) {
    const auto exact = make_model(tiny_gguf(kEvenShape), std::make_unique<CpuBackend>(2));
    const auto model = make_model(tiny_gguf(kEvenShape), make());
    CHECK(model->info().compute == "fp8");
    const OwnedBatch batch = tiny_batch({12, 8}, 50);
    const auto logprobs = model->logprobs(batch.view(), nullptr, nullptr);
    const double off = distance(logprobs, exact->logprobs(batch.view(), nullptr, nullptr));
    CHECK(off < 0.05);  // 0.022 seen
    CHECK(off > 1e-3);  // it really ran in fp8
    const std::vector<float> own = gradients(*model, batch);
    const double angle = cosine(own, gradients(*exact, batch));
    CHECK(angle > 0.95);  // 0.982 seen, after a step of AdamW that takes signs of what differs
    CHECK(model->logprobs(batch.view(), nullptr, nullptr) == logprobs);
    CHECK(gradients(*model, batch) == own);
  });
}

TEST_CASE("fp8: what weights and passes take from the device is what was planned") {
  cuda::emulated::Counted& counted = cuda::emulated::counted();
  for (const auto& [type, recompute, layers] :
       {std::tuple("bf16", "none", 1), std::tuple("Q8_0", "block", 1), std::tuple("f32", "offload", 3)}) {
    CAPTURE(type);
    // Bookkeeping, whose code is the same for all three.
    if (kSanitized && layers > 1 && !tested_in_full()) continue;
    ModelOptions options;
    options.recompute = recompute;
    bench::Shape shape = bench::find_shape("tiny");
    shape.L = layers, shape.V = 96;
    const int64_t nothing = counted.held;
    const auto model = make_model(std::make_shared<bench::RandomGguf>(shape, type, 1), emulated_fp8(false), options);
    const auto actor = model->create_adapter({});
    const OwnedBatch batch = tiny_batch({20, 12}, shape.V);
    const MemoryPlan plan = actor->plan({32, 2, 20, static_cast<int64_t>(batch.loss_tokens()), 0});
    const int64_t before = counted.peak = counted.held;
    CHECK(before - nothing == plan.weights + plan.parameters);
    // both copies of each projection, with room behind their rows, and their scales
    int64_t copies = 0;
    for (const bench::ShapeTensor& t : bench::tensors_of(shape)) {
      if (!t.name.starts_with("blk.") || t.rows == 0) continue;
      copies +=
          t.rows * (t.cols + cuda::kFp8Margin) + t.cols * (t.rows + cuda::kFp8TransposedMargin) + 4 * (t.rows + t.cols);
    }
    CHECK(plan.weights > copies);
    CHECK(plan.weights < copies + 4 * (shape.V + 80) * shape.C);  // the embedding, which has a margin, and norms
    actor->accumulate_policy(batch.view(), {.normalizer = batch.loss_tokens()}, nullptr);
    const auto planned = static_cast<double>(plan.activations + plan.workspace - int64_t{cuda::Products::kWorkspace});
    const auto took = static_cast<double>(counted.peak - before);
    CAPTURE(planned);
    CHECK(took < 1.05 * planned);
    CHECK(took > 0.9 * planned);
    const int64_t allocations = counted.allocations;
    actor->accumulate_policy(batch.view(), {.normalizer = batch.loss_tokens()}, nullptr);
    CHECK(counted.allocations == allocations);
  }
}

TEST_CASE("fp8 is refused where cuBLASLt does not offer it, and on the CPU, with what to do") {
  cuda::emulated::Counted& counted = cuda::emulated::counted();
  counted.failed = counted.products + 2;  // two in bf16, then the first in e4m3
  const Thrown refused = thrown([] { emulated_fp8(false); });
  counted.failed = -1;
  CHECK(refused.code == "backend_unavailable");
  CHECK(refused.says("compute fp8 needs a GPU of compute capability 9.0"));
  CHECK(refused.says("use compute bf16"));
  const Thrown on_cpu = thrown([] { make_backend("cpu", 1, "fp8"); });
  CHECK(on_cpu.code == "unsupported_compute");
  CHECK(on_cpu.says("expected f32 or bf16 on backend cpu, got fp8"));
  // Where there is no device `auto` does not fall back to the CPU, which has no fp8.
  if (thrown([] { make_cuda_backend(0); }).code == "backend_unavailable") {
    CHECK(thrown([] { make_backend("auto", 1, "fp8"); }).code == "backend_unavailable");
  }
}

}  // namespace spark_test
