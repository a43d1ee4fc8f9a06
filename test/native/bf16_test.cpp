// compute bf16: the product itself exactly, and whole models against PyTorch's float64 within at most twice what
// PyTorch in bf16 is off by (printed by test/fixtures/bf16_error.py).
#include <cmath>

#include "core/half.h"
#include "cpu/bf16.h"
#include "model_fixture.h"
#include "op_support.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

namespace {

constexpr double kRounded = 1.0 / 256;  // one rounding, of 2^-9 of its own value

bool has_units() {
  const Thrown t = thrown([] { require_bf16_units(); });
  if (t.code == "nothing thrown") return true;
  CHECK(t.code == "unsupported_compute");
  MESSAGE("skipped: " << t.message);
  return false;
}

double rounded(double x) {
  const float value = static_cast<float>(x);
  Bf16Bits bits = 0;
  round_to_bf16(&bits, &value, 1);
  return bf16_to_float(bits);
}

// y (M, out) of factors rounded to bf16, in float64
Doubles product(const Doubles& x, const Doubles& w, int64_t M, int64_t out, int64_t in) {
  Doubles y(static_cast<size_t>(M * out), 0.0);
  for (int64_t m = 0; m < M; ++m)
    for (int64_t o = 0; o < out; ++o)
      for (int64_t i = 0; i < in; ++i)
        y[static_cast<size_t>(m * out + o)] +=
            rounded(x[static_cast<size_t>(m * in + i)]) * rounded(w[static_cast<size_t>(o * in + i)]);
  return y;
}

Doubles transposed(const Doubles& w, int64_t rows, int64_t cols) {
  Doubles t(w.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) t[static_cast<size_t>(c * rows + r)] = w[static_cast<size_t>(r * cols + c)];
  return t;
}

}  // namespace

TEST_CASE("rounding to bf16: nearest, ties to even, NaN and infinity kept") {
  const auto bits = [](float x) {
    Bf16Bits b = 0;
    round_to_bf16(&b, &x, 1);
    return b;
  };
  CHECK(bits(1.0f) == 0x3f80);
  CHECK(bits(1.00390625f) == 0x3f80);          // half way between 1 and the next, to even
  CHECK(bits(1.01171875f) == 0x3f82);          // half way, to even above
  CHECK(bits(1.0039063692092896f) == 0x3f81);  // just past half way
  CHECK(bits(-INFINITY) == 0xff80);
  CHECK(bits(3.4e38f) == 0x7f80);  // past the largest bf16
  CHECK(std::isnan(bf16_to_float(bits(NAN))));
  CHECK(std::isnan(bf16_to_float(bits(std::bit_cast<float>(0x7f800001u)))));
}

TEST_CASE("a product in bf16 is the exact product of the rounded factors, summed in fp32 and rounded once") {
  if (!has_units()) return;
  CpuBackend backend(2, Compute::Bf16);
  backend.enter();
  // the last has rows for two panels
  for (const auto& [M, out, in] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 1, 1}, {5, 7, 3}, {33, 48, 20}, {2, 1100, 1024}}) {
    for (const bool packed : {false, true}) {
      CAPTURE(out);
      CAPTURE(packed);
      Device device(backend);
      const Doubles x = random_doubles("x", M * in), w = random_doubles("w", out * in),
                    dy = random_doubles("dy", M * out);
      std::vector<Bf16Bits> bits(w.size());
      const std::vector<float> floats(w.begin(), w.end());
      round_to_bf16(bits.data(), floats.data(), static_cast<int64_t>(bits.size()));
      const Weight weight =
          packed ? backend.load_matrix(TensorType::BF16, reinterpret_cast<const std::byte*>(bits.data()), out, in)
                 : device.weight(w, out, in);
      float* logits = device.filled(M * out, 9);
      backend.output_forward(logits, device.activations(x), weight, {}, M);
      CHECK(distance(device.host(logits, M * out), product(x, w, M, out, in)) < kBf16.exact);
      auto *y = device.held(M * out, 9), *dx = device.held(M * in, 0.5);
      backend.linear_forward(y, device.activations(x), weight, {}, nullptr, M);
      CHECK(distance(device.values(y, M * out), product(x, w, M, out, in)) < kRounded);
      const Doubles expected = product(dy, transposed(w, out, in), M, in, out);
      backend.linear_backward(dx, device.activations(dy), weight, {}, M, true);
      CHECK(distance(device.values(dx, M * in), plus(expected, 0.5)) < kRounded);
      backend.linear_backward(dx, device.activations(dy), weight, {}, M, false);
      CHECK(distance(device.values(dx, M * in), expected) < kRounded);
      backend.output_backward(dx, device.dlogits(dy, M, out), weight, {}, M);
      CHECK(distance(device.values(dx, M * in), expected) < kRounded);
    }
  }
}

namespace {

// PyTorch's own distances in bf16 from float64, as bf16_error.py prints them.
struct Distances {
  double gradients, losses;  // the worst gradient; the losses of ten steps
};
struct FixtureDistances {
  const char* name;
  double logprobs;
  Distances sft, token, step, value;
};
// Of the four models: a dozen values, or the rows of ten choices, say little about each.
constexpr double kWorstValues = 0.0298;
constexpr Distances kWorstChoices = {0.0699, 0.0036};
constexpr FixtureDistances kPytorch[] = {
    {"tied", 0.0058, {0.0619, 0.0013}, {0.0660, 0.0135}, {0.0785, 0.0164}, {0.1239, 0.0209}},
    {"untied", 0.0102, {0.0655, 0.0011}, {0.1534, 0.0179}, {0.1175, 0.0134}, {0.0844, 0.0154}},
    {"qwen2", 0.0039, {0.0586, 0.0013}, {0.0430, 0.0041}, {0.0415, 0.0053}, {0.1035, 0.0158}},
    {"qwen3", 0.0087, {0.0519, 0.0019}, {0.0574, 0.0125}, {0.0505, 0.0129}, {0.1605, 0.0187}}};

// How much of it: an emulated device takes a second for what the others do in a millisecond.
enum class Depth { Everything, OnePolicy, Gradients };

// `accumulate` adds the gradient of one objective and returns its loss.
template <class Accumulate>
void check_objective(const ModelFixture& f, Trainable& trainable, const std::string& key, const Distances& pytorch,
                     bool ten_steps, Accumulate accumulate) {
  CAPTURE(key);
  accumulate();
  for (const NamedTensor& t : trainable.tensors(true)) {
    CAPTURE(t.name);
    std::vector<float> got = t.data, expected = f.floats(key + "." + t.name);
    if (t.name == "value_head.fc2.bias") {
      // One number, a sum that can cancel to nothing: measured by the weight's gradient beside it.
      for (const float x : f.floats(key + ".value_head.fc2.weight")) got.push_back(x), expected.push_back(x);
    }
    CHECK(distance(got, expected) < 2 * pytorch.gradients);
  }
  if (!ten_steps) return;
  trainable.zero_grad();
  std::vector<double> losses;
  for (int step = 0; step < 10; ++step) {
    losses.push_back(accumulate());
    trainable.optimizer_step(fixture_optimizer());
  }
  CHECK(distance(losses, f.floats(key + ".losses")) < 2 * pytorch.losses);
}

void check_whole_model(const TestedBackend& tested, const FixtureDistances& pytorch, Depth depth) {
  const bool all = depth == Depth::Everything, ten_steps = depth != Depth::Gradients;
  const ModelFixture f(pytorch.name, "auto", tested.make());
  CHECK(f.model->info().compute == "bf16");
  const auto logprobs = f.model->logprobs(f.batch.view(), f.adapter().get(), nullptr);
  const double off = distance(logprobs, f.masked("logprobs.adapter"));
  CHECK(off < 2 * pytorch.logprobs);
  CHECK(off > 1e-5);  // it really ran in bf16
  CHECK(f.model->logprobs(f.batch.view(), f.adapter().get(), nullptr) == logprobs);

  const double tokens = f.batch.loss_tokens(), steps = static_cast<double>(f.batch.returns.size());
  const auto sft = f.adapter();
  check_objective(f, *sft, "sft", pytorch.sft, all,
                  [&] { return sft->accumulate_sft(f.batch.view(), tokens, nullptr).loss_sum / tokens; });
  if (tested.reordered || (tested.slow && kSanitized)) return;  // shared_trunk_test has the critic's kernels, too
  const OwnedBatch choosing = f.choosing();
  const std::vector<float> slopes(choosing.tokens.size());
  const auto chooser = f.adapter();
  check_objective(f, *chooser, "choice", kWorstChoices, all,
                  [&] { return chooser->accumulate(choosing.view(), slopes, nullptr).choices->loss_sum; });
  for (const bool by_steps : {false, true}) {
    if (by_steps ? !all : !ten_steps) continue;
    PolicyOptions options;
    options.normalizer = tokens, options.step_ratio = by_steps;
    const auto actor = f.adapter();
    check_objective(f, *actor, by_steps ? "step" : "token", by_steps ? pytorch.step : pytorch.token, true,
                    [&] { return policy_loss(actor->accumulate_policy(f.batch.view(), options, nullptr), options); });
  }
  const auto critic = f.critic();
  CHECK(distance(critic->values(f.batch.view(), nullptr), f.floats("values")) < 2 * kWorstValues);
  check_objective(f, *critic, "value", pytorch.value, all,
                  [&] { return critic->accumulate_value(f.batch.view(), steps, nullptr).loss_sum / steps; });
}

}  // namespace

TEST_CASE("whole models in bf16: log-probs, values, and every objective's gradients and ten steps") {
  each_tested([](const TestedBackend& tested) {
    // The other order of threads is the op suite's; whole models in it are for the night.
    if (tested.reordered && !tested_in_full()) return;
    if (tested.make()->compute() != Compute::Bf16) return;
    for (const FixtureDistances& pytorch : kPytorch) {
      const std::string model = pytorch.name;
      CAPTURE(model);
      const bool first = model == kPytorch[0].name;
      // Sanitizers make what is slow ten times slower.
      const Depth slow = first && !kSanitized ? Depth::OnePolicy : Depth::Gradients;
      check_whole_model(tested, pytorch, tested.slow ? slow : Depth::Everything);
    }
  });
}

// The large tiles that a device is fast with are slow here: log-probs and the gradients of one objective.
TEST_CASE("a whole model in bf16 with Hopper's attention kernels" *
          doctest::skip(kSanitized || !is_tested("cuda emulated"))) {
  const auto make = [] { return emulated_cuda(false, cuda::AttentionKernels::Hopper); };
  CHECK(make()->device().find("attention by wgmma") != std::string::npos);
  check_whole_model({"cuda emulated, hopper", kCuda, make, true, true}, kPytorch[0], Depth::Gradients);
}
