// The 6-bit scales of Q4_K and Q5_K. constexpr, so that a kernel may call it.
#pragma once

#include <cstdint>

namespace spark {

struct ScaleAndMinimum {
  float scale, minimum;
};

// Q4_K and Q5_K pack eight 6-bit scales and eight 6-bit minimums into 12 bytes: the first four of each whole in the low
// six bits of bytes 0–3 and 4–7, the last four as nibbles of bytes 8–11 with their top two bits in the spare bits
// above.
constexpr ScaleAndMinimum unpack_scale(int group, const uint8_t* packed, float d, float d_minimum) {
  int scale = 0, minimum = 0;
  if (group < 4) {
    scale = packed[group] & 63;
    minimum = packed[group + 4] & 63;
  } else {
    scale = (packed[group + 4] & 0x0f) | ((packed[group - 4] >> 6) << 4);
    minimum = (packed[group + 4] >> 4) | ((packed[group] >> 6) << 4);
  }
  return {d * static_cast<float>(scale), d_minimum * static_cast<float>(minimum)};
}

}  // namespace spark
