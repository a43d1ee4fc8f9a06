// Choosing between 16-byte accesses and single values.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "cuda/device.h"

namespace spark::cuda {

constexpr int kVector = 8;  // bf16 values of a 16-byte access

// Whether rows of `cols` bf16 values may be read kVector at a time from all of these.
inline bool vectorizes(int64_t cols, std::initializer_list<const void*> pointers) {
  bool all = cols % kVector == 0;
  for (const void* p : pointers) all = all && reinterpret_cast<uintptr_t>(p) % 16 == 0;
  return all;
}

// f(std::integral_constant<int, V>) with V = kVector or 1.
template <class F>
void with_vector(bool vectorizes, F&& f) {
  if (vectorizes) {
    f(std::integral_constant<int, kVector>());
  } else {
    f(std::integral_constant<int, 1>());
  }
}

inline Bf16* bf16(void* x) { return static_cast<Bf16*>(x); }
inline const Bf16* bf16(const void* x) { return static_cast<const Bf16*>(x); }

}  // namespace spark::cuda
