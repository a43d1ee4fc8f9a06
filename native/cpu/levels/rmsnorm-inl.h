// rmsnorm, one row (rmsnorm.cpp has the equations). The second pass over a row finds it in cache.
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

template <class T>
float rmsnorm_forward(T* y, const T* x, const float* w, float epsilon, int64_t C) {
  const float squares = sum_over(
      C,
      [=](int64_t c) HWY_ATTR {
        const Lanes in = load_lanes(x + c);
        return hn::Mul(in, in);
      },
      [=](int64_t c) { return widen(x[c]) * widen(x[c]); });
  const float rstd = 1.0f / std::sqrt(squares / static_cast<float>(C) + epsilon);
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) y[c] = narrow<T>(widen(x[c]) * rstd * w[c]);
  return rstd;
}

template <class T>
void rmsnorm_backward(T* dx, const T* dy, const T* x, const float* w, float rstd, int64_t C) {
  const float dot = sum_over(  // Σ g x
      C, [=](int64_t c) HWY_ATTR { return hn::Mul(hn::Mul(load_lanes(dy + c), load_lanes(w + c)), load_lanes(x + c)); },
      [=](int64_t c) { return widen(dy[c]) * w[c] * widen(x[c]); });
  const float back = rstd * rstd * dot / static_cast<float>(C);
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) {
    dx[c] = narrow<T>(widen(dx[c]) + rstd * (widen(dy[c]) * w[c] - widen(x[c]) * back));
  }
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
