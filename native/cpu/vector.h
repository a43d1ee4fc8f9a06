// What the CPU kernels share before any vector: an exponential that vectorises, and how rows are padded.
#pragma once

#include <bit>
#include <cstdint>

#define SPARK_INLINE inline __attribute__((always_inline))

namespace spark {

// Loops with less work than this run on one thread: starting a team costs some microseconds.
constexpr int64_t kParallelWork = 1 << 15;

// Rows that are copied for a kernel end at a multiple of this: whole vectors on every level, 16 floats on the widest.
constexpr int64_t kPad = 16;
constexpr int64_t padded(int64_t n) { return (n + kPad - 1) / kPad * kPad; }

// e^x to 1e-7 relative, 0 below -87.3 (−∞ included), e^88 above 88, NaN for NaN. Written without calls or branches so
// that a loop over it becomes vector code (libm's expf does not: it sets errno). Cody-Waite reduction x = n ln2 + r
// with ln2 in two parts, then the Cephes polynomial for e^r. The constant 1.5 · 2^23 rounds to the nearest integer.
SPARK_INLINE float exp_fast(float x) {
  const bool tiny = x < -87.3f;
  float y = tiny ? -87.3f : x;
  y = y > 88.0f ? 88.0f : y;
  const float n = (y * 1.44269504088896341f + 12582912.0f) - 12582912.0f;
  const float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = (p * r) * r + r + 1.0f;
  const float scale = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
  return tiny ? 0.0f : p * scale;
}

}  // namespace spark
