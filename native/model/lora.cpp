#include "model/lora.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace spark {

namespace {

// f(layer, projections of a stack), in the order of the parameters.
template <class F>
void each_stack(const LoraSpec& spec, F&& f) {
  for (size_t layer = 0; layer < spec.size(); ++layer) {
    const auto size = [&](Projection p) { return spec[layer][static_cast<size_t>(p)]; };
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
  each_stack(spec, [&](size_t layer, const std::vector<Projection>& stack) {
    const auto name = [&](Projection p) { return projection_entry(p).weight(static_cast<int64_t>(layer)); };
    const auto shape = [&](Projection p) { return projection_entry(p).shape(config.widths()); };
    const auto rank = [&](Projection p) { return int64_t{spec[layer][static_cast<size_t>(p)].rank}; };
    for (const Projection p : stack) {
      const auto place = p == stack.front() ? ParameterLayout::Aligned : ParameterLayout::Adjacent;
      layout.add(name(p) + ".lora_a", {rank(p), shape(p).in}, place);
    }
    for (const Projection p : stack) layout.add(name(p) + ".lora_b", {shape(p).out, rank(p)});
  });
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
  LoraView view(spec.size());
  int index = 0;
  each_stack(spec, [&](size_t layer, const std::vector<Projection>& members) {
    const auto size = [&](Projection p) { return spec[layer][static_cast<size_t>(p)]; };
    LoraStack& stack = view[layer].stacks[static_cast<size_t>(members.front())];
    stack.a = parameters.factor(index), stack.da = parameters.at(ParameterSet::Pending, index);
    stack.scale = size(members.front()).scale(), stack.last = members.back();
    index += static_cast<int>(members.size());
    for (const Projection p : members) {
      view[layer].pairs[static_cast<size_t>(p)] = {parameters.factor(index),
                                                   parameters.at(ParameterSet::Pending, index), size(p).rank,
                                                   members.front(), stack.rank};
      stack.rank += size(p).rank, ++index;
    }
  });
  return view;
}

}  // namespace spark
