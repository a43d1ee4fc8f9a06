#include "model/output_head.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.h"

namespace spark {

namespace {

// At 128 k tokens 128 rows keep the product from being a matter of reading W again and again.
int64_t chunk_rows(const Backend& backend, int64_t V) {
  constexpr int64_t kFewest = 128;
  return std::max(kFewest, backend.logits_per_chunk() / V);
}

void stop_when(const std::atomic<bool>* cancel) {
  if (cancel && cancel->load(std::memory_order_relaxed)) throw Error("interrupted", "interrupted by the caller");
}

// How many alternatives are unpacked at a time: about as many values as there are logits in a chunk, and no fewer than
// one choice has.
int64_t chunk_alternatives(const Backend& backend, std::span<const int32_t> offsets, int64_t C) {
  constexpr int64_t kFewest = 128;
  int64_t chunk = std::max(kFewest, backend.logits_per_chunk() / C);
  for (size_t g = 0; g + 1 < offsets.size(); ++g) chunk = std::max<int64_t>(chunk, offsets[g + 1] - offsets[g]);
  return std::min<int64_t>(chunk, offsets.back());
}

// The end of the choices from `first` on that have at most `chunk` alternatives together.
int64_t chunk_end(std::span<const int32_t> offsets, int64_t first, int64_t chunk) {
  const auto begin = offsets.begin() + first;
  return std::upper_bound(begin, offsets.end(), *begin + chunk) - offsets.begin() - 1;
}

}  // namespace

void output_logprobs(const Llama& model, Arena& arena, float* lp, const Activation* x, const LossRows& rows,
                     const LoraView* lora, Activation* dx, const LogprobGradient& gradient,
                     const std::atomic<bool>* cancel) {
  Backend& backend = model.backend();
  const LlamaWeights& weights = model.weights();
  const int64_t C = model.config().width, V = model.config().vocabulary;
  const int64_t chunk = std::min(chunk_rows(backend, V), rows.count);
  const Arena::Scope scope(arena);
  Activation* normed = arena.activations(chunk * C);  // (chunk, C)
  float* logits = arena.floats(chunk * V);            // (chunk, V), then their gradient
  float* rstd = arena.floats(chunk);                  // (chunk)
  float* lse = arena.floats(chunk);                   // (chunk)
  float* scratch = arena.floats(chunk);               // (chunk)
  const LoraFactors head = lora ? lora->head : LoraFactors{};
  const int64_t R = head.rank;
  Activation* u = R > 0 ? arena.activations(chunk * R) : nullptr;   // (chunk, R)
  Activation* du = R > 0 ? arena.activations(chunk * R) : nullptr;  // (chunk, R)
  for (int64_t first = 0; first < rows.count; first += chunk) {
    stop_when(cancel);
    const int64_t M = std::min(chunk, rows.count - first);
    const Activation* own = backend.at(x, first * C);  // (M, C)
    backend.rmsnorm_forward(normed, rstd, own, weights.output_norm, model.config().norm_epsilon, M);
    if (u) backend.lora_down(u, normed, head.a, head.scale, M, C, R);
    backend.output_forward(logits, normed, weights.output, {u, R, R, head.b}, M);
    backend.logprob_forward(lp + first, lse, logits, rows.targets + first, M, V);
    if (!gradient) continue;
    const float* dlp = gradient(scratch, lp + first, first, M);  // (M)
    backend.logprob_backward(logits, dlp, lse, rows.targets + first, M, V);
    if (u) {
      const int64_t stride = backend.dlogit_stride(V);
      backend.lora_up_backward(du, head.db, logits, stride, u, R, head.b, head.scale, M, V, R);
      backend.lora_down_backward(head.da, du, normed, M, C, R);
    }
    backend.output_backward(normed, logits, weights.output, {du, R, R, head.a}, M);  // normed becomes its gradient
    backend.rmsnorm_backward(backend.at(dx, first * C), normed, own, rstd, weights.output_norm, M);
  }
}

namespace {

// The k-th alternative of every choice that has so many: each at most once in a choice, so that rows are distinct.
struct Alternatives {
  std::vector<int32_t> rows, indices, targets;  // (M) choice, place among the J, token
  int64_t count() const { return static_cast<int64_t>(rows.size()); }
};

Alternatives alternatives(const ChoiceRows& choices, int32_t k) {
  Alternatives all;
  for (size_t g = 0; g + 1 < choices.offsets.size(); ++g) {
    const int32_t index = choices.offsets[g] + k;
    if (index >= choices.offsets[g + 1]) continue;
    all.rows.push_back(static_cast<int32_t>(g)), all.indices.push_back(index);
    all.targets.push_back(choices.tokens_on_host[static_cast<size_t>(index)]);
  }
  return all;
}

// lp (J) among all tokens become those among the alternatives of each choice; returns the slopes of −Σ target · lp by
// what they were. Both are on the host.
std::vector<float> among_alternatives(std::vector<float>& lp, std::span<const int32_t> offsets,
                                      const std::vector<float>& targets) {
  std::vector<float> slopes(lp.size());
  for (size_t g = 0; g + 1 < offsets.size(); ++g) {
    const auto first = static_cast<size_t>(offsets[g]), last = static_cast<size_t>(offsets[g + 1]);
    const float most = *std::max_element(lp.begin() + offsets[g], lp.begin() + offsets[g + 1]);
    double sum = 0, weight = 0;
    for (size_t j = first; j < last; ++j) sum += std::exp(lp[j] - most), weight += targets.empty() ? 0 : targets[j];
    for (size_t j = first; j < last; ++j) {
      lp[j] = static_cast<float>(lp[j] - most - std::log(sum));
      if (!targets.empty()) slopes[j] = static_cast<float>(weight * std::exp(lp[j]) - targets[j]);
    }
  }
  return slopes;
}

// output_choices with LoRA on the output projection: log-probs among all tokens, an alternative at a time, made those
// among the alternatives on the host.
void whole_choices(const Llama& model, Arena& arena, float* lp, const Activation* x, const ChoiceRows& choices,
                   const LoraView* lora, Activation* dx, const std::atomic<bool>* cancel) {
  Backend& backend = model.backend();
  const int64_t C = model.config().width, G = choices.count(), J = choices.offsets.back();
  int32_t widest = 0;
  for (size_t g = 0; g + 1 < choices.offsets.size(); ++g) {
    widest = std::max(widest, choices.offsets[g + 1] - choices.offsets[g]);
  }
  const Arena::Scope scope(arena);
  Activation *own = arena.activations(G * C), *down = arena.activations(G * C);  // (M, C) each, M ≤ G
  int32_t *rows = arena.ints(G), *targets = arena.ints(G);                       // (M)
  float *part = arena.floats(G), *slopes = arena.floats(G);                      // (M)
  std::vector<float> all(static_cast<size_t>(J)), host(static_cast<size_t>(G));  // (J), (M)
  const auto upload = [&](void* to, const auto& values) {
    backend.upload(to, values.data(), values.size() * sizeof(values[0]));
  };
  const auto project = [&](const Alternatives& some, const LogprobGradient& gradient) {
    upload(rows, some.rows), upload(targets, some.targets);
    backend.gather_rows(own, x, rows, some.count(), C);
    output_logprobs(model, arena, part, own, {some.count(), targets}, lora, down, gradient, cancel);
  };
  for (int32_t k = 0; k < widest; ++k) {
    const Alternatives some = alternatives(choices, k);
    project(some, nullptr);
    backend.download(host.data(), part, some.rows.size() * sizeof(float));
    for (size_t m = 0; m < some.indices.size(); ++m) all[static_cast<size_t>(some.indices[m])] = host[m];
  }
  std::vector<float> wanted(choices.targets ? all.size() : 0);  // (J) or none
  if (choices.targets) backend.download(wanted.data(), choices.targets, wanted.size() * sizeof(float));
  const std::vector<float> dlp = among_alternatives(all, choices.offsets, wanted);
  upload(lp, all);
  for (int32_t k = 0; choices.targets && k < widest; ++k) {
    const Alternatives some = alternatives(choices, k);
    for (size_t m = 0; m < some.indices.size(); ++m) host[m] = dlp[static_cast<size_t>(some.indices[m])];
    upload(slopes, host);
    backend.zero(down, some.count() * C);
    project(some, [&](float*, const float*, int64_t first, int64_t) { return slopes + first; });
    backend.scatter_rows(dx, down, rows, 1, some.count(), C);
  }
}

}  // namespace

void output_choices(const Llama& model, Arena& arena, float* lp, const Activation* x, const ChoiceRows& choices,
                    const LoraView* lora, Activation* dx, const std::atomic<bool>* cancel) {
  if (choices.count() > 0 && lora && lora->head.rank > 0) {
    return whole_choices(model, arena, lp, x, choices, lora, dx, cancel);
  }
  Backend& backend = model.backend();
  const LlamaWeights& weights = model.weights();
  const int64_t C = model.config().width;
  const int64_t chunk = chunk_alternatives(backend, choices.offsets, C), most = std::min(choices.count(), chunk);
  const Arena::Scope scope(arena);
  Activation* rows = arena.activations(chunk * C);   // (chunk, C) of the output projection
  Activation* normed = arena.activations(most * C);  // (most, C)
  float* rstd = arena.floats(most);                  // (most)
  for (int64_t first = 0, end = 0; first < choices.count(); first = end) {
    stop_when(cancel);
    end = chunk_end(choices.offsets, first, chunk);
    const int64_t G = end - first, begin = choices.offsets[static_cast<size_t>(first)];
    const int64_t J = choices.offsets[static_cast<size_t>(end)] - begin;
    const int32_t* offsets = choices.on_device + first;  // (G + 1)
    const Activation* own = backend.at(x, first * C);    // (G, C)
    backend.rmsnorm_forward(normed, rstd, own, weights.output_norm, model.config().norm_epsilon, G);
    backend.embedding(rows, weights.output, choices.tokens + begin, J);
    backend.choice_forward(lp + begin, normed, rows, offsets, G, C);
    if (!choices.targets) continue;
    backend.choice_backward(normed, lp + begin, choices.targets + begin, rows, offsets, G, C);  // becomes its gradient
    backend.rmsnorm_backward(backend.at(dx, first * C), normed, own, rstd, weights.output_norm, G);
  }
}

void add_value_head_parameters(ParameterLayout& layout, int64_t width, int64_t hidden) {
  layout.add("value_head.fc1.weight", {hidden, width});
  layout.add("value_head.fc1.bias", {hidden});
  layout.add("value_head.fc2.weight", {1, hidden});
  layout.add("value_head.fc2.bias", {1});
}

void initialize_value_head(ParameterSet& parameters, uint64_t seed) {
  const std::vector<Parameter>& all = parameters.layout().parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].name != "value_head.fc1.weight") continue;
    const double deviation = 1.0 / std::sqrt(static_cast<double>(all[i].shape[1]));
    parameters.upload(ParameterSet::Value, static_cast<int>(i),
                      normal_values(seed, all[i].name, all[i].count, deviation).data());
  }
}

ValueHead::ValueHead(const ParameterSet& parameters, int first, int64_t hidden) : hidden_(hidden) {
  const auto view = [&](ParameterSet::Kind kind) {
    return ValueHeadParameters{parameters.at(kind, first), parameters.at(kind, first + 1),
                               parameters.at(kind, first + 2), parameters.at(kind, first + 3)};
  };
  values_ = view(ParameterSet::Value);
  gradients_ = view(ParameterSet::Pending);
}

ValueHead::Saved ValueHead::forward(const Llama& model, Arena& arena, float* v, const Activation* x, int64_t T) const {
  Backend& backend = model.backend();
  const int64_t C = model.config().width;
  const Saved saved{x, arena.floats(T), arena.activations(T * C), arena.floats(T * hidden_)};
  backend.rmsnorm_forward(saved.normed, saved.rstd, x, model.weights().output_norm, model.config().norm_epsilon, T);
  backend.value_head_forward(v, saved.z, saved.normed, values_, T, C, hidden_);
  return saved;
}

void ValueHead::backward(const Llama& model, Arena& arena, Activation* dx, const float* dv, const Saved& saved,
                         int64_t T) const {
  Backend& backend = model.backend();
  const int64_t C = model.config().width;
  const Arena::Scope scope(arena);
  Activation* dnormed = arena.activations(T * C);  // (T, C)
  backend.value_head_backward(dnormed, gradients_, saved.z, dv, saved.normed, values_, T, C, hidden_);
  backend.rmsnorm_backward(dx, dnormed, saved.x, saved.rstd, model.weights().output_norm, T);
}

}  // namespace spark
