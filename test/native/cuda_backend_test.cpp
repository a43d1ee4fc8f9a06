// How the CUDA backend treats its device: memory that is taken once, errors that say what to do.
#include "backends.h"
#include "bench/random_gguf.h"
#include "cuda/lost.h"
#include "emulated/streams.h"
#include "op_support.h"
#include "packed_types.h"
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

TEST_CASE("a product that fails on a lost device says so, on a device that is well it is an internal error") {
  const auto model = make_model(tiny_gguf({}), emulated_cuda(false));
  const auto adapter = model->create_adapter({});
  const OwnedBatch batch = tiny_batch({12, 8}, 50);
  cuda::emulated::Counted& counted = cuda::emulated::counted();
  const auto failing = [&](bool lost) {
    counted.failed = counted.products + 3;
    if (lost) counted.most_waits = counted.waits;
    const Thrown result = thrown([&] { adapter->accumulate_sft(batch.view(), 1, nullptr); });
    counted.failed = -1;
    counted.most_waits = INT64_MAX;
    return result;
  };
  const Thrown well = failing(false);
  CHECK(well.code == "internal");
  CHECK(well.message.find("CUBLAS_STATUS_EXECUTION_FAILED") != std::string::npos);
  const Thrown lost = failing(true);
  CHECK(lost.code == "device_lost");
  CHECK(lost.message.find("behind cudaErrorIllegalInstruction") != std::string::npos);
  cuda::lost_device().reason.clear();  // other tests of this process go on
  CHECK_NOTHROW(adapter->accumulate_sft(batch.view(), 1, nullptr));
}

namespace {

// A step of actor and critic, as a PPO epoch does it.
void train(Adapter& actor, Critic& critic, const OwnedBatch& batch) {
  PolicyOptions options;
  options.normalizer = batch.loss_tokens();
  actor.accumulate_policy(batch.view(), options, nullptr);
  critic.accumulate_value(batch.view(), static_cast<double>(batch.returns.size()), nullptr);
  actor.optimizer_step({.learning_rate = 1e-3f});
  critic.optimizer_step({.learning_rate = 1e-3f});
}

}  // namespace

TEST_CASE("a packed output projection in panels gives what it gives whole") {
  constexpr int64_t V = 37, C = 256, M = 3;
  for (const PackedType& t : kSomePackedTypes) {
    CAPTURE(static_cast<int>(t.type));
    const auto data = random_blocks(t, tensor_bytes(t.type, V * C) / t.bytes());
    const auto products = [&](int64_t panel) {
      cuda::CudaBackend backend(0, {.head_panel = panel});
      Device device(backend);
      const Weight head = backend.load_matrix(t.type, data.data(), V, C);
      float* logits = device.filled(M * V, 9);
      backend.output_forward(logits, device.activations(random_doubles("x", M * C)), head, {}, M);
      auto* dx = device.held(M * C, 9);
      backend.output_backward(dx, device.dlogits(random_doubles("dlogits", M * V), M, V), head, {}, M);
      return std::pair(device.host(logits, M * V), device.values(dx, M * C));
    };
    const auto whole = products(V * C), panels = products(10 * C);  // 10, 10, 10 and 7 rows
    CHECK(panels.first == whole.first);
    CHECK(distance(panels.second, whole.second) < kCuda.activations);
  }
}

TEST_CASE("after the first step the next one takes no memory from the device") {
  const auto model = make_model(tiny_gguf({}), emulated_cuda(false));
  const auto actor = model->create_adapter({});
  const auto critic = model->create_critic({});
  const OwnedBatch batch = tiny_batch({12, 8}, 50);
  train(*actor, *critic, batch);
  const int64_t before = cuda::emulated::counted().allocations;
  train(*actor, *critic, batch);
  CHECK(cuda::emulated::counted().allocations == before);
}

TEST_CASE(
    "a pass waits for the device at its end alone: for its log-probs or values, and whether gradients are finite" *
    doctest::skip(kSanitized)) {  // counts calls, whose memory other tests show
  const auto model = make_model(tiny_gguf({}), emulated_cuda(false));
  const auto actor = model->create_adapter({});
  const auto own = model->create_critic({});
  CriticOptions options;
  options.trunk = actor;
  const auto shared = model->create_critic(options);
  const OwnedBatch batch = tiny_batch({12, 8}, 50);
  const double tokens = batch.loss_tokens(), steps = static_cast<double>(batch.returns.size());
  const auto waits = [](const auto& pass) {
    const int64_t before = cuda::emulated::counted().waits;
    pass();
    return cuda::emulated::counted().waits - before;
  };
  CHECK(waits([&] { actor->accumulate_sft(batch.view(), tokens, nullptr); }) == 2);
  CHECK(waits([&] { actor->accumulate_policy(batch.view(), {.normalizer = tokens}, nullptr); }) == 2);
  CHECK(waits([&] { own->accumulate_value(batch.view(), steps, nullptr); }) == 2);
  PolicyOptions both{.normalizer = tokens};
  both.value = {shared.get(), steps, 0.1f};
  CHECK(waits([&] { actor->accumulate_policy(batch.view(), both, nullptr); }) == 4);  // two sets of gradients
  both.value.critic = own.get();
  CHECK(waits([&] { actor->accumulate_policy(batch.view(), both, nullptr); }) == 4);  // of two passes
}

TEST_CASE("what a pass takes from the device is what was planned") {
  for (const auto& [type, recompute, layers] :
       {std::tuple("bf16", "none", 1), std::tuple("Q8_0", "block", 1), std::tuple("Q8_0", "offload", 3)}) {
    CAPTURE(recompute);
    ModelOptions options;
    options.recompute = recompute;
    bench::Shape shape = bench::find_shape("tiny");
    shape.L = layers, shape.V = 96;
    const auto model = make_model(std::make_shared<bench::RandomGguf>(shape, type, 1), emulated_cuda(false), options);
    const auto actor = model->create_adapter({});
    const OwnedBatch batch = tiny_batch({20, 12}, shape.V);
    const MemoryPlan plan = actor->plan({32, 2, 20, static_cast<int64_t>(batch.loss_tokens()), 0});
    const auto planned = static_cast<double>(plan.activations + plan.workspace - int64_t{cuda::Products::kWorkspace});
    CHECK(plan.recompute == recompute);
    cuda::emulated::Counted& counted = cuda::emulated::counted();
    const int64_t before = counted.peak = counted.held;
    actor->accumulate_policy(batch.view(), {.normalizer = batch.loss_tokens()}, nullptr);
    const auto took = static_cast<double>(counted.peak - before);
    CAPTURE(planned);
    CHECK(took < 1.05 * planned);
    CHECK(took > 0.9 * planned);
    CHECK(cuda::emulated::pinned().held == plan.host);
  }
}

TEST_CASE(
    "a device whose memory others have taken: the plan's numbers, and the handle works when there is some again") {
  const auto model = make_model(tiny_gguf({}), emulated_cuda(false));
  const auto adapter = model->create_adapter({});
  const OwnedBatch batch = tiny_batch({12, 8}, 50);
  const auto accumulate = [&] { adapter->accumulate_sft(batch.view(), batch.loss_tokens(), nullptr); };
  adapter->plan({20, 2, 12, 8, 0});  // makes the table of rotary angles
  cuda::emulated::Counted& counted = cuda::emulated::counted();
  counted.most_allocations = counted.allocations;
  const Thrown refused = thrown(accumulate);
  counted.most_allocations = INT64_MAX;
  CHECK(refused.code == "out_of_memory");
  CHECK(refused.message.find("a pass over 20 tokens") != std::string::npos);
  CHECK(refused.message.find("activations") != std::string::npos);
  for (const NamedTensor& t : adapter->tensors(true)) {
    CHECK(std::all_of(t.data.begin(), t.data.end(), [](float x) { return x == 0; }));
  }
  CHECK_NOTHROW(accumulate());
}

}  // namespace spark_test
