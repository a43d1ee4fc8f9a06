// The CPU with "host memory" of its own, so that offloading is tested in fp32 against PyTorch and beside the other
// recomputations: copies happen when they are asked for, or not before they are settled.
#pragma once

#include <cstring>
#include <functional>
#include <map>
#include <vector>

#include "cpu/cpu_backend.h"

namespace spark_test {

class OffloadingCpu : public spark::CpuBackend {
 public:
  explicit OffloadingCpu(bool late, spark::Compute compute = spark::Compute::F32)
      : CpuBackend(2, compute), late_(late) {}
  bool offloads() const override { return true; }
  void enter() override {
    CpuBackend::enter();
    while (!waiting_.empty()) settle(waiting_.begin()->first);
  }
  void offload(int64_t slot, const spark::Activation* x, int64_t count) override {
    copy(slot, [=, this] {
      const auto* from = static_cast<const std::byte*>(x);
      slots_[slot].assign(from, from + count * static_cast<int64_t>(value_bytes()));
    });
  }
  void fetch(spark::Activation* x, int64_t slot, int64_t count) override {
    copy(slot, [=, this] { std::memcpy(x, slots_.at(slot).data(), static_cast<size_t>(count) * value_bytes()); });
  }
  void settle(int64_t slot) override {
    if (const auto found = waiting_.find(slot); found != waiting_.end()) {
      found->second();
      waiting_.erase(found);
    }
  }
  int64_t held() const {
    int64_t bytes = 0;
    for (const auto& [slot, values] : slots_) bytes += static_cast<int64_t>(values.size());
    return bytes;
  }

 private:
  // A copy of the same slot that was not settled comes first.
  void copy(int64_t slot, std::function<void()> now) {
    settle(slot);
    if (!late_) return now();
    waiting_[slot] = std::move(now);
  }

  bool late_;
  std::map<int64_t, std::vector<std::byte>> slots_;
  std::map<int64_t, std::function<void()>> waiting_;
};

}  // namespace spark_test
