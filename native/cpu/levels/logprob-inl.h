// Log Σ exp of one row of logits, and the gradient over it.
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

// By four vectors that take turns, as sum_over.
SPARK_INLINE float largest_of(const float* x, int64_t n) {
  Lanes a = hn::Set(kFloats, kMinusInfinity), b = a, c = a, d = a;
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes) {
    a = hn::Max(a, load_lanes(x + j)), b = hn::Max(b, load_lanes(x + j + kLanes));
    c = hn::Max(c, load_lanes(x + j + 2 * kLanes)), d = hn::Max(d, load_lanes(x + j + 3 * kLanes));
  }
  for (; j + kLanes <= n; j += kLanes) a = hn::Max(a, load_lanes(x + j));
  float largest = largest_lane(hn::Max(hn::Max(a, b), hn::Max(c, d)));
  for (; j < n; ++j) largest = std::max(largest, x[j]);
  return largest;
}

float log_sum_exp(const float* logits, int64_t V) {
  const float largest = largest_of(logits, V);
  const float sum = sum_over(
      V, [=](int64_t j) HWY_ATTR { return exp_lanes(hn::Sub(load_lanes(logits + j), hn::Set(kFloats, largest))); },
      [=](int64_t j) { return exp_fast(logits[j] - largest); });
  return largest + std::log(sum);
}

// gradient (V) begins where logits (V) do.
template <class T>
void logprob_backward(T* gradient, const float* logits, float dlp, float lse, int64_t target, int64_t V) {
  const float own = -dlp * exp_fast(logits[target] - lse) + dlp;
#pragma omp simd
  for (int64_t j = 0; j < V; ++j) gradient[j] = narrow<T>(-dlp * exp_fast(logits[j] - lse));
  gradient[target] = narrow<T>(own);
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
