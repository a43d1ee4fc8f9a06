// LoRA (Hu et al. 2021):  u = s x Aᵀ,  y += u Bᵀ
//   du = s dy B,  dB += dyᵀ u,  dA += duᵀ x,  dx += du A
//
// These products take as long as reading their large factor does, and sgemm reads it at the speed of memory. A loop of
// our own is faster only where two products read the same factor: du and dB both read dy, in blocks of rows that stay
// in cache (bench_ops: linear_backward with LoRA). dB is summed per thread and added in the threads' order, so a result
// depends on the number of threads and on nothing else.
#include <omp.h>

#include "cpu/bf16.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

struct Rows {
  int64_t first, last;
};

// The rows of one of `threads` threads: as even as whole blocks allow.
Rows rows_of(int64_t M, int thread, int threads) {
  const int64_t blocks = (M + kLowRankRows - 1) / kLowRankRows;
  return {std::min(M, blocks * thread / threads * kLowRankRows),
          std::min(M, blocks * (thread + 1) / threads * kLowRankRows)};
}

}  // namespace

// f(first row, number of rows, sums) for the rows of each thread; sums (size) start as zeros, and thread by thread they
// are then handed to add.
template <class F, class Add>
void CpuBackend::sum_over_rows(int64_t M, int64_t size, bool team, F&& f, Add&& add) {
  for (int t = 0; t < threads_; ++t) std::fill_n(scratch(t, size), size, 0.0f);
#pragma omp parallel num_threads(threads_) if (team)
  {
    const int thread = omp_get_thread_num();
    const Rows own = rows_of(M, thread, omp_get_num_threads());
    f(own.first, own.last - own.first, scratch_[static_cast<size_t>(thread)].data.get());
  }
  for (int t = 0; t < threads_; ++t) add(scratch(t, size));
}

void CpuBackend::lora_down(Activation* u, const Activation* x, const Activation* a, float scale, int64_t M, int64_t in,
                           int64_t S) {
  if (bf16_) {
    float* sums = shared_scratch(kSumsSlot, M * S);  // (M, S): rounded once, after the scale
    bf16_->run(sums, S, static_cast<const Bf16Bits*>(x), in, static_cast<const Bf16Bits*>(a), in, true, M, S, in,
               false);
    return round_to_bf16(static_cast<Bf16Bits*>(u), sums, M * S, scale);
  }
  cpu_gemm(false, true, M, S, in, scale, static_cast<const float*>(x), in, static_cast<const float*>(a), in, 0.0f,
           static_cast<float*>(u), S);
}

void CpuBackend::lora_up(Activation* y, const LowRank& lora, int64_t M, int64_t out) {
  const auto& [u, stride, R, b] = lora;
  if (bf16_) {
    return bf16_->run(static_cast<Bf16Bits*>(y), out, static_cast<const Bf16Bits*>(u), stride,
                      static_cast<const Bf16Bits*>(b), R, true, M, out, R, true);
  }
  cpu_gemm(false, true, M, out, R, 1.0f, static_cast<const float*>(u), stride, static_cast<const float*>(b), R, 1.0f,
           static_cast<float*>(y), out);
}

void CpuBackend::lora_input(Activation* dx, const LowRank& lora, int64_t M, int64_t in) {
  const auto& [u, stride, R, a] = lora;
  if (bf16_) {
    return bf16_->run(static_cast<Bf16Bits*>(dx), in, static_cast<const Bf16Bits*>(u), stride,
                      static_cast<const Bf16Bits*>(a), in, false, M, in, R, true);
  }
  cpu_gemm(false, false, M, in, R, 1.0f, static_cast<const float*>(u), stride, static_cast<const float*>(a), in, 1.0f,
           static_cast<float*>(dx), in);
}

void CpuBackend::lora_up_backward(Activation* du, float* db, const Activation* dy, int64_t dy_stride,
                                  const Activation* u, int64_t stride, const Activation* b, float scale, int64_t M,
                                  int64_t out, int64_t R) {
  float* bt = shared_scratch(kPanelSlot, R * out);  // (R, out)
  with_activation_type(compute_, [&]<class T>(T) {
    for (int64_t j = 0; j < out; ++j)
      for (int64_t r = 0; r < R; ++r) bt[r * out + j] = scale * widen(static_cast<const T*>(b)[j * R + r]);
    const auto rows = [&](int64_t first, int64_t m, float* c) {
      kernels().of<T>().lora_up_backward(static_cast<T*>(du) + first * stride, c,
                                         static_cast<const T*>(dy) + first * dy_stride, dy_stride,
                                         static_cast<const T*>(u) + first * stride, stride, bt, m, out, R);
    };
    sum_over_rows(M, R * out, M * out > kParallelWork, rows, [&](const float* c) {  // (R, out)
      for (int64_t j = 0; j < out; ++j)
        for (int64_t r = 0; r < R; ++r) db[j * R + r] += c[r * out + j];
    });
  });
}

void CpuBackend::lora_down_backward(float* da, const Activation* du, const Activation* x, int64_t M, int64_t in,
                                    int64_t S) {
  if (bf16_) {
    const auto rows = [&](int64_t first, int64_t m, float* c) {
      kernels().lora_down_backward(c, static_cast<const Bf16Bits*>(du) + first * S,
                                   static_cast<const Bf16Bits*>(x) + first * in, m, in, S);
    };
    return sum_over_rows(M, S * in, M * in > kParallelWork, rows, [&](const float* c) {  // (S, in)
      for (int64_t i = 0; i < S * in; ++i) da[i] += c[i];
    });
  }
  cpu_gemm(true, false, S, in, M, 1.0f, static_cast<const float*>(du), S, static_cast<const float*>(x), in, 1.0f, da,
           in);
}

}  // namespace spark
