// The hidden layer of the value head, one row.
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

float value_forward(float* z, const float* b1, const float* w2, int64_t E) {
  float v = 0;
#pragma omp simd reduction(+ : v)
  for (int64_t e = 0; e < E; ++e) {
    z[e] += b1[e];
    v += w2[e] * z[e] / (1.0f + exp_fast(-z[e]));
  }
  return v;
}

// z becomes dz
void value_backward(float* z, float* db1, float* dw2, float dv, const float* w2, int64_t E) {
#pragma omp simd
  for (int64_t e = 0; e < E; ++e) {
    const float sigmoid = 1.0f / (1.0f + exp_fast(-z[e]));
    dw2[e] += dv * z[e] * sigmoid;
    const float dz = dv * w2[e] * sigmoid * (1.0f + z[e] * (1.0f - sigmoid));
    db1[e] += dz;
    z[e] = dz;
  }
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
