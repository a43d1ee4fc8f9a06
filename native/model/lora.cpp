#include "model/lora.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace spark {

namespace {

// f(layer, projections of a stack), in the order of the parameters.
template <class F>
void each_stack(const LoraSpec& spec, F&& f) {
  for (size_t layer = 0; layer < spec.layers.size(); ++layer) {
    const auto size = [&](Projection p) { return spec.layers[layer][static_cast<size_t>(p)]; };
    std::vector<std::vector<Projection>> stacks;
    for (const ProjectionEntry& entry : kProjectionTable) {
      const Projection p = static_cast<Projection>(&entry - kProjectionTable.data());
      if (size(p).rank == 0) continue;
      const auto joins = [&](const std::vector<Projection>& stack) {
        return projection_group(stack.front()) == entry.group && size(stack.front()).scale() == size(p).scale();
      };
      const auto found = std::find_if(stacks.begin(), stacks.end(), joins);
      if (found == stacks.end()) {
        stacks.push_back({p});
      } else {
        found->push_back(p);
      }
    }
    for (const auto& stack : stacks) f(layer, stack);
  }
}

}  // namespace

void add_lora_parameters(ParameterLayout& layout, const LlamaConfig& config, const LoraSpec& spec) {
  const int64_t C = config.width, V = config.vocabulary;
  if (const int64_t R = spec.embedding.rank; R > 0) {
    layout.add(std::string(kEmbeddingWeight) + ".lora_a", {V, R});
    layout.add(std::string(kEmbeddingWeight) + ".lora_b", {C, R});
  }
  each_stack(spec, [&](size_t layer, const std::vector<Projection>& stack) {
    const auto name = [&](Projection p) { return projection_entry(p).weight(static_cast<int64_t>(layer)); };
    const auto shape = [&](Projection p) { return projection_entry(p).shape(config.widths()); };
    const auto rank = [&](Projection p) { return int64_t{spec.layers[layer][static_cast<size_t>(p)].rank}; };
    for (const Projection p : stack) {
      const auto place = p == stack.front() ? ParameterLayout::Aligned : ParameterLayout::Adjacent;
      layout.add(name(p) + ".lora_a", {rank(p), shape(p).in}, place);
    }
    for (const Projection p : stack) layout.add(name(p) + ".lora_b", {shape(p).out, rank(p)});
  });
  if (const int64_t R = spec.head.rank; R > 0) {
    layout.add(std::string(kHeadWeight) + ".lora_a", {R, C});
    layout.add(std::string(kHeadWeight) + ".lora_b", {V, R});
  }
  layout.end_of_factors();
}

void initialize_lora(ParameterSet& parameters, uint64_t seed) {
  const std::vector<Parameter>& all = parameters.layout().parameters();
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i].name.ends_with(".lora_a")) continue;
    const double deviation = 1.0 / std::sqrt(static_cast<double>(all[i].shape[1]));
    parameters.upload(ParameterSet::Value, static_cast<int>(i),
                      normal_values(seed, all[i].name, all[i].count, deviation).data());
  }
}

LoraView view_lora(const ParameterSet& parameters, const LoraSpec& spec) {
  LoraView view;
  view.layers.resize(spec.layers.size());
  int index = 0;
  const auto factors = [&](const LoraSize& size) -> LoraFactors {
    if (size.rank == 0) return {};
    const int a = index, b = index + 1;
    index += 2;
    const auto pending = ParameterSet::Pending;
    return {parameters.factor(a), parameters.factor(b), parameters.at(pending, a), parameters.at(pending, b), size.rank,
            size.scale()};
  };
  view.embedding = factors(spec.embedding);
  each_stack(spec, [&](size_t layer, const std::vector<Projection>& members) {
    const auto size = [&](Projection p) { return spec.layers[layer][static_cast<size_t>(p)]; };
    LoraStack& stack = view.layers[layer].stacks[static_cast<size_t>(members.front())];
    stack.a = parameters.factor(index), stack.da = parameters.at(ParameterSet::Pending, index);
    stack.scale = size(members.front()).scale(), stack.last = members.back();
    index += static_cast<int>(members.size());
    for (const Projection p : members) {
      view.layers[layer].pairs[static_cast<size_t>(p)] = {parameters.factor(index),
                                                          parameters.at(ParameterSet::Pending, index), size(p).rank,
                                                          members.front(), stack.rank};
      stack.rank += size(p).rank, ++index;
    }
  });
  view.head = factors(spec.head);
  return view;
}

}  // namespace spark
