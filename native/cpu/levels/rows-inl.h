// Adding and rounding rows.
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

template <class T>
void narrow_row(T* y, const float* x, int64_t C) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) y[c] = narrow<T>(x[c]);
}

template <class T>
void add_row(T* y, const T* x, float scale, int64_t C) {
#pragma omp simd
  for (int64_t c = 0; c < C; ++c) y[c] = narrow<T>(widen(y[c]) + scale * widen(x[c]));
}

template <class T>
void add_rows(T* y, const T* x, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) y[i] = narrow<T>(widen(y[i]) + widen(x[i]));
}

void add_widened(float* to, const Bf16Bits* x, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] += widen(x[i]);
}

void round_to_bf16(Bf16Bits* to, const float* x, int64_t count, float scale) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = float_to_bf16(scale * x[i]);
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
