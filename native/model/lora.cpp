#include "model/lora.h"

#include <cmath>
#include <string>

namespace spark {

namespace {

// f(layer, group, projections of the group that have an adapter), in the order of the parameters.
template <class F>
void each_group(const LlamaConfig& config, const LoraSpec& spec, F&& f) {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    for (int group = 0; group < kGroups; ++group) {
      std::vector<Projection> adapted;
      for (int p = 0; p < kProjections; ++p) {
        const Projection projection = static_cast<Projection>(p);
        const bool member = static_cast<int>(projection_group(projection)) == group;
        if (member && spec.enabled[static_cast<size_t>(p)]) adapted.push_back(projection);
      }
      if (!adapted.empty()) f(layer, static_cast<size_t>(group), adapted);
    }
  }
}

}  // namespace

void add_lora_parameters(ParameterLayout& layout, const LlamaConfig& config, const LoraSpec& spec) {
  each_group(config, spec, [&](int64_t layer, size_t, const std::vector<Projection>& adapted) {
    const auto name = [&](Projection p) { return projection_entry(p).weight(layer); };
    const auto shape = [&](Projection p) { return projection_entry(p).shape(config.widths()); };
    for (const Projection p : adapted) {
      const auto place = p == adapted.front() ? ParameterLayout::Aligned : ParameterLayout::Adjacent;
      layout.add(name(p) + ".lora_a", {spec.rank, shape(p).in}, place);
    }
    for (const Projection p : adapted) layout.add(name(p) + ".lora_b", {shape(p).out, spec.rank});
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

LoraView view_lora(const ParameterSet& parameters, const LlamaConfig& config, const LoraSpec& spec) {
  LoraView view{spec.rank, spec.scale(), {}};
  view.layers.resize(static_cast<size_t>(config.layers));
  int index = 0;
  each_group(config, spec, [&](int64_t layer, size_t group, const std::vector<Projection>& adapted) {
    LoraLayer& to = view.layers[static_cast<size_t>(layer)];
    const int members = static_cast<int>(adapted.size());
    to.groups[group] = {parameters.factor(index), parameters.at(ParameterSet::Pending, index),
                        int64_t{spec.rank} * members};
    index += members;
    for (int i = 0; i < members; ++i, ++index) {
      to.pairs[static_cast<size_t>(adapted[static_cast<size_t>(i)])] = {
          parameters.factor(index), parameters.at(ParameterSet::Pending, index), int64_t{spec.rank} * i};
    }
  });
  return view;
}

}  // namespace spark
