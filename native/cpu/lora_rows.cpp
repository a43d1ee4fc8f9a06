// LoRA on the embedding: u = s A[tokens],  dA[token] += Σ du of the rows where it stands. The rows of a token are
// summed in their order by one thread, so that the result depends on nothing else.
#include "cpu/activation.h"
#include "cpu/cpu_backend.h"

namespace spark {

void CpuBackend::lora_rows_forward(Activation* u, const Activation* a, const int32_t* tokens, float scale, int64_t N,
                                   int64_t R) {
  with_activation_type(compute_, [&]<class T>(T) {
#pragma omp parallel for schedule(static) if (N * R > kParallelWork)
    for (int64_t n = 0; n < N; ++n) {
      const T* from = static_cast<const T*>(a) + tokens[n] * R;  // (R)
      T* to = static_cast<T*>(u) + n * R;                        // (R)
      for (int64_t r = 0; r < R; ++r) to[r] = narrow<T>(scale * widen(from[r]));
    }
  });
}

void CpuBackend::lora_rows_backward(float* da, const Activation* du, const RowsByToken& rows, int64_t R) {
  with_activation_type(compute_, [&]<class T>(T) {
#pragma omp parallel for schedule(static) if (rows.count * R > kParallelWork)
    for (int64_t t = 0; t < rows.count; ++t) {
      float* to = da + rows.tokens[t] * R;  // (R)
      for (int32_t i = rows.offsets[t]; i < rows.offsets[t + 1]; ++i) {
        const T* from = static_cast<const T*>(du) + rows.rows[i] * R;  // (R)
        for (int64_t r = 0; r < R; ++r) to[r] += widen(from[r]);
      }
    }
  });
}

}  // namespace spark
