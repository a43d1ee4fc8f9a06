// A step of AdamW (adamw.cpp has the equations).
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

void adamw(float* w, float* m, float* v, const float* gradient, const AdamwUpdate& c, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float g = gradient[i] * c.grad_scale;
    m[i] = c.beta1 * m[i] + (1.0f - c.beta1) * g;
    v[i] = c.beta2 * v[i] + (1.0f - c.beta2) * g * g;
    w[i] = w[i] * c.decay - c.step_size * m[i] / (std::sqrt(v[i]) * c.inverse_root2 + c.epsilon);
  }
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
