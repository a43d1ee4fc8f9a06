// Products of fp32 matrices: oneDNN's sgemm. It is bit-exact for a fixed number of threads.
#include <omp.h>
#include <dnnl.hpp>

#include <string>

#include "core/error.h"
#include "cpu/cpu_backend.h"

namespace spark {

void check_dnnl(int status, int64_t m, int64_t n, int64_t k) {
  if (status == dnnl_success) return;
  const std::string product =
      "a product of " + std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k);
  if (status == dnnl_out_of_memory) {
    throw Error("out_of_memory", "oneDNN found no memory for " + product + ": use a smaller batch");
  }
  throw Error("internal", "oneDNN refused " + product + " with status " + std::to_string(status));
}

void cpu_gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float scale, const float* a,
              int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc) {
  if (m == 0 || n == 0) return;
  // A few microseconds of work: waking a team costs as much, and far more when other programs hold the cores.
  constexpr int64_t kTeamWork = 1 << 19;
  const int threads = omp_get_max_threads();
  const bool alone = m * n * k < kTeamWork;
  if (alone) omp_set_num_threads(1);
  const dnnl_status_t status =
      dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, scale, a, lda, b, ldb, beta, c, ldc);
  if (alone) omp_set_num_threads(threads);
  check_dnnl(status, m, n, k);
}

}  // namespace spark
