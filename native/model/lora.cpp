#include "model/lora.h"

#include <cmath>
#include <string>

namespace spark {

void add_lora_parameters(ParameterLayout& layout, const LlamaConfig& config, const LoraSpec& spec) {
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    for (int p = 0; p < kProjections; ++p) {
      if (!spec.enabled[static_cast<size_t>(p)]) continue;
      const Projection projection = static_cast<Projection>(p);
      const ProjectionShape shape = projection_shape(config, projection);
      const std::string name = "blk." + std::to_string(layer) + "." + projection_tensor(projection) + ".weight";
      layout.add(name + ".lora_a", {spec.rank, shape.in});
      layout.add(name + ".lora_b", {shape.out, spec.rank});
    }
  }
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
  for (auto& layer : view.layers) {
    for (size_t p = 0; p < kProjections; ++p) {
      if (!spec.enabled[p]) continue;
      layer[p] = {parameters.at(ParameterSet::Value, index), parameters.at(ParameterSet::Value, index + 1),
                  parameters.at(ParameterSet::Pending, index), parameters.at(ParameterSet::Pending, index + 1)};
      index += 2;
    }
  }
  return view;
}

}  // namespace spark
