// embedding, gather_rows, scatter_rows: moving whole rows. Rows of a scatter are distinct, so threads never meet.
#include <omp.h>

#include <cstring>

#include "cpu/activation.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

template <class T>
void scatter(T* dx, const T* dy, const int32_t* rows, float scale, int64_t M, int64_t C) {
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m) kernels().of<T>().add_row(dx + rows[m] * C, dy + m * C, scale, C);
}

}  // namespace

void CpuBackend::embedding(Activation* y, const Weight& table, const int32_t* tokens, int64_t N) {
  const int64_t C = table.cols;
  const size_t row_bytes = tensor_bytes(table.type, C);
  for (int t = 0; t < threads_; ++t) scratch(t, C);  // one row in fp32, before it is rounded
  with_activation_type(compute_, [&]<class T>(T) {
#pragma omp parallel for schedule(static) num_threads(threads_) if (N * C > kParallelWork)
    for (int64_t n = 0; n < N; ++n) {
      T* own = static_cast<T*>(y) + n * C;  // (C)
      const std::byte* row = table.data + static_cast<size_t>(tokens[n]) * row_bytes;
      if constexpr (std::is_same_v<T, float>) {
        dequantize(table.type, row, own, C);
      } else {
        float* wide = scratch_[static_cast<size_t>(omp_get_thread_num())].data.get();  // (C)
        dequantize(table.type, row, wide, C);
        kernels().of<T>().narrow_row(own, wide, C);
      }
    }
  });
}

void CpuBackend::gather_rows(Activation* y, const Activation* x, const int32_t* rows, int64_t M, int64_t C) {
  const size_t bytes = static_cast<size_t>(C) * value_bytes();
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m) std::memcpy(at(y, m * C), at(x, rows[m] * C), bytes);
}

void CpuBackend::scatter_rows(Activation* dx, const Activation* dy, const int32_t* rows, float scale, int64_t M,
                              int64_t C) {
  with_activation_type(compute_,
                       [&]<class T>(T) { scatter(static_cast<T*>(dx), static_cast<const T*>(dy), rows, scale, M, C); });
}

}  // namespace spark
