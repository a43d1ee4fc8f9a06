// What compute fp8 costs a model, beside what a quantised file of it costs, on the processor:
//
//   bench_numerics BASE.gguf [OTHER.gguf] --tokens TOKENS.json
//
// For every token of a text (a JSON list of ids, or a list of such lists) the whole distribution of the next one, by
// BASE in fp32 (p) and by the other (q): the mean of KL(p ‖ q), and of the difference of the text's own log-probs. The
// other is BASE with its projections rounded as cuda/fp8_rows.cu rounds them, and OTHER.gguf, computed in fp32 as BASE
// is: each figure is that of the rounding alone.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/fp8.h"
#include "core/half.h"
#include "cpu/cpu_backend.h"
#include "flags.h"
#include "train/model.h"

using namespace spark;
using nlohmann::json;

namespace {

// x (rows, cols) as products in e4m3 see it: each row divided by max |row| / 448, rounded, and multiplied again;
// `least` is what counts as the largest of a row where that is less.
void round_rows(float* to, const float* x, int64_t rows, int64_t cols, float least) {
  for (int64_t r = 0; r < rows; ++r, x += cols, to += cols) {
    float most = least;
    for (int64_t c = 0; c < cols; ++c) most = std::max(most, std::abs(bf16_to_float(float_to_bf16(x[c]))));
    const float inverse = kLargestE4m3 / most, scale = most / kLargestE4m3;
    for (int64_t c = 0; c < cols; ++c) {
      to[c] = scale * e4m3_to_float(float_to_e4m3(bf16_to_float(float_to_bf16(x[c])) * inverse));
    }
  }
}

// The processor in fp32 with both factors of every frozen projection rounded: what the sum over k sees of fp8.
class RoundingCpu final : public CpuBackend {
 public:
  RoundingCpu() : CpuBackend(0) {}
  Weight load_projection(TensorType type, const std::byte* data, int64_t rows, int64_t cols) override {
    std::vector<float> wide(static_cast<size_t>(rows * cols));
    dequantize(type, data, wide.data(), rows * cols);
    const std::shared_ptr<float[]> own(new float[wide.size()]);
    float most = 0;
    for (const float value : wide) most = std::max(most, std::abs(value));
    round_rows(own.get(), wide.data(), rows, cols, std::max(most * 0x1p-8f, 0x1p-40f));
    return {reinterpret_cast<const std::byte*>(own.get()), TensorType::F32, rows, cols, own};
  }
  void linear_forward(Activation* y, const Activation* x, const Weight& w, const LowRank& lora,
                      const Activation* residual, int64_t M) override {
    rows_.resize(static_cast<size_t>(M * w.cols));
    round_rows(rows_.data(), static_cast<const float*>(x), M, w.cols, 0x1p-100f);
    CpuBackend::linear_forward(y, rows_.data(), w, lora, residual, M);
  }

 private:
  std::vector<float> rows_;
};

// The distribution after each token but the last: (N − 1, V) log-probs, a sequence at a time.
std::vector<float> distributions(Model& model, const std::vector<int32_t>& tokens) {
  const auto V = static_cast<int32_t>(model.info().vocabulary);
  const auto N = static_cast<int32_t>(tokens.size());
  const std::vector<int32_t> cu = {0, N};
  std::vector<int32_t> all(static_cast<size_t>(V));
  std::iota(all.begin(), all.end(), 0);
  std::vector<int32_t> positions, offsets{0}, alternatives;
  for (int32_t i = 0; i + 1 < N; ++i) {
    positions.push_back(i);
    alternatives.insert(alternatives.end(), all.begin(), all.end());
    offsets.push_back(static_cast<int32_t>(alternatives.size()));
  }
  const std::vector<float> targets(alternatives.size());
  Batch batch;
  batch.tokens = tokens, batch.cu_seqlens = cu;
  batch.choice_positions = positions, batch.choice_offsets = offsets, batch.choice_tokens = alternatives;
  batch.choice_targets = targets;
  return model.choice_logprobs(batch, nullptr, nullptr);
}

struct Sums {
  double kl = 0, difference = 0, worst = 0, count = 0;
  void add(const std::vector<float>& p, const std::vector<float>& q, const std::vector<int32_t>& tokens) {
    const size_t V = p.size() / (tokens.size() - 1);
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const float *own = &p[i * V], *other = &q[i * V];
      for (size_t v = 0; v < V; ++v) {
        kl += std::exp(static_cast<double>(own[v])) * (static_cast<double>(own[v]) - static_cast<double>(other[v]));
      }
      const auto next = static_cast<size_t>(tokens[i + 1]);
      const double off = std::abs(static_cast<double>(own[next]) - static_cast<double>(other[next]));
      difference += off, worst = std::max(worst, off), count += 1;
    }
  }
  json document() const {
    return {{"mean_kl", kl / count}, {"mean_difference", difference / count}, {"worst_difference", worst}};
  }
};

int run(const std::vector<std::string>& files, const std::string& tokens_file) {
  if (files.empty()) throw Error("usage", "expected BASE.gguf [OTHER.gguf] --tokens TOKENS.json");
  std::ifstream in(tokens_file);
  const json read = json::parse(in);
  std::vector<std::vector<int32_t>> texts;
  if (read.at(0).is_array()) {
    texts = read.get<std::vector<std::vector<int32_t>>>();
  } else {
    texts = {read.get<std::vector<int32_t>>()};
  }
  const auto open = [](const std::string& path, std::unique_ptr<Backend> backend) {
    return make_model(GgufFile::open(path), std::move(backend), {});
  };
  const auto base = open(files[0], std::make_unique<CpuBackend>(0));
  std::vector<std::pair<std::string, std::shared_ptr<Model>>> others = {
      {"fp8", open(files[0], std::make_unique<RoundingCpu>())}};
  if (files.size() > 1) others.emplace_back(files[1], open(files[1], std::make_unique<CpuBackend>(0)));
  std::vector<Sums> sums(others.size());
  constexpr size_t kMost = 64;  // tokens at a time, each with a distribution over the vocabulary
  for (const std::vector<int32_t>& text : texts) {
    for (size_t first = 0; first + 1 < text.size(); first += kMost) {
      const std::vector<int32_t> piece(text.begin() + static_cast<int64_t>(first),
                                       text.begin() + static_cast<int64_t>(std::min(first + kMost, text.size())));
      if (piece.size() < 2) continue;
      const std::vector<float> p = distributions(*base, piece);
      for (size_t i = 0; i < others.size(); ++i) sums[i].add(p, distributions(*others[i].second, piece), piece);
    }
  }
  json document = {{"base", files[0]}, {"tokens", sums[0].count}};
  for (size_t i = 0; i < others.size(); ++i) document[others[i].first] = sums[i].document();
  std::cout << document.dump(2) << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> files;
  std::string tokens;
  bench::Flags flags("What compute fp8 costs a model's log-probs, beside what a quantised file of it costs");
  flags.words("files", files, "BASE.gguf and, to be compared, OTHER.gguf");
  flags.text("--tokens", tokens, "JSON file: a list of token ids, or several");
  return flags.run(argc, argv, [&] { return run(files, tokens); });
}
