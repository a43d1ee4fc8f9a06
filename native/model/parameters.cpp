#include "model/parameters.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace spark {

int ParameterLayout::add(std::string name, std::vector<int64_t> shape, Place place) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  if (place == Aligned) floats_ = aligned(floats_);
  parameters_.push_back({std::move(name), std::move(shape), floats_, count});
  floats_ += count;
  count_ += count;
  return static_cast<int>(parameters_.size()) - 1;
}

ParameterSet::ParameterSet(Backend& backend, ParameterLayout layout) : backend_(backend), layout_(std::move(layout)) {
  for (int kind = Value; kind <= Moment2; ++kind) {
    buffers_[kind] = Buffer(backend, static_cast<size_t>(floats()) * sizeof(float));
    clear(static_cast<Kind>(kind));
  }
  if (backend.compute() != Compute::F32) {
    factors_ = Buffer(backend, static_cast<size_t>(layout_.factor_floats()) * backend.value_bytes());
  }
}

const Activation* ParameterSet::factor(int index) const {
  if (!factors_) return at(Value, index);
  return backend_.at(factors_.activations(), layout_.parameters()[static_cast<size_t>(index)].offset);
}

void ParameterSet::refresh_factors() {
  if (factors_ && stale_) backend_.round(factors_.activations(), flat(Value), layout_.factor_floats());
  stale_ = false;
}

std::vector<NamedTensor> ParameterSet::download(Kind kind) const {
  std::vector<NamedTensor> tensors;
  for (const Parameter& p : layout_.parameters()) {
    NamedTensor& tensor = tensors.emplace_back(NamedTensor{p.name, p.shape, {}});
    tensor.data.resize(static_cast<size_t>(p.count));
    backend_.download(tensor.data.data(), flat(kind) + p.offset, tensor.data.size() * sizeof(float));
  }
  return tensors;
}

void ParameterSet::upload(Kind kind, int index, const float* data) {
  if (kind == Value) values_changed();
  backend_.upload(at(kind, index), data,
                  static_cast<size_t>(layout_.parameters()[static_cast<size_t>(index)].count) * sizeof(float));
}

std::string ParameterSet::first_not_finite(Kind kind) const {
  if (std::isfinite(backend_.sum_of_squares(flat(kind), floats()))) return "";
  // From the end: the backward pass reaches the last layer first, so that is where a bad gradient began.
  const std::vector<Parameter>& all = layout_.parameters();
  for (auto p = all.rbegin(); p != all.rend(); ++p) {
    if (!std::isfinite(backend_.sum_of_squares(flat(kind) + p->offset, p->count))) return p->name;
  }
  return "";
}

namespace {

uint64_t splitmix(uint64_t& state) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// (0, 1], 53 bits
double uniform(uint64_t& state) { return (static_cast<double>(splitmix(state) >> 11) + 1.0) * 0x1p-53; }

}  // namespace

std::vector<float> normal_values(uint64_t seed, const std::string& name, int64_t count, double deviation) {
  uint64_t state = 0xcbf29ce484222325u;  // FNV-1a of the name: a tensor's values do not depend on its neighbours
  for (const char c : name) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  state ^= splitmix(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    const double radius = std::sqrt(-2.0 * std::log(uniform(state)));
    value = static_cast<float>(deviation * radius * std::cos(2.0 * std::numbers::pi * uniform(state)));
  }
  return values;
}

}  // namespace spark
