// swiglu and its gradient (swiglu.cpp has the equations).
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

template <class T>
void swiglu_forward(T* y, const T* gate, const T* up, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = widen(gate[i]);
    y[i] = narrow<T>(g / (1.0f + exp_fast(-g)) * widen(up[i]));
  }
}

template <class T>
void swiglu_backward(T* dgate, T* dup, const T* dy, const T* gate, const T* up, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = widen(gate[i]), u = widen(up[i]), d = widen(dy[i]);
    const float sigmoid = 1.0f / (1.0f + exp_fast(-g));
    dup[i] = narrow<T>(d * g * sigmoid);
    dgate[i] = narrow<T>(d * u * sigmoid * (1.0f + g * (1.0f - sigmoid)));
  }
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
