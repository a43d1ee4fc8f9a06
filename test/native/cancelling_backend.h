// The CPU, whose user cancels the call in the middle of its backward pass, when gradients of the last layer exist
// already.
#pragma once

#include <atomic>

#include "cpu/cpu_backend.h"

namespace spark_test {

class CancellingCpu final : public spark::CpuBackend {
 public:
  explicit CancellingCpu(std::atomic<bool>* flag) : CpuBackend(2), flag_(flag) {}
  void rope_backward(spark::Activation* dx, const spark::Rope& rope, const spark::Packing& packing, int64_t heads,
                     int64_t D) override {
    *flag_ = armed;
    CpuBackend::rope_backward(dx, rope, packing, heads, D);
  }
  bool armed = false;

 private:
  std::atomic<bool>* flag_;
};

}  // namespace spark_test
