// What a task of attention keeps beside its inputs: its head copied into rows of whole vectors, and one tile of scores.
// Transposed rows lie in blocks of kKeys columns, each as a tile reads it, from one end to the other: in one matrix as
// wide as the sequence is long, a block's rows would be kilobytes apart and fall into the same few sets of the cache.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/vector.h"

namespace spark {

constexpr int64_t kQueries = 32;  // rows of a tile of scores
constexpr int64_t kKeys = 64;     // columns; 8 KiB of scores, with its q, k and v blocks inside the first cache

constexpr int64_t key_blocks(int64_t n) { return (n + kKeys - 1) / kKeys * kKeys; }

struct ForwardScratch {
  float* kt;       // (n / kKeys, D, kKeys)
  float* vs;       // (n, width)
  float *qs, *os;  // (kQueries, width)
  float* s;        // (kQueries, kKeys)
  int64_t width;

  ForwardScratch(float* memory, int64_t n, int64_t D) : width(padded(D)) {
    kt = memory, vs = kt + D * key_blocks(n);
    qs = vs + n * width, os = qs + kQueries * width;
    s = os + kQueries * width;
  }
  static int64_t floats(int64_t n, int64_t D) {
    return D * key_blocks(n) + n * padded(D) + 2 * kQueries * padded(D) + kQueries * kKeys;
  }
};

struct BackwardScratch {
  float *kt, *vt;        // (n / kKeys, D, kKeys)
  float *ks, *dk, *dv;   // (n, width)
  float *qs, *dos, *dq;  // (kQueries, width)
  float *p, *ds;         // (kQueries, kKeys)
  int64_t width;

  BackwardScratch(float* memory, int64_t n, int64_t D) : width(padded(D)) {
    kt = memory, vt = kt + D * key_blocks(n);
    ks = vt + D * key_blocks(n), dk = ks + n * width, dv = dk + n * width;
    qs = dv + n * width, dos = qs + kQueries * width, dq = dos + kQueries * width;
    p = dq + kQueries * width, ds = p + kQueries * kKeys;
  }
  static int64_t floats(int64_t n, int64_t D) {
    return 2 * D * key_blocks(n) + 3 * n * padded(D) + 3 * kQueries * padded(D) + 2 * kQueries * kKeys;
  }
};

}  // namespace spark
