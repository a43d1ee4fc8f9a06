// The kernels of cpu/levels, compiled once for every level by Google Highway: foreach_target.h includes this file again
// for each, and what stands between its marks is compiled for that level and put into a namespace of its own. Each file
// of cpu/levels comes once a level, in this order, and so needs no include guard.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/activation.h"
#include "cpu/attention_scratch.h"
#include "cpu/kernels.h"

// Levels above AVX-512's first and above NEON: kernels of fp32 sums gain nothing from them, and SVE's vectors, whose
// size is not known here, could not be kept in the arrays of a tile.
#define HWY_DISABLED_TARGETS (HWY_ARCH_X86 ? HWY_AVX3 - 1 : HWY_ARCH_ARM ? HWY_NEON - 1 : 0)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels.cpp"
#include <hwy/foreach_target.h>  // first of the two
#include <hwy/highway.h>

#include "cpu/levels/lanes-inl.h"
#include "cpu/levels/tile-inl.h"

#include "cpu/levels/adamw-inl.h"
#include "cpu/levels/attention-inl.h"
#include "cpu/levels/choice-inl.h"
#include "cpu/levels/logprob-inl.h"
#include "cpu/levels/low_rank-inl.h"
#include "cpu/levels/rmsnorm-inl.h"
#include "cpu/levels/rope-inl.h"
#include "cpu/levels/rows-inl.h"
#include "cpu/levels/swiglu-inl.h"
#include "cpu/levels/value_head-inl.h"

HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

constexpr const char* kLevel = HWY_TARGET == HWY_AVX3   ? "avx512"
                               : HWY_TARGET == HWY_AVX2 ? "avx2"
                               : HWY_TARGET == HWY_SSE4 ? "sse4"
                               : HWY_ARCH_ARM           ? "neon"
                                                        : "other";

template <class T>
constexpr ActivationKernels<T> kActivationKernels = {
    .attention_load_forward = attention_load_forward<T>,
    .attention_load_backward = attention_load_backward<T>,
    .attention_forward = attention_forward<T>,
    .attention_backward = attention_backward<T>,
    .attention_store = attention_store<T>,
    .rmsnorm_forward = rmsnorm_forward<T>,
    .rmsnorm_backward = rmsnorm_backward<T>,
    .turn_neighbours = turn_neighbours<T>,
    .turn_halves = turn_halves<T>,
    .swiglu_forward = swiglu_forward<T>,
    .swiglu_backward = swiglu_backward<T>,
    .logprob_backward = logprob_backward<T>,
    .dot = dot<T>,
    .add_scaled = add_scaled<T>,
    .narrow_row = narrow_row<T>,
    .add_row = add_row<T>,
    .add_rows = add_rows<T>,
    .lora_up_backward = lora_up_backward<T>,
};

const Kernels* table() {
  static constexpr Kernels kTable = {
      .level = kLevel,
      .f32 = kActivationKernels<float>,
      .bf16 = kActivationKernels<Bf16Bits>,
      .log_sum_exp = log_sum_exp,
      .adamw = adamw,
      .value_forward = value_forward,
      .value_backward = value_backward,
      .add_widened = add_widened,
      .round_to_bf16 = round_to_bf16,
      .lora_down_backward = lora_down_backward,
  };
  return &kTable;
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spark {

std::vector<const Kernels*> kernels_here() {
  std::vector<const Kernels*> found;
#if HWY_TARGETS & ~HWY_STATIC_TARGET & HWY_AVX3
  if (hwy::SupportedTargets() & HWY_AVX3) found.push_back(N_AVX3::table());
#endif
#if HWY_TARGETS & ~HWY_STATIC_TARGET & HWY_AVX2
  if (hwy::SupportedTargets() & HWY_AVX2) found.push_back(N_AVX2::table());
#endif
  found.push_back(HWY_STATIC_DISPATCH(table)());  // what this file's flags allow everywhere
  return found;
}

}  // namespace spark
#endif
