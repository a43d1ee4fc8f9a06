// One vector register of floats, as wide as the level has them, its exponential, and how many registers there are.
// (Here and in the files beside it there is no include guard: cpu/kernels.cpp includes each once for every level.)
HWY_BEFORE_NAMESPACE();
namespace spark::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Lanes = hn::Vec<Floats>;
constexpr Floats kFloats;
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(kFloats));
static_assert(kPad % kLanes == 0);

// x86 before AVX-512 has 16 vector registers, everything else 32. A sum that does not stay in one is read and written
// at every step.
#if HWY_ARCH_X86 && HWY_TARGET != HWY_AVX3
constexpr int kRegisters = 16;
#else
constexpr int kRegisters = 32;
#endif

// kLanes values, widened
SPARK_INLINE Lanes load_lanes(const float* x) { return hn::LoadU(kFloats, x); }
SPARK_INLINE Lanes load_lanes(const Bf16Bits* x) {
  const hn::Rebind<Bf16Bits, Floats> halves;
  const hn::RebindToUnsigned<Floats> words;
  return hn::BitCast(kFloats, hn::ShiftLeft<16>(hn::PromoteTo(words, hn::LoadU(halves, x))));
}

// exp_fast of each
SPARK_INLINE Lanes exp_lanes(Lanes x) {
  const auto constant = [](float value) HWY_ATTR { return hn::Set(kFloats, value); };
  const auto tiny = hn::Lt(x, constant(-87.3f));
  Lanes y = hn::IfThenElse(tiny, constant(-87.3f), x);
  y = hn::IfThenElse(hn::Gt(y, constant(88.0f)), constant(88.0f), y);
  const Lanes magic = constant(12582912.0f);
  const Lanes shifted = hn::MulAdd(y, constant(1.44269504088896341f), magic);  // its last bits are n
  const Lanes n = hn::Sub(shifted, magic);
  const Lanes r = hn::MulAdd(n, constant(2.12194440e-4f), hn::NegMulAdd(n, constant(0.693359375f), y));
  Lanes p = constant(1.9875691500e-4f);
  p = hn::MulAdd(p, r, constant(1.3981999507e-3f));
  p = hn::MulAdd(p, r, constant(8.3334519073e-3f));
  p = hn::MulAdd(p, r, constant(4.1665795894e-2f));
  p = hn::MulAdd(p, r, constant(1.6666665459e-1f));
  p = hn::MulAdd(p, r, constant(5.0000001201e-1f));
  p = hn::MulAdd(hn::Mul(p, r), r, hn::Add(r, constant(1.0f)));
  const hn::RebindToSigned<Floats> ints;
  const auto exponent = hn::ShiftLeft<23>(hn::Add(hn::BitCast(ints, shifted), hn::Set(ints, 127)));
  return hn::IfThenZeroElse(tiny, hn::Mul(p, hn::BitCast(kFloats, exponent)));
}

SPARK_INLINE float largest_lane(Lanes x) { return hn::GetLane(hn::MaxOfLanes(kFloats, x)); }
SPARK_INLINE float sum_lanes(Lanes x) { return hn::GetLane(hn::SumOfLanes(kFloats, x)); }

// Σ f(j) for j < n, f by whole vectors of values from j on, and one by one at the end. Four sums take turns: one alone
// would wait for the addition before it.
template <class Vectors, class Single>
SPARK_INLINE float sum_over(int64_t n, Vectors&& vectors, Single&& single) {
  Lanes a = hn::Zero(kFloats), b = a, c = a, d = a;
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes) {
    a = hn::Add(a, vectors(j)), b = hn::Add(b, vectors(j + kLanes));
    c = hn::Add(c, vectors(j + 2 * kLanes)), d = hn::Add(d, vectors(j + 3 * kLanes));
  }
  for (; j + kLanes <= n; j += kLanes) a = hn::Add(a, vectors(j));
  float sum = sum_lanes(hn::Add(hn::Add(a, b), hn::Add(c, d)));
  for (; j < n; ++j) sum += single(j);
  return sum;
}

}  // namespace spark::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
