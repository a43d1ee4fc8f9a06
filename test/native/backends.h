// Every backend there is, under the names that tests and SPARK_TEST_BACKENDS know them by. Another one joins here.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "cuda/cuda_backend.h"
#include "factory.h"
#include "support.h"

namespace spark_test {

// How far a result may be from the equation, relative to its largest value.
struct Tolerance {
  double activations;  // bf16: two or three roundings, of 2^-9 each
  double exact;        // fp32 sums of a few hundred terms
};
constexpr Tolerance kFp32{2e-6, 2e-6}, kBf16{1e-2, 2e-6};
constexpr Tolerance kCuda{1e-2, 1e-5};  // with the device's fast exponential

struct TestedBackend {
  std::string name;
  Tolerance tolerance;
  std::function<std::unique_ptr<spark::Backend>()> make;
  bool slow = false;       // a thousand times, so that long tests take less of it
  bool reordered = false;  // what has run before, its threads in another order
};

inline std::unique_ptr<spark::Backend> emulated_cuda(bool descending) {
  spark::cuda::emulated::descending_order(descending);
  return std::make_unique<spark::cuda::CudaBackend>(0);
}

// The same with attention kernels that are chosen.
inline std::unique_ptr<spark::Backend> emulated_cuda(bool descending, spark::cuda::AttentionKernels attention) {
  spark::cuda::emulated::descending_order(descending);
  spark::cuda::emulated::hopper() = true;
  spark::cuda::CudaOptions options;
  options.attention = attention;
  auto backend = std::make_unique<spark::cuda::CudaBackend>(0, options);
  spark::cuda::emulated::hopper() = false;
  return backend;
}

// Whether SPARK_TEST_BACKENDS leaves this one in: for tests that make their own.
inline bool is_tested(const std::string& name) {
  const char* only = std::getenv("SPARK_TEST_BACKENDS");
  return !only || name == only;
}

// The whole of it, as scripts/nightly.sh asks for; else what takes minutes is left out where other tests show the same.
inline bool tested_in_full() { return std::getenv("SPARK_TEST_FULL") != nullptr; }

// f(tested) for each of them that works here; for the others a line with the reason. One that SPARK_TEST_BACKENDS asks
// for by name must work.
inline void each_tested(const std::function<void(const TestedBackend&)>& f) {
  const TestedBackend all[] = {
      {"cpu f32", kFp32, [] { return std::make_unique<spark::CpuBackend>(2, spark::Compute::F32); }},
      {"cpu bf16", kBf16, [] { return std::make_unique<spark::CpuBackend>(2, spark::Compute::Bf16); }},
      {"cuda emulated", kCuda, [] { return emulated_cuda(false); }, true},
      {"cuda emulated, threads in descending order", kCuda, [] { return emulated_cuda(true); }, true, true},
      {"cuda", kCuda, [] { return spark::make_cuda_backend(0); }},
  };
  const char* only = std::getenv("SPARK_TEST_BACKENDS");  // one of these names
  bool known = !only;
  for (const TestedBackend& tested : all) {
    if (!is_tested(tested.name)) continue;
    known = true;
    if (tested.reordered && kSanitized && !only && !tested_in_full()) {
      MESSAGE("skipped " << tested.name << ": sanitized, it is for SPARK_TEST_FULL=1 (scripts/nightly.sh)");
      continue;
    }
    const std::string& name = tested.name;
    CAPTURE(name);
    try {
      tested.make();
    } catch (const spark::Error& e) {
      if (only) FAIL(name << ": " << std::string(e.what()));
      MESSAGE("skipped " << name << ": " << std::string(e.what()));
      continue;
    }
    f(tested);
  }
  if (!known) FAIL("SPARK_TEST_BACKENDS: no backend is called " << std::string(only));
}

// For tests of whole models: without the other order of threads, which the op suite looks at. Where `elsewhere`, other
// tests show the sanitizers the same kernels, and a sanitized run leaves the emulated device, ten times as slow as the
// processor, to SPARK_TEST_FULL=1.
inline void each_tested_once(bool elsewhere, const std::function<void(const TestedBackend&)>& f) {
  each_tested([&](const TestedBackend& tested) {
    const bool night = elsewhere && tested.slow && kSanitized && !tested_in_full();
    if (!tested.reordered && !night) f(tested);
  });
}

}  // namespace spark_test
