// LoRA (Hu et al. 2021):  u = x Aᵀ,  y += s u Bᵀ
//   du = s dy B,  dB += s dyᵀ u,  dA += duᵀ x,  dx += du A
//
// Bound by reading the large factor; sgemm does that at the speed of memory, so it is beaten only where two products
// read the same one: du and dB take dy in blocks of rows that stay in cache (bench_ops: lora_backward). dB is summed
// per thread and added in the threads' order, so a result depends on the number of threads and on nothing else.
#include <omp.h>

#include "cpu/cpu_backend.h"
#include "cpu/low_rank.h"

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

// du (m, R) = dy btᵀ and c (R, out) += uᵀ dy; bt (R, out) is scale · Bᵀ
SPARK_CLONES void up_backward_rows(float* du, float* c, const float* dy, const float* u, int64_t stride,
                                   const float* bt, int64_t m, int64_t out, int64_t R) {
  for (int64_t i = 0; i < m; i += kLowRankRows) {
    const int64_t rows = std::min(kLowRankRows, m - i);
    low_rank_dots(du + i * stride, stride, dy + i * out, out, bt, rows, out, R);
    low_rank_outer(c, u + i * stride, stride, dy + i * out, out, rows, out, R);
  }
}

}  // namespace

void CpuBackend::lora_down(float* u, const float* x, const float* a, int64_t M, int64_t in, int64_t S) {
  cpu_gemm(false, true, M, S, in, 1.0f, x, in, a, in, 0.0f, u, S);
}

void CpuBackend::lora_up(float* y, const float* u, int64_t stride, const float* b, float scale, int64_t M, int64_t out,
                         int64_t R) {
  cpu_gemm(false, true, M, out, R, scale, u, stride, b, R, 1.0f, y, out);
}

void CpuBackend::lora_up_backward(float* du, float* db, const float* dy, const float* u, int64_t stride, const float* b,
                                  float scale, int64_t M, int64_t out, int64_t R) {
  const int64_t size = R * out;
  float* bt = shared_scratch(kPanelSlot, size);  // (R, out)
  for (int t = 0; t < threads_; ++t) std::fill_n(scratch(t, size), size, 0.0f);
  for (int64_t j = 0; j < out; ++j)
    for (int64_t r = 0; r < R; ++r) bt[r * out + j] = scale * b[j * R + r];
  const bool team = M * out > kParallelWork;
#pragma omp parallel num_threads(threads_) if (team)
  {
    const int thread = omp_get_thread_num();
    const Rows own = rows_of(M, thread, omp_get_num_threads());
    const int64_t at = own.first * stride;
    up_backward_rows(du + at, scratch_[static_cast<size_t>(thread)].data.get(), dy + own.first * out, u + at, stride,
                     bt, own.last - own.first, out, R);
  }
  for (int t = 0; t < threads_; ++t) {
    const float* c = scratch(t, size);  // (R, out)
    for (int64_t j = 0; j < out; ++j)
      for (int64_t r = 0; r < R; ++r) db[j * R + r] += scale * c[r * out + j];
  }
}

void CpuBackend::lora_down_backward(float* dx, float* da, const float* du, const float* x, const float* a, int64_t M,
                                    int64_t in, int64_t S) {
  cpu_gemm(true, false, S, in, M, 1.0f, du, S, x, in, 1.0f, da, in);
  if (dx) cpu_gemm(false, false, M, in, S, 1.0f, du, S, a, in, 1.0f, dx, in);
}

}  // namespace spark
