// A row that the threads of a block go through twice: once for a sum or its largest value, once to rewrite it.
#pragma once

#include "cuda/device.h"
#include "cuda/vectors.h"

namespace spark::cuda {

// V bf16 values as they lie in memory, in half the registers of widened ones.
template <int V>
struct Packed {
  static_assert(V == 1 || V == 8);
  std::conditional_t<V == 8, uint4, Bf16> words;

  __device__ static Packed load(const Bf16* from) { return {*reinterpret_cast<const decltype(words)*>(from)}; }
  __device__ Values<V> values() const { return Values<V>::load(reinterpret_cast<const Bf16*>(&words)); }
};

// A thread's part of a row of `cols` values: V of every THREADS · V. A row of at most HELD · THREADS · V values stays
// in registers from `ask` on. Memory is then read once and, what counts, all of it is asked for before the first value
// is used: a block waits once. With HELD = 0 a row of any length is read in either pass.
template <int V, int THREADS, int HELD>
struct RowPart {
  Packed<V> held[HELD > 0 ? HELD : 1];

  __device__ void ask(const Bf16* row, int64_t cols) {
    SPARK_UNROLL
    for (int k = 0; k < HELD; ++k) {
      const int64_t c = (int64_t{k} * THREADS + threadIdx.x) * V;
      if (c < cols) held[k] = Packed<V>::load(row + c);
    }
  }
  // The values from column c on, which each_part calls the k-th.
  __device__ Values<V> at(const Bf16* row, int k, int64_t c) const {
    if constexpr (HELD > 0) {
      return held[k].values();
    } else {
      return Values<V>::load(row + c);
    }
  }
};

// f(k, c) for each part of this thread
template <int V, int THREADS, int HELD, class F>
__device__ inline void each_part(int64_t cols, F&& f) {
  if constexpr (HELD > 0) {
    SPARK_UNROLL
    for (int k = 0; k < HELD; ++k) {
      const int64_t c = (int64_t{k} * THREADS + threadIdx.x) * V;
      if (c < cols) f(k, c);
    }
  } else {
    for (int64_t c = int64_t{threadIdx.x} * V; c < cols; c += THREADS * V) f(0, c);
  }
}

// f(std::integral_constant<int, HELD>) with the least of 2, 4 and 8 that holds a row of `cols`, or 0; of single values
// none are held.
template <int V, int THREADS, class F>
void with_held(int64_t cols, F&& f) {
  if constexpr (V > 1) {
    const int64_t vectors = (cols + THREADS * V - 1) / (THREADS * V);
    if (vectors <= 2) return f(std::integral_constant<int, 2>());
    if (vectors <= 4) return f(std::integral_constant<int, 4>());
    if (vectors <= 8) return f(std::integral_constant<int, 8>());
  }
  f(std::integral_constant<int, 0>());
}

}  // namespace spark::cuda
