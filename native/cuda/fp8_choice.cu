// Whether this device multiplies e4m3 with a scale a row, asked once when a backend with compute fp8 is opened:
// cuBLASLt offers it on Hopper alone, and only it knows. A small projection is multiplied in both types, so that a
// scale that went to the wrong row would show as well.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/half.h"
#include "cuda/cuda_backend.h"
#include "cuda/memory.h"

namespace spark::cuda {

namespace {

constexpr int64_t kM = 24, kOut = 64, kIn = 128;

// (rows, cols), all positive so that sums do not cancel; from row to row eight magnitudes take turns.
std::vector<uint16_t> uneven(int64_t rows, int64_t cols) {
  std::vector<uint16_t> values;
  uint32_t state = 1;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      state = state * 1664525u + 1013904223u;
      const float mantissa = 0.25f + static_cast<float>(state >> 8) / static_cast<float>(1 << 24);
      values.push_back(float_to_bf16(std::ldexp(mantissa, static_cast<int>(r % 8) - 4)));
    }
  }
  return values;
}

}  // namespace

// The largest difference of y, dx in fp8 from what they are in bf16, relative to it; both are added to ones.
double CudaBackend::fp8_difference() {
  constexpr int64_t kMade = kM * (kOut + kIn);
  const auto room = [] { return std::shared_ptr<void>(device_allocate(kMade * sizeof(uint16_t)), device_release); };
  const std::shared_ptr<void> inputs = room(), outputs = room(), rest = room();
  const std::vector<uint16_t> x = uneven(kM, kIn), dy = uneven(kM, kOut), w = uneven(kOut, kIn);
  const std::vector<uint16_t> ones(kMade, float_to_bf16(1));
  Activation *own_x = inputs.get(), *own_dy = at(own_x, kM * kIn), *y = outputs.get(), *dx = at(y, kM * kOut);
  upload(own_x, x.data(), x.size() * sizeof(uint16_t));
  upload(own_dy, dy.data(), dy.size() * sizeof(uint16_t));
  upload(rest.get(), ones.data(), ones.size() * sizeof(uint16_t));
  const auto* bytes = reinterpret_cast<const std::byte*>(w.data());
  const size_t held = weight_bytes_;
  // y (kM, kOut), dx (kM, kIn)
  const auto results = [&](const Weight& weight) {
    upload(outputs.get(), ones.data(), ones.size() * sizeof(uint16_t));
    linear_forward(y, own_x, weight, {}, rest.get(), kM);
    linear_backward(dx, own_dy, weight, {}, kM, true);
    std::vector<uint16_t> all(ones.size());
    download(all.data(), outputs.get(), all.size() * sizeof(uint16_t));
    return all;
  };
  const std::vector<uint16_t> expected = results(load_matrix(TensorType::BF16, bytes, kOut, kIn));
  const std::vector<uint16_t> got = results(load_projection(TensorType::BF16, bytes, kOut, kIn));
  weight_bytes_ = held;
  double most = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double a = bf16_to_float(expected[i]), b = bf16_to_float(got[i]);
    if (!std::isfinite(b)) return INFINITY;
    most = std::max(most, std::abs(b - a) / a);
  }
  return most;
}

void CudaBackend::require_fp8() {
  // Of positive values a sum is off by no more than its terms are: two factors rounded by 2^-4, and bf16's rounding.
  constexpr double kMost = (1 + 1.0 / 16) * (1 + 1.0 / 16) * (1 + 1.0 / 128) - 1;
  double most = 0;
  try {
    most = fp8_difference();
  } catch (const Error& e) {
    if (e.code() != "internal") throw;
    throw Error(
        "backend_unavailable",
        "backend cuda: compute fp8 needs a GPU of compute capability 9.0 (Hopper) and cuBLAS 12.9 or later, got " +
            device() + " (" + e.what() + "); use compute bf16");
  }
  if (most <= kMost) return;
  throw Error("backend_unavailable", "backend cuda: compute fp8: this device's products of e4m3 are off by " +
                                         std::to_string(most) + ", expected " + std::to_string(kMost) +
                                         " at most; use compute bf16");
}

}  // namespace spark::cuda
