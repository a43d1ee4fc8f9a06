// Trained parameters: named views into flat buffers, so that the global norm, AdamW and "add this call's gradients" are
// one op each.
#pragma once

#include <string>
#include <vector>

#include "core/named_tensor.h"
#include "ops/backend.h"
#include "ops/buffer.h"

namespace spark {

struct Parameter {
  std::string name;
  std::vector<int64_t> shape;
  int64_t offset = 0, count = 0;  // in floats
};

// Names and places, before any memory exists. Gaps stay zero.
class ParameterLayout {
 public:
  // Aligned: at a multiple of 16 floats. Adjacent: right after the parameter before it.
  enum Place { Aligned, Adjacent };
  // Returns the parameter's index.
  int add(std::string name, std::vector<int64_t> shape, Place place = Aligned);
  const std::vector<Parameter>& parameters() const { return parameters_; }
  // Says that everything added so far is LoRA's A and B. Products read these, so a ParameterSet also keeps them in the
  // type that products run in.
  void end_of_factors() { factor_floats_ = floats_; }
  int64_t factor_floats() const { return factor_floats_; }
  int64_t floats() const { return aligned(floats_); }  // of a flat buffer, gaps included
  int64_t count() const { return count_; }             // of trained values

 private:
  static int64_t aligned(int64_t floats) { return (floats + 15) / 16 * 16; }

  std::vector<Parameter> parameters_;
  int64_t floats_ = 0, factor_floats_ = 0, count_ = 0;
};

class ParameterSet {
 public:
  // The flat buffers. `Pending` takes the gradients of the call in progress; they join `Gradient` when it succeeds.
  enum Kind { Value, Gradient, Pending, Moment1, Moment2 };

  ParameterSet(Backend& backend, ParameterLayout layout);  // all zero
  const ParameterLayout& layout() const { return layout_; }
  int64_t floats() const { return layout_.floats(); }
  float* flat(Kind kind) const { return buffers_[kind].floats(); }
  float* at(Kind kind, int index) const { return flat(kind) + layout_.parameters()[static_cast<size_t>(index)].offset; }
  // A factor in the type that products run in: the value itself, or what refresh_factors() made of it.
  const Activation* factor(int index) const;
  // To be called before a pass: makes the factors anew if values changed. One op rounds all of them; one for each
  // before its product would be hundreds of ops.
  void refresh_factors();
  void values_changed() { stale_ = true; }

  void clear(Kind kind) { backend_.fill(flat(kind), 0.0f, floats()); }
  void commit_pending() { backend_.add(flat(Gradient), flat(Pending), floats()); }
  std::vector<NamedTensor> download(Kind kind) const;
  // `data` holds the parameter's count of values.
  void upload(Kind kind, int index, const float* data);
  // The name of the parameter that holds NaN or ∞ and lies highest in the model, "" when none does.
  std::string first_not_finite(Kind kind) const;

 private:
  Backend& backend_;
  ParameterLayout layout_;
  Buffer buffers_[5];
  Buffer factors_;  // empty where products run in fp32
  bool stale_ = true;
};

// Normal values with this standard deviation, the same on every machine: SplitMix64 seeded by (seed, name), Box-Muller.
std::vector<float> normal_values(uint64_t seed, const std::string& name, int64_t count, double deviation);

}  // namespace spark
