// Hopper's attention kernels and the choice of them, over the emulated device: a file of its own because sanitizers
// make their large tiles slow.
#include "attention_reference.h"
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
    check(*backend, kCuda, {{257, 64}, 3, 1, 128}, false);  // all stages, several heads to a key's
    check(*backend, kCuda, {{128}, 1, 1, 96}, false);
  }
}

TEST_CASE("attention: a device has Hopper's kernels when they agree with the others") {
  namespace cuda = spark::cuda;
  const auto device = [](const cuda::CudaOptions& options) { return cuda::CudaBackend(0, options).device(); };
  cuda::emulated::descending_order(false);
  CHECK(device({}).find("attention by mma.sync") != std::string::npos);
  CHECK_THROWS_WITH_AS(device({.attention = cuda::AttentionKernels::Hopper}),
                       doctest::Contains("compute capability 9.0"), spark::Error);
  cuda::emulated::hopper() = true;
  CHECK(device({.attention = cuda::AttentionKernels::Ampere}).find("attention by mma.sync") != std::string::npos);
  if (!kSanitized) CHECK(device({}).find("attention by wgmma") != std::string::npos);
  CHECK(device({.attention_difference = 1e-9}).find("mma.sync (wgmma's differs") != std::string::npos);
  cuda::emulated::Counted& counted = cuda::emulated::counted();
  counted.most_waits = counted.waits;
  const Thrown lost = thrown([&] { device({}); });
  counted.most_waits = INT64_MAX;
  cuda::lost_device().reason.clear();  // other tests of this process go on
  CHECK(lost.code == "device_lost");
  CHECK(lost.message.find("SPARK_RL_ATTENTION=ampere") != std::string::npos);
  cuda::emulated::hopper() = false;
}
