// embedding, gather_rows, scatter_rows: moving whole rows. Rows of a scatter are distinct, so blocks never meet.
#include "core/packed.h"
#include "cuda/cuda_backend.h"
#include "cuda/runtime.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

// y (M, C) = x[rows], with `stride` between the rows of x
template <int V>
__global__ void gather(Bf16* y, const Bf16* x, const int32_t* rows, int64_t C, int64_t stride) {
  const Bf16* from = x + rows[blockIdx.x] * stride;
  Bf16* to = y + blockIdx.x * C;
  for (int64_t c = int64_t{threadIdx.x} * V; c < C; c += kFewThreads * V) Values<V>::load(from + c).store(to + c);
}

// y[rows] += scale · x (M, C)
template <int V>
__global__ void scatter(Bf16* y, const Bf16* x, const int32_t* rows, float scale, int64_t C) {
  const Bf16* from = x + blockIdx.x * C;
  Bf16* to = y + rows[blockIdx.x] * C;
  for (int64_t c = int64_t{threadIdx.x} * V; c < C; c += kFewThreads * V) {
    const auto added = Values<V>::load(from + c);
    auto sums = Values<V>::load(to + c);
    SPARK_UNROLL
    for (int i = 0; i < V; ++i) sums.at[i] += scale * added.at[i];
    sums.store(to + c);
  }
}

// y (N, C) = rows of a packed table
template <class PACKED>
__global__ void gather_packed(Bf16* y, const uint8_t* table, const int32_t* tokens, int64_t C) {
  const int64_t row_bytes = C / PACKED::kBlock * PACKED::kBytes;
  const uint8_t* row = table + tokens[blockIdx.x] * row_bytes;
  for (int64_t c = int64_t{threadIdx.x} * 8; c < C; c += kFewThreads * 8) {
    Values<8> values;
    PACKED::template values<8>(row + c / PACKED::kBlock * PACKED::kBytes, static_cast<int>(c % PACKED::kBlock),
                               values.at);
    values.store(y + blockIdx.x * C + c);
  }
}

}  // namespace

void CudaBackend::embedding(Activation* y, const Weight& table, const int32_t* tokens, int64_t N) {
  const bool packed = with_packed(table.type, [&]<class PACKED>(PACKED) {
    launch(gather_packed<PACKED>, dim3(static_cast<unsigned>(N)), kFewThreads, 0, stream_, bf16(y),
           reinterpret_cast<const uint8_t*>(table.data), tokens, table.cols);
  });
  if (!packed) gather_strided(y, table.data, tokens, N, table.cols, stored_stride(table.rows, table.cols));
}

void CudaBackend::gather_rows(Activation* y, const Activation* x, const int32_t* rows, int64_t M, int64_t C) {
  gather_strided(y, x, rows, M, C, C);
}

void CudaBackend::gather_strided(Activation* y, const Activation* x, const int32_t* rows, int64_t M, int64_t C,
                                 int64_t stride) {
  with_vector(vectorizes(C, {y, x}) && stride % kVector == 0, [&](auto v) {
    launch(gather<v()>, dim3(static_cast<unsigned>(M)), kFewThreads, 0, stream_, bf16(y), bf16(x), rows, C, stride);
  });
}

void CudaBackend::scatter_rows(Activation* dx, const Activation* dy, const int32_t* rows, float scale, int64_t M,
                               int64_t C) {
  with_vector(vectorizes(C, {dx, dy}), [&](auto v) {
    launch(scatter<v()>, dim3(static_cast<unsigned>(M)), kFewThreads, 0, stream_, bf16(dx), bf16(dy), rows, scale, C);
  });
}

}  // namespace spark::cuda
