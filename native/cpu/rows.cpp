// embedding, gather_rows, scatter_rows: moving whole rows. Rows of a scatter are distinct, so threads never meet.
#include <cstring>

#include "cpu/cpu_backend.h"
#include "cpu/vector.h"

namespace spark {

void CpuBackend::embedding(float* y, const Weight& table, const int32_t* tokens, int64_t N) {
  const int64_t C = table.cols;
  const size_t row_bytes = tensor_bytes(table.type, C);
#pragma omp parallel for schedule(static) if (N * C > kParallelWork)
  for (int64_t n = 0; n < N; ++n) {
    dequantize(table.type, table.data + static_cast<size_t>(tokens[n]) * row_bytes, y + n * C, C);
  }
}

void CpuBackend::gather_rows(float* y, const float* x, const int32_t* rows, int64_t M, int64_t C) {
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m) {
    std::memcpy(y + m * C, x + rows[m] * C, static_cast<size_t>(C) * sizeof(float));
  }
}

void CpuBackend::scatter_rows(float* dx, const float* dy, const int32_t* rows, int64_t M, int64_t C) {
#pragma omp parallel for schedule(static) if (M * C > kParallelWork)
  for (int64_t m = 0; m < M; ++m) {
    float* to = dx + rows[m] * C;
    const float* from = dy + m * C;
#pragma omp simd
    for (int64_t c = 0; c < C; ++c) to[c] += from[c];
  }
}

}  // namespace spark
