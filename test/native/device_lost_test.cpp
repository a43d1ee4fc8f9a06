// After a sticky CUDA error nothing of the process can use the device again, and every handle says so.
#include "backends.h"
#include "cuda/lost.h"
#include "support.h"
#include "tiny_model.h"
#include "train/model.h"

namespace spark_test {

using namespace spark;

TEST_CASE("a lost device is lost to every model of the process, and each says why and what to do") {
  const auto open = [] { return make_model(tiny_gguf({}), emulated_cuda(false)); };
  const std::shared_ptr<Model> model = open(), other = open();
  const std::shared_ptr<Adapter> adapter = model->create_adapter({});
  const OwnedBatch batch = tiny_batch({12, 8}, 50);
  adapter->accumulate_sft(batch.view(), 1, nullptr);

  const Thrown first = thrown([] { cuda::lose_device("kernel launch: cudaErrorIllegalAddress"); });
  CHECK(first.code == "device_lost");
  CHECK(first.message.find("resume from the last checkpoint") != std::string::npos);
  const std::function<void()> later[] = {
      [&] { adapter->accumulate_sft(batch.view(), 1, nullptr); }, [&] { adapter->optimizer_step({}); },
      [&] { other->logprobs(batch.view(), nullptr, nullptr); }, [&] { other->create_critic({}); }, [&] { open(); }};
  for (const auto& call : later) {
    const Thrown again = thrown(call);
    CHECK(again.code == "device_lost");
    CHECK(again.message.find("an earlier call failed with kernel launch: cudaErrorIllegalAddress") !=
          std::string::npos);
  }
  cuda::lost_device().reason.clear();  // other tests of this process go on
  CHECK_NOTHROW(adapter->accumulate_sft(batch.view(), 1, nullptr));
}

}  // namespace spark_test
