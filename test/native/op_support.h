// How an op is tested: its result against the equation in float64, and its gradient against central differences of that
// same equation. The reference has no tiles, no packing tricks and no fp32, so it shares no mistake with the op.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "compare.h"
#include "cpu/cpu_backend.h"
#include "model/parameters.h"
#include "ops/buffer.h"

namespace spark_test {

using Doubles = std::vector<double>;

inline Doubles random_doubles(const std::string& name, int64_t count, double deviation = 1.0) {
  const auto values = spark::normal_values(11, name, count, deviation);  // exact in fp32, so both sides see the same
  return {values.begin(), values.end()};
}

// d(Σ weight · f(x)) / dx, one entry at a time; float64 leaves about 1e-9.
inline Doubles numeric_gradient(const std::function<Doubles(const Doubles&)>& f, Doubles x, const Doubles& weight) {
  constexpr double kStep = 1e-5;
  const auto loss = [&] {
    const Doubles y = f(x);
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += y[i] * weight[i];
    return sum;
  };
  Doubles gradient(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double kept = x[i];
    x[i] = kept + kStep;
    const double above = loss();
    x[i] = kept - kStep;
    gradient[i] = (above - loss()) / (2 * kStep);
    x[i] = kept;
  }
  return gradient;
}

// Memory of a backend that copies from and to the host.
class Device {
 public:
  explicit Device(spark::Backend& backend) : backend_(backend), arena_(backend) {}
  float* floats(const Doubles& values) {
    const std::vector<float> host(values.begin(), values.end());
    float* memory = arena_.floats(static_cast<int64_t>(host.size()));
    backend_.upload(memory, host.data(), host.size() * sizeof(float));
    return memory;
  }
  float* filled(int64_t count, float value) {
    float* memory = arena_.floats(count);
    backend_.fill(memory, value, count);
    return memory;
  }
  const int32_t* ints(const std::vector<int32_t>& values) {
    int32_t* memory = arena_.ints(static_cast<int64_t>(values.size()));
    backend_.upload(memory, values.data(), values.size() * sizeof(int32_t));
    return memory;
  }
  std::vector<float> host(const float* memory, int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    backend_.download(values.data(), memory, values.size() * sizeof(float));
    return values;
  }
  spark::Weight weight(const Doubles& values, int64_t rows, int64_t cols) {
    return {reinterpret_cast<const std::byte*>(floats(values)), spark::TensorType::F32, rows, cols, nullptr};
  }
  spark::Vector vector(const Doubles& values) { return {floats(values), static_cast<int64_t>(values.size()), nullptr}; }
  spark::Packing packing(const std::vector<int>& lengths) {
    std::vector<int32_t> cu{0}, positions;
    spark::Packing p;
    for (const int n : lengths) {
      for (int i = 0; i < n; ++i) positions.push_back(i);
      cu.push_back(cu.back() + n);
      p.longest = std::max<int64_t>(p.longest, n);
    }
    p.tokens = cu.back();
    p.sequences = static_cast<int64_t>(lengths.size());
    p.cu_seqlens = ints(cu);
    p.positions = ints(positions);
    return p;
  }

 private:
  spark::Backend& backend_;
  spark::Arena arena_;
};

// Every backend runs the same tests; a second one joins here.
inline spark::Backend& test_backend() {
  static spark::CpuBackend backend(2);
  backend.enter();
  return backend;
}

// expected + what the buffer held: tells "+=" from "=".
inline Doubles plus(Doubles values, double held) {
  for (double& x : values) x += held;
  return values;
}

constexpr double kTolerance = 2e-6;  // fp32 sums of a few hundred terms, relative to the largest value

}  // namespace spark_test
