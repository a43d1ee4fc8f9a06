// A row times a row, and a row times a number.
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

template <class T>
float dot(const T* x, const T* w, int64_t C) {
  return sum_over(
      C, [=](int64_t c) HWY_ATTR { return hn::Mul(load_lanes(x + c), load_lanes(w + c)); },
      [=](int64_t c) { return widen(x[c]) * widen(w[c]); });
}

template <class T>
void add_scaled(float* sums, const T* w, float scale, int64_t count) {
#pragma omp simd
  for (int64_t c = 0; c < count; ++c) sums[c] += scale * widen(w[c]);
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
