// The actor's gradient by each token's log-prob; the equation is in ops/objective.h. In double: exp of a small
// difference.
#include <cmath>

#include "cpu/cpu_backend.h"
#include "ops/objective.h"

namespace spark {

void CpuBackend::policy_backward(float* dlp, const float* lp, const float* old_lp, const float* reference_lp,
                                 const float* advantage, const PolicyCoefficients& c, int64_t M) {
  for (int64_t m = 0; m < M; ++m) {
    const double ratio = std::exp(static_cast<double>(lp[m]) - old_lp[m]);
    double slope = policy_clip_slope(ratio, advantage[m], c.clip);
    if (reference_lp) slope += policy_kl_slope(lp[m], reference_lp[m], c.kl);
    dlp[m] = static_cast<float>(slope * c.inverse_normalizer);
  }
}

}  // namespace spark
