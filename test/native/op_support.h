// How an op is tested: its result against the equation in float64, and its gradient against central differences of that
// same equation. The reference has no tiles, no packing tricks and no fp32, so it shares no mistake with the op.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <list>
#include <string>
#include <vector>

#include "backends.h"
#include "compare.h"
#include "core/half.h"
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

// c (m, n) = a (m, k) bᵀ with b (n, k)
inline Doubles times_transposed(const Doubles& a, const Doubles& b, int64_t m, int64_t n, int64_t k) {
  Doubles c(static_cast<size_t>(m * n), 0.0);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j)
      for (int64_t p = 0; p < k; ++p)
        c[static_cast<size_t>(i * n + j)] += a[static_cast<size_t>(i * k + p)] * b[static_cast<size_t>(j * k + p)];
  return c;
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
  // (M, V) as output_backward reads it, and read back.
  spark::Activation* dlogits(const Doubles& values, int64_t M, int64_t V) {
    const int64_t stride = backend_.dlogit_stride(V);
    Doubles spread(static_cast<size_t>(M * stride), std::nan(""));
    for (int64_t m = 0; m < M; ++m) std::copy_n(values.begin() + m * V, V, spread.begin() + m * stride);
    return activations(spread);
  }
  std::vector<float> dlogits(const float* memory, int64_t M, int64_t V) {
    const int64_t stride = backend_.dlogit_stride(V);
    const std::vector<float> spread = values(memory, M * stride);
    std::vector<float> rows;
    for (int64_t m = 0; m < M; ++m) {
      rows.insert(rows.end(), spread.begin() + m * stride, spread.begin() + m * stride + V);
    }
    return rows;
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
    const std::byte* data = kept(values);
    return backend_.load_matrix(spark::TensorType::F32, data, rows, cols);
  }
  spark::Vector vector(const Doubles& values) {
    return backend_.load_vector(spark::TensorType::F32, kept(values), static_cast<int64_t>(values.size()));
  }
  // `lengths` are those of the sequences without what they share.
  spark::Packing packing(const std::vector<int>& lengths, int prefix = 0) {
    std::vector<int32_t> cu{prefix}, positions;
    for (int i = 0; i < prefix; ++i) positions.push_back(i);
    spark::Packing p;
    p.prefix = prefix;
    for (const int n : lengths) {
      for (int i = 0; i < n; ++i) positions.push_back(prefix + i);
      cu.push_back(cu.back() + n);
      p.longest = std::max<int64_t>(p.longest, prefix + n);
    }
    p.tokens = cu.back();
    p.sequences = static_cast<int64_t>(lengths.size());
    p.cu_seqlens = ints(cu);
    p.positions = ints(positions);
    return p;
  }

 private:
  // Host memory that a weight may go on using.
  const std::byte* kept(const Doubles& values) {
    files_.emplace_back(values.begin(), values.end());
    return reinterpret_cast<const std::byte*>(files_.back().data());
  }

  spark::Backend& backend_;
  spark::Arena arena_;
  std::list<std::vector<float>> files_;
};

// f(backend, tolerance) for every backend and what it can store.
inline void each_backend(const std::function<void(spark::Backend&, const Tolerance&)>& f) {
  each_tested([&](const TestedBackend& tested) {
    const auto backend = tested.make();
    backend->enter();
    tested_compute() = backend->compute();
    f(*backend, tested.tolerance);
  });
  tested_compute() = spark::Compute::F32;
}

// A test case that every backend runs: its body sees `backend` and `tolerance`.
#define OP_TEST_CASE_NAMED(name, body)                                   \
  static void body(spark::Backend& backend, const Tolerance& tolerance); \
  TEST_CASE(name) { each_backend(body); }                                \
  static void body([[maybe_unused]] spark::Backend& backend, [[maybe_unused]] const Tolerance& tolerance)
#define OP_TEST_CASE(name) OP_TEST_CASE_NAMED(name, DOCTEST_ANONYMOUS(op_test_))

// expected + what the buffer held: tells "+=" from "=".
inline Doubles plus(Doubles values, double held) {
  for (double& x : values) x += held;
  return values;
}

}  // namespace spark_test
