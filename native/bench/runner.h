// Repeats with their times, losses and peak memory: of the process, or on a device of what was taken since before the
// model was loaded.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "measure.h"
#include "ops/backend.h"
#include "repeats.h"

namespace spark::bench {

// Memory taken on a device, seen from how much is left: read between steps, which is enough because the engine keeps
// what a pass took. The device's own context, which is there before, is not in it.
class DeviceMemory {
 public:
  explicit DeviceMemory(const Backend& backend) : backend_(backend), free_before_(free_now()) {}
  double taken() const { return static_cast<double>(free_before_ - free_now()); }

 private:
  int64_t free_now() const { return backend_.available_bytes() - static_cast<int64_t>(backend_.weight_bytes()); }
  const Backend& backend_;
  int64_t free_before_;
};

class Runner {
 public:
  // `device` null: the process is measured.
  Runner(Repeat repeat, const DeviceMemory* device)
      : repeat_(std::move(repeat)), device_(device), before_(device ? device->taken() : PeakMemory::resident()) {}

  void warm(int64_t count) {
    for (int64_t i = 0; i < count; ++i) step();
  }
  nlohmann::json run(int64_t count) {
    peak_.restart();
    nlohmann::json turn = {{"ms", nlohmann::json::array()}};
    for (int64_t i = 0; i < count; ++i) {
      const double start = now();
      const Outcome outcome = step();
      ms_.push_back((now() - start) * 1e3);
      for (const auto& [name, value] : outcome.parts_ms.items()) parts_ms_[name].push_back(value.get<double>());
      turn["ms"].push_back(ms_.back());
      if (device_) highest_ = std::max(highest_, device_->taken());
    }
    if (!device_) highest_ = std::max(highest_, peak_.bytes());
    turn["peak_bytes"] = highest_;
    return turn;
  }
  const Repeat& repeat() const { return repeat_; }

  nlohmann::json document(double tokens) const {
    if (ms_.empty()) throw Error("usage", "nothing was measured: expected at least one repeat");
    nlohmann::json all = rates(tokens, ms_);
    all["repeats"] = ms_.size();
    all["ms"] = ms_;
    all["peak_bytes"] = highest_;
    all["peak_how"] = device_ ? "device memory taken since before the model was loaded" : peak_.how();
    all["resident_before_bytes"] = before_;
    all["losses"] = losses_;
    for (const auto& [name, ms] : parts_ms_) all["parts"][name] = rates(tokens, ms);
    return all;
  }

 private:
  Outcome step() {
    Outcome outcome = repeat_();
    losses_.push_back(outcome.losses);
    return outcome;
  }
  static nlohmann::json rates(double tokens, const std::vector<double>& ms) {
    const double middle = median(ms), least = *std::min_element(ms.begin(), ms.end());
    return {{"tokens", tokens},
            {"ms_median", middle},
            {"ms_min", least},
            {"tokens_per_second", tokens / middle * 1e3},
            {"tokens_per_second_best", tokens / least * 1e3},
            {"seconds_per_million_tokens", middle * 1e3 / tokens}};
  }

  Repeat repeat_;
  const DeviceMemory* device_;
  PeakMemory peak_;
  std::vector<double> ms_;
  std::map<std::string, std::vector<double>> parts_ms_;
  std::vector<nlohmann::json> losses_;
  double highest_ = 0, before_;
};

}  // namespace spark::bench
