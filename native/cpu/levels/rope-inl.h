// Rotary position of one head, for both layouts of its pairs.
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

// head (D), angle (pairs, 2): cos, sin
template <class T>
void turn_neighbours(T* head, const float* angle, int64_t pairs, float sign) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const float cosine = angle[2 * i], sine = sign * angle[2 * i + 1];
    const float even = widen(head[2 * i]), odd = widen(head[2 * i + 1]);
    head[2 * i] = narrow<T>(even * cosine - odd * sine);
    head[2 * i + 1] = narrow<T>(even * sine + odd * cosine);
  }
}

template <class T>
void turn_halves(T* head, const float* angle, int64_t pairs, float sign) {
#pragma omp simd
  for (int64_t i = 0; i < pairs; ++i) {
    const float cosine = angle[2 * i], sine = sign * angle[2 * i + 1];
    const float first = widen(head[i]), second = widen(head[i + pairs]);
    head[i] = narrow<T>(first * cosine - second * sine);
    head[i + pairs] = narrow<T>(first * sine + second * cosine);
  }
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
