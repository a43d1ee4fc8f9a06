// Which attention kernels a device runs. Hopper's are changed and built where no such device is at hand, so each
// process first compares them with the others on a small problem and uses the others where the two disagree.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/half.h"
#include "cuda/attention_hopper.h"
#include "cuda/memory.h"

namespace spark::cuda {

namespace {

constexpr int64_t kHeads = 2, kKvHeads = 1;
constexpr int32_t kBounds[] = {0, 200, 210};  // several tiles and rounds of each kernel, the last of them not full
constexpr int64_t kTokens = kBounds[2];

// Repeatable and without structure: enough to tell every row and column from the others.
std::vector<uint16_t> arbitrary(int64_t count, float largest) {
  std::vector<uint16_t> values(static_cast<size_t>(count));
  uint32_t state = 1;
  for (uint16_t& value : values) {
    state = state * 1664525u + 1013904223u;
    value = float_to_bf16(largest * (static_cast<float>(state >> 8) / static_cast<float>(1 << 23) - 1.0f));
  }
  return values;
}

// The largest difference, as a share of the largest value.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double x = a[i], y = b[i];
    if (!std::isfinite(x) || !std::isfinite(y)) return INFINITY;
    most = std::max(most, std::abs(x - y)), largest = std::max(largest, std::abs(x));
  }
  return most / largest;
}

// Two NaN in bf16, one in fp32.
const float kUnwritten = std::bit_cast<float>(0xffffffffu);

// `there` becomes 1 where Hopper's kernels have bodies. They have none in a build for other architectures, and an empty
// kernel is launched like any other.
__global__ void report_hopper_code(int32_t* there) {
#ifdef SPARK_HOPPER_CODE
  *there = 1;
#else
  *there = 0;
#endif
}

}  // namespace

int& most_hopper_blocks() {
  static int most = std::numeric_limits<int>::max();
  return most;
}

bool CudaBackend::has_hopper_code() {
  auto* flag = static_cast<int32_t*>(scratch(kSums, sizeof(int32_t)));
  launch(report_hopper_code, dim3(1), 1, 0, stream_, flag);
  int32_t there = 0;
  download(&there, flag, sizeof there);
  return there == 1;
}

bool CudaBackend::uses_hopper(const AttentionShape& shape, std::initializer_list<const void*> pointers) const {
  constexpr int64_t kLargest = 128;
  return attention_ == AttentionKernels::Hopper && shape.head_size <= kLargest && vectorizes(shape.head_size, pointers);
}

// How far the two sets of kernels are apart in o, dq, dk, dv and lse, for heads of D. All of these start as NaN: what
// one set leaves unwritten must not be taken from what the other wrote there before.
double CudaBackend::attention_difference(int64_t D) {
  const int64_t Q = kTokens * kHeads * D, KV = kTokens * kKvHeads * D, given = 2 * Q + 2 * KV, made = 2 * Q + 2 * KV;
  constexpr int64_t kLse = kTokens * kHeads;
  const auto room = [](int64_t bytes) { return std::shared_ptr<void>(device_allocate(bytes), device_release); };
  const std::shared_ptr<void> inputs = room(given * 2), outputs = room(made * 2), lse = room(kLse * 4),
                              bounds = room(sizeof kBounds);
  const std::vector<uint16_t> host = arbitrary(given, 3.0f);
  upload(inputs.get(), host.data(), host.size() * sizeof(uint16_t));
  upload(bounds.get(), kBounds, sizeof kBounds);
  const Packing packing{kTokens, 2, kBounds[1], static_cast<const int32_t*>(bounds.get()), nullptr};
  const AttentionShape shape{kHeads, kKvHeads, D};
  Activation *q = inputs.get(), *dout = at(q, Q), *k = at(dout, Q), *v = at(k, KV);
  Activation *o = outputs.get(), *dq = at(o, Q), *dk = at(dq, Q), *dv = at(dk, KV);
  auto* sums = static_cast<float*>(lse.get());
  // o, dq, dk, dv (made), lse (kLse)
  const auto results = [&](AttentionKernels kernels) {
    attention_ = kernels;
    fill(static_cast<float*>(outputs.get()), kUnwritten, made / 2);
    fill(sums, kUnwritten, kLse);
    attention_forward(o, sums, q, k, v, packing, shape);
    attention_backward(dq, dk, dv, dout, q, k, v, o, sums, packing, shape);
    std::vector<uint16_t> half(static_cast<size_t>(made));
    download(half.data(), o, half.size() * sizeof(uint16_t));
    std::vector<float> all(static_cast<size_t>(made + kLse));
    std::transform(half.begin(), half.end(), all.begin(), bf16_to_float);
    download(&all[half.size()], sums, kLse * sizeof(float));
    return all;
  };
  const std::vector<float> expected = results(AttentionKernels::Ampere), got = results(AttentionKernels::Hopper);
  double most = 0;
  int64_t first = 0;
  for (const int64_t count : {Q, Q, KV, KV, kLse}) {
    const auto part = [&](const auto& x) { return std::vector<float>(&x[first], &x[first] + count); };
    most = std::max(most, difference(part(expected), part(got)));
    first += count;
  }
  return most;
}

void CudaBackend::choose_attention(const CudaOptions& options) {
  const bool possible = has_warpgroup_products(device_);
  if (options.attention == AttentionKernels::Hopper && !possible) {
    throw Error("backend_unavailable",
                "backend cuda: expected a device of compute capability 9.0 for attention kernels "
                "hopper; leave SPARK_RL_ATTENTION unset");
  }
  attention_text_ = "attention by mma.sync";
  if (options.attention == AttentionKernels::Ampere || !possible) return;
  if (!has_hopper_code()) {
    const std::string missing = "this build has no code for sm_90a: build with -DSPARK_CUDA_ARCHITECTURES=90a-real";
    if (options.attention) throw Error("backend_unavailable", "backend cuda: attention kernels hopper: " + missing);
    attention_text_ += " (" + missing + ")";
    return;
  }
  if (!options.attention) {
    double most = 0;
    most_hopper_blocks() = 3;
    try {
      most = attention_difference(64);
      if (most <= options.attention_difference) most = std::max(most, attention_difference(128));
    } catch (const Error& e) {
      most_hopper_blocks() = std::numeric_limits<int>::max();
      if (e.code() != "device_lost") throw;
      throw Error(e.code(), std::string(e.what()) +
                                ". This was the trial of Hopper's attention kernels: if it happens again, set "
                                "SPARK_RL_ATTENTION=ampere to do without them");
    }
    most_hopper_blocks() = std::numeric_limits<int>::max();
    if (!(most <= options.attention_difference)) {
      attention_ = AttentionKernels::Ampere;
      char text[96];
      std::snprintf(text, sizeof text, " (wgmma's differs from it by %.2g of the largest value, allowed are %.2g)",
                    most, options.attention_difference);
      attention_text_ += text;
      return;
    }
  }
  attention_ = AttentionKernels::Hopper;
  attention_text_ = "attention by wgmma";
}

}  // namespace spark::cuda
