// Hopper's attention kernels and the choice of them, over the emulated device: a file of its own because sanitizers
// make their large tiles slow.
#include "attention_reference.h"
#include "backends.h"
#include "cuda/lost.h"
#include "support.h"

using namespace spark_test;
using attention::check;

TEST_CASE("attention: Hopper's kernels") {
  for (const bool descending : {false, true}) {
    CAPTURE(descending);
    tested_compute() = spark::Compute::Bf16;
    const auto backend = emulated_cuda(descending, spark::cuda::AttentionKernels::Hopper);
    backend->enter();
    check(*backend, kCuda, {{1, 63, 65}, 2, 1, 8}, false);  // shorter than a tile; a head that fills an eighth of one
    if (kSanitized && descending) continue;
    check(*backend, kCuda, {{129, 7, 200}, 2, 1, 64}, false);
    check(*backend, kCuda, {{128}, 1, 1, 96}, false);
    if (kSanitized && !tested_in_full()) continue;
    check(*backend, kCuda, {{257, 64}, 3, 1, 128}, false);          // all stages, several heads to a key's
    check(*backend, kCuda, {{300, 1, 129, 130}, 4, 2, 64}, false);  // several tiles to a block, some of them empty
  }
}

namespace cuda = spark::cuda;

TEST_CASE("attention: the scratch that Hopper's kernels take is what is planned") {
  tested_compute() = spark::Compute::Bf16;
  const auto backend = emulated_cuda(false, cuda::AttentionKernels::Hopper);
  backend->enter();
  const int64_t before = cuda::emulated::counted().held;
  check(*backend, kCuda, {{40}, 4, 1, 8}, false);
  spark::OpSizes sizes;
  sizes.attention.insert({40, 40, 4, 8});
  const auto planned = static_cast<int64_t>(backend->workspace_bytes(sizes)) - int64_t{cuda::Products::kWorkspace};
  constexpr int64_t kFlag = sizeof(int32_t);  // in the same scratch since the backend was opened
  CHECK(cuda::emulated::counted().held - before == planned - kFlag);
}

namespace {

std::string attention_of(const cuda::CudaOptions& options) { return cuda::CudaBackend(0, options).device(); }

}  // namespace

TEST_CASE("attention: a device has Hopper's kernels when they agree with the others") {
  cuda::emulated::descending_order(false);
  CHECK(attention_of({}).find("attention by mma.sync") != std::string::npos);
  CHECK_THROWS_WITH_AS(attention_of({.attention = cuda::AttentionKernels::Hopper}),
                       doctest::Contains("compute capability 9.0"), spark::Error);
  cuda::emulated::hopper() = true;
  CHECK(attention_of({.attention = cuda::AttentionKernels::Ampere}).find("attention by mma.sync") != std::string::npos);
  if (!kSanitized) CHECK(attention_of({}).find("attention by wgmma") != std::string::npos);
  CHECK(attention_of({.attention_difference = 1e-9}).find("mma.sync (wgmma's differs") != std::string::npos);
  cuda::emulated::Counted& counted = cuda::emulated::counted();
  counted.most_waits = counted.waits + 1;  // the first wait asks whether this build has the kernels
  const Thrown lost = thrown([&] { attention_of({}); });
  counted.most_waits = INT64_MAX;
  cuda::lost_device().reason.clear();  // other tests of this process go on
  CHECK(lost.code == "device_lost");
  CHECK(lost.message.find("SPARK_RL_ATTENTION=ampere") != std::string::npos);
  cuda::emulated::hopper() = false;
}

TEST_CASE("attention: Hopper's kernels that do nothing are not taken, whichever it is, and not even by name") {
  cuda::emulated::descending_order(false);
  cuda::emulated::hopper() = true;
  cuda::emulated::Counted& counted = cuda::emulated::counted();
  const auto without = [&](int64_t launch, const cuda::CudaOptions& options) {
    counted.dropped = counted.launches + launch;
    return thrown([&] { throw spark::Error("opened", attention_of(options)); });
  };
  CHECK(without(0, {}).message.find("mma.sync (this build has no code for sm_90a") != std::string::npos);
  CHECK(without(0, {.attention = cuda::AttentionKernels::Hopper}).code == "backend_unavailable");
  // Of heads of 64: two fills, forward, dout · o, keys and queries backward; then the same again.
  for (const int64_t launch : {9, 10, 11, 12}) {
    if (kSanitized && launch > 9) continue;
    CAPTURE(launch);
    CHECK(without(launch, {}).message.find("mma.sync (wgmma's differs") != std::string::npos);
  }
  counted.dropped = -1;
  cuda::emulated::hopper() = false;
}
