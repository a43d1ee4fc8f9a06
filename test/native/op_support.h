// How an op is tested: its result against the equation in float64, and its gradient against central differences of that
// same equation. The reference has no tiles, no packing tricks and no fp32, so it shares no mistake with the op.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compare.h"
#include "core/error.h"
#include "core/half.h"
#include "cpu/cpu_backend.h"
#include "model/parameters.h"
#include "ops/buffer.h"

namespace spark_test {

using Doubles = std::vector<double>;

// What activations of the backend under test are stored in.
inline spark::Compute& tested_compute() {
  static spark::Compute compute = spark::Compute::F32;
  return compute;
}

// Exact in the type of activations, so that both sides see the same.
inline Doubles random_doubles(const std::string& name, int64_t count, double deviation = 1.0) {
  const auto values = spark::normal_values(11, name, count, deviation);
  Doubles exact(values.begin(), values.end());
  if (tested_compute() == spark::Compute::F32) return exact;
  for (double& x : exact) x = spark::bf16_to_float(spark::float_to_bf16(static_cast<float>(x)));
  return exact;
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
  spark::Activation* activations(const Doubles& values) {
    const int64_t count = static_cast<int64_t>(values.size());
    spark::Activation* memory = arena_.activations(count);
    const std::vector<float> wide(values.begin(), values.end());
    std::vector<uint16_t> narrow;
    for (const float x : wide) narrow.push_back(spark::float_to_bf16(x));
    const bool f32 = backend_.compute() == spark::Compute::F32;
    backend_.upload(memory, f32 ? static_cast<const void*>(wide.data()) : narrow.data(),
                    values.size() * backend_.value_bytes());
    return memory;
  }
  spark::Activation* held(int64_t count, double value) {
    return activations(Doubles(static_cast<size_t>(count), value));
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
  std::vector<float> values(const spark::Activation* memory, int64_t count) {
    if (backend_.compute() == spark::Compute::F32) return host(static_cast<const float*>(memory), count);
    std::vector<uint16_t> narrow(static_cast<size_t>(count));
    backend_.download(narrow.data(), memory, narrow.size() * sizeof(uint16_t));
    std::vector<float> wide;
    for (const uint16_t x : narrow) wide.push_back(spark::bf16_to_float(x));
    return wide;
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

constexpr double kTolerance = 2e-6;  // fp32 sums of a few hundred terms, relative to the largest value
// Results in bf16: two or three roundings, of 2^-9 each.
constexpr double kBf16Tolerance = 1e-2;

// f(backend, tolerance of its activations) for every backend and what it can store; another backend joins here.
inline void each_backend(const std::function<void(spark::Backend&, double)>& f) {
  for (const spark::Compute compute : {spark::Compute::F32, spark::Compute::Bf16}) {
    const char* name = spark::compute_name(compute);
    CAPTURE(name);
    std::unique_ptr<spark::Backend> backend;
    try {
      backend = std::make_unique<spark::CpuBackend>(2, compute);
    } catch (const spark::Error& e) {
      MESSAGE("skipped: " << e.what());
      continue;
    }
    backend->enter();
    tested_compute() = compute;
    f(*backend, compute == spark::Compute::F32 ? kTolerance : kBf16Tolerance);
  }
  tested_compute() = spark::Compute::F32;
}

// A test case that every backend runs: its body sees `backend` and `tolerance`.
#define OP_TEST_CASE_NAMED(name, body)                         \
  static void body(spark::Backend& backend, double tolerance); \
  TEST_CASE(name) { each_backend(body); }                      \
  static void body([[maybe_unused]] spark::Backend& backend, [[maybe_unused]] double tolerance)
#define OP_TEST_CASE(name) OP_TEST_CASE_NAMED(name, DOCTEST_ANONYMOUS(op_test_))

// expected + what the buffer held: tells "+=" from "=".
inline Doubles plus(Doubles values, double held) {
  for (double& x : values) x += held;
  return values;
}

}  // namespace spark_test
