// compute bf16: the product itself exactly, and whole models against PyTorch's float64 within at most twice what
// PyTorch in bf16 is off by (printed by test/fixtures/bf16_error.py).
#include <cmath>

#include "core/half.h"
#include "core/safetensors.h"
#include "cpu/bf16.h"
#include "op_support.h"
#include "support.h"
#include "train/engine.h"
#include "train/model.h"

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
      backend.output_forward(logits, device.activations(x), weight, M);
      CHECK(distance(device.host(logits, M * out), product(x, w, M, out, in)) < kBf16.exact);
      auto *y = device.held(M * out, 9), *dx = device.held(M * in, 0.5);
      backend.linear_forward(y, device.activations(x), weight, {}, nullptr, M);
      CHECK(distance(device.values(y, M * out), product(x, w, M, out, in)) < kRounded);
      const Doubles expected = product(dy, transposed(w, out, in), M, in, out);
      backend.linear_backward(dx, device.activations(dy), weight, {}, M, true);
      CHECK(distance(device.values(dx, M * in), plus(expected, 0.5)) < kRounded);
      backend.linear_backward(dx, device.activations(dy), weight, {}, M, false);
      CHECK(distance(device.values(dx, M * in), expected) < kRounded);
      backend.output_backward(dx, device.floats(dy), weight, M);
      CHECK(distance(device.values(dx, M * in), expected) < kRounded);
    }
  }
}

namespace {

// Against test/fixtures/models, on a backend with compute bf16.
void check_whole_models(const TestedBackend& tested) {
  // PyTorch's own distances: log-probs, worst gradient
  struct Case {
    const char* name;
    double logprobs, gradients;
  };
  for (const Case& c : {Case{"tied", 0.0058, 0.0619}, Case{"untied", 0.0102, 0.0655}, Case{"qwen2", 0.0039, 0.0586},
                        Case{"qwen3", 0.0087, 0.0519}}) {
    CAPTURE(c.name);
    const std::string path = std::string(SPARK_FIXTURES) + "/models/" + c.name;
    const auto expected = SafetensorsFile::read(path + ".safetensors").tensors;
    OwnedBatch batch;
    const auto& tokens = expected.at("tokens").data;
    const auto& cu = expected.at("cu_seqlens").data;
    batch.tokens.assign(tokens.begin(), tokens.end());
    batch.cu_seqlens.assign(cu.begin(), cu.end());
    for (const float x : expected.at("loss_mask").data) batch.loss_mask.push_back(x != 0);
    auto model = make_model(GgufFile::open(path + ".gguf"), tested.make());
    CHECK(model->info().compute == "bf16");
    auto adapter = model->load_adapter(path + "-adapter.gguf");
    auto logprobs = expected.at("logprobs.adapter").data;
    for (size_t i = 0; i < logprobs.size(); ++i) logprobs[i] *= batch.loss_mask[i];
    const auto got = model->logprobs(batch.view(), adapter.get(), nullptr);
    const double off = distance(got, logprobs);
    CHECK(off < 2 * c.logprobs);
    CHECK(off > 1e-5);  // it really ran in bf16
    CHECK(model->logprobs(batch.view(), adapter.get(), nullptr) == got);
    adapter->accumulate_sft(batch.view(), batch.loss_tokens(), nullptr);
    for (const NamedTensor& t : adapter->tensors(true)) {
      CAPTURE(t.name);
      CHECK(distance(t.data, expected.at("sft." + t.name).data) < 2 * c.gradients);
    }
  }
}

}  // namespace

TEST_CASE("whole models in bf16: log-probs and SFT gradients, the same bits twice") {
  each_tested([](const TestedBackend& tested) {
    if (tested.make()->compute() == Compute::Bf16) check_whole_models(tested);
  });
}
