// What the ops compute within one thread, once for every level of vector instructions: SSE4, AVX2 and AVX-512 on x86,
// NEON on ARM. The sources are in cpu/levels; the ops around them, which share out the work, know no level.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "cpu/activation.h"
#include "cpu/attention_scratch.h"
#include "ops/adamw.h"

namespace spark {

// Products with a factor as narrow as LoRA's rank go by blocks of this many rows: 32 x 8192 floats are 1 MB.
constexpr int64_t kLowRankRows = 32;

// T: float or Bf16Bits
template <class T>
struct ActivationKernels {
  // One head. Pointers are at its column of the first row, and `stride` values lie between rows; lse steps by H.
  // First k (n, D) and v (n, D) are loaded, as w's keys from number `first` on, a multiple of kKeys; and with backward
  // their gradients in w are set to zero.
  void (*attention_load_forward)(const ForwardScratch& w, const T* k, const T* v, int64_t first, int64_t n, int64_t D,
                                 int64_t stride);
  void (*attention_load_backward)(const BackwardScratch& w, const T* k, const T* v, int64_t first, int64_t n, int64_t D,
                                  int64_t stride);
  // Then n queries, the first of which sees `before` keys and its own.
  void (*attention_forward)(T* o, float* lse, const T* q, int64_t before, int64_t n, int64_t H, int64_t D,
                            int64_t stride, const ForwardScratch& w);
  // One query head of the key head that w holds: dq is written, w.dk and w.dv are added to.
  void (*attention_backward)(T* dq, const BackwardScratch& w, const T* dout, const T* q, const T* o, const float* lse,
                             int64_t before, int64_t n, int64_t H, int64_t D, int64_t stride);
  // to (rows, D), `stride` apart, = from (rows, width)
  void (*attention_store)(T* to, int64_t stride, const float* from, int64_t width, int64_t rows, int64_t D);

  // One row (C); forward returns its rstd.
  float (*rmsnorm_forward)(T* y, const T* x, const float* w, float epsilon, int64_t C);
  void (*rmsnorm_backward)(T* dx, const T* dy, const T* x, const float* w, float rstd, int64_t C);
  // head (D), angle (pairs, 2): cos, sin
  void (*turn_neighbours)(T* head, const float* angle, int64_t pairs, float sign);
  void (*turn_halves)(T* head, const float* angle, int64_t pairs, float sign);
  void (*swiglu_forward)(T* y, const T* gate, const T* up, int64_t count);
  void (*swiglu_backward)(T* dgate, T* dup, const T* dy, const T* gate, const T* up, int64_t count);
  // gradient (V) begins where logits (V) do.
  void (*logprob_backward)(T* gradient, const float* logits, float dlp, float lse, int64_t target, int64_t V);
  // Σ x w; sums += scale · w
  float (*dot)(const T* x, const T* w, int64_t C);
  void (*add_scaled)(float* sums, const T* w, float scale, int64_t count);
  // y = x; y += scale · x; y += x
  void (*narrow_row)(T* y, const float* x, int64_t C);
  void (*add_row)(T* y, const T* x, float scale, int64_t C);
  void (*add_rows)(T* y, const T* x, int64_t count);
  // du (m, R) = dy btᵀ and c (R, out) += uᵀ dy; bt (R, out) is scale · Bᵀ
  void (*lora_up_backward)(T* du, float* c, const T* dy, int64_t dy_stride, const T* u, int64_t stride, const float* bt,
                           int64_t m, int64_t out, int64_t R);
};

struct Kernels {
  const char* level;
  ActivationKernels<float> f32;
  ActivationKernels<Bf16Bits> bf16;
  float (*log_sum_exp)(const float* logits, int64_t V);
  void (*adamw)(float* w, float* m, float* v, const float* gradient, const AdamwUpdate& c, int64_t count);
  float (*value_forward)(float* z, const float* b1, const float* w2, int64_t E);
  void (*value_backward)(float* z, float* db1, float* dw2, float dv, const float* w2, int64_t E);
  // to += x; to = scale · x, to nearest, ties to even; NaN stays NaN
  void (*add_widened)(float* to, const Bf16Bits* x, int64_t count);
  void (*round_to_bf16)(Bf16Bits* to, const float* x, int64_t count, float scale);
  // c (S, in) += duᵀ x, du (m, S), x (m, in)
  void (*lora_down_backward)(float* c, const Bf16Bits* du, const Bf16Bits* x, int64_t m, int64_t in, int64_t S);

  template <class T>
  const ActivationKernels<T>& of() const {
    if constexpr (std::is_same_v<T, float>) {
      return f32;
    } else {
      return bf16;
    }
  }
};

// Those of the level in use: the highest that this processor has, or the one that SPARK_RL_CPU_LEVEL names. Throws
// invalid_argument, the first time alone, for a name that is none of its levels.
const Kernels& kernels();
// Those of a level by name, "" for the highest.
const Kernels& kernels_at(std::string_view level);
// Every level that this processor has, the highest first.
std::vector<const Kernels*> kernels_here();

}  // namespace spark
