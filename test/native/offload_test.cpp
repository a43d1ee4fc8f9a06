// Block inputs in host memory (recompute offload) on the CUDA backend, emulated: copies beside the ops, at the earliest
// and at the latest that a device might do them.
#include <atomic>
#include <limits>

#include "backends.h"
#include "directions.h"
#include "emulated/streams.h"
#include "offloading_backend.h"
#include "support.h"
#include "tiny_model.h"

namespace spark_test {

using namespace spark;

namespace {

// Enough layers for both buffers of block inputs to be used again; small otherwise, as every thread is run.
constexpr TinyShape kDeep{.width = 16, .layers = 4, .heads = 1, .head_size = 8, .feed_forward = 24};
constexpr int64_t kAway = kDeep.layers - 1;  // inputs that travel: the last stays

std::shared_ptr<Model> open(const std::string& recompute, std::shared_ptr<MemoryGguf> file = tiny_gguf(kDeep)) {
  ModelOptions options;
  options.recompute = recompute;
  return make_model(std::move(file), emulated_cuda(false), options);
}

// An actor, a critic of its own and one over the actor's trunk; nothing is zero.
struct Trained {
  std::shared_ptr<Model> model;
  std::shared_ptr<Adapter> actor = model->create_adapter(small_lora());
  std::shared_ptr<Critic> own, over;
  OwnedBatch batch = tiny_batch({12}, 50);

  explicit Trained(const std::string& recompute) : model(open(recompute)) {
    CriticOptions options;
    options.hidden = 9;
    own = model->create_critic(options);
    options.trunk = actor;
    over = model->create_critic(options);
    pass();
    for (Trainable* t : all()) t->optimizer_step({.learning_rate = 0.05f});
  }
  std::vector<Trainable*> all() const { return {actor.get(), own.get(), over.get()}; }
  void pass() const {
    PolicyOptions options;
    options.value = {over.get(), 1, 0.5f};
    actor->accumulate_policy(batch.view(), options, nullptr);
    own->accumulate_value(batch.view(), 1, nullptr);
  }
  // Of the pass, which is forgotten.
  std::vector<float> gradients() const {
    std::vector<float> values;
    for (Trainable* t : all()) {
      for (const NamedTensor& tensor : t->tensors(true)) {
        values.insert(values.end(), tensor.data.begin(), tensor.data.end());
      }
      t->zero_grad();
    }
    return values;
  }
};

// f with copies at once, and with late ones.
void each_order(const std::function<void()>& f) {
  for (const bool late : {false, true}) {
    CAPTURE(late);
    cuda::emulated::late_copies(late);
    f();
  }
  cuda::emulated::late_copies(false);
}

}  // namespace

TEST_CASE("offloading changes no bit of a gradient, waits at a pass's end alone and takes memory once") {
  const Trained block("block");
  block.pass();
  const std::vector<float> expected = block.gradients();
  CHECK(std::any_of(expected.begin(), expected.end(), [](float x) { return x != 0; }));
  each_order([&] {
    const Trained trained("offload");
    // The first pass was when it was made: the slots hold something.
    const auto taken = [] {
      return std::pair(cuda::emulated::counted().allocations, cuda::emulated::pinned().allocations);
    };
    const auto before = taken();
    const int64_t waits = cuda::emulated::counted().waits;
    trained.pass();
    CHECK(cuda::emulated::counted().waits - waits == 6);  // log-probs, values of each, gradients of three
    CHECK(taken() == before);
    CHECK(trained.gradients() == expected);
  });
}

TEST_CASE("two block inputs are on the device, the others in pinned memory that goes with the model") {
  const int64_t before = cuda::emulated::pinned().held;
  {
    const BatchShape shape{20, 2, 12, 8, 0};
    const std::shared_ptr<Model> offloading = open("offload");
    const auto actor = offloading->create_adapter({});
    const MemoryPlan plan = actor->plan(shape), block = open("block")->create_adapter({})->plan(shape);
    const int64_t input = 20 * kDeep.width * 2;
    CHECK(plan.recompute == "offload");
    CHECK(plan.host == kAway * input);
    CHECK(block.host == 0);
    CHECK(block.activations - plan.activations >= (kDeep.layers - 2) * input);
    CHECK(cuda::emulated::pinned().held == before);  // a plan takes nothing
    const OwnedBatch batch = tiny_batch({12, 8}, 50);
    actor->accumulate_sft(batch.view(), 1, nullptr);
    CHECK(cuda::emulated::pinned().held == before + plan.host);
    // A larger batch has larger slots, a smaller one uses them.
    actor->accumulate_sft(tiny_batch({30}, 50).view(), 1, nullptr);
    actor->accumulate_sft(batch.view(), 1, nullptr);
    CHECK(cuda::emulated::pinned().held == before + plan.host / 20 * 30);
  }
  CHECK(cuda::emulated::pinned().held == before);
}

TEST_CASE("a pass that is cancelled between two copies changes nothing, nor the next one") {
  cuda::emulated::late_copies(true);  // those at once leave nothing under way
  const auto actor = open("offload")->create_adapter(small_lora());
  const OwnedBatch batch = tiny_batch({12}, 50);
  stir(*actor, batch);
  const auto gradients_of_pass = [&] {
    actor->accumulate_sft(batch.view(), 1, nullptr);
    auto gradients = actor->tensors(true);
    actor->zero_grad();
    std::vector<float> values;
    for (const NamedTensor& t : gradients) values.insert(values.end(), t.data.begin(), t.data.end());
    return values;
  };
  const std::vector<float> expected = gradients_of_pass();
  for (const int64_t last : {int64_t{2}, kAway + 1, kAway + 2, 2 * kAway}) {
    CAPTURE(last);
    std::atomic<bool> cancel = false;
    int64_t copies = 0;
    cuda::emulated::on_copy([&] { cancel = ++copies == last; });
    CHECK(thrown([&] { actor->accumulate_sft(batch.view(), 1, &cancel); }).code == "interrupted");
    cuda::emulated::on_copy(nullptr);
    CHECK(sum_of_squares(actor->tensors(true)) == 0);
    CHECK(gradients_of_pass() == expected);
  }
  cuda::emulated::late_copies(false);
}

TEST_CASE("without pinned memory the call says what to do, and works when there is some again") {
  const auto actor = open("offload")->create_adapter({});
  const OwnedBatch batch = tiny_batch({12, 8}, 50);
  cuda::emulated::Pinned& pinned = cuda::emulated::pinned();
  pinned.most_allocations = pinned.allocations + 2;
  const Thrown refused = thrown([&] { actor->accumulate_sft(batch.view(), 1, nullptr); });
  pinned.most_allocations = INT64_MAX;
  CHECK(refused.code == "out_of_memory");
  CHECK(refused.says("pinned host memory for the input of block 2"));
  CHECK(refused.says("recompute block"));
  CHECK_NOTHROW(actor->accumulate_sft(batch.view(), 1, nullptr));
}

TEST_CASE("a tensor that is not finite is named, wherever the block's input is") {
  for (const char* recompute : {"block", "offload"}) {
    for (const int64_t layer : {int64_t{1}, kDeep.layers - 1}) {
      CAPTURE(recompute);
      CAPTURE(layer);
      const auto file = tiny_gguf(kDeep);
      const std::string block = "blk." + std::to_string(layer);
      std::vector<float> bad(static_cast<size_t>(kDeep.feed_forward * kDeep.width), 0.1f);
      bad[5] = std::numeric_limits<float>::quiet_NaN();
      file->add(block + ".ffn_up.weight", {kDeep.feed_forward, kDeep.width}, bad);
      const auto actor = open(recompute, file)->create_adapter({});
      const OwnedBatch batch = tiny_batch({9}, 50);
      const Thrown t = thrown([&] { actor->accumulate_sft(batch.view(), 1, nullptr); });
      CHECK(t.code == "not_finite");
      CHECK(t.says("first bad tensor: " + block + ".ffn_down output"));
    }
  }
}

TEST_CASE("a backend whose memory is the host's plans and runs block for offload, and says so") {
  ModelOptions options;
  options.recompute = "offload";
  const auto model = make_model(tiny_gguf(kDeep), std::make_unique<CpuBackend>(2), options);
  const auto actor = model->create_adapter({});
  const MemoryPlan plan = actor->plan({20, 2, 12, 8, 0});
  CHECK(model->info().recompute == "offload");
  CHECK(plan.recompute == "block");
  CHECK(plan.host == 0);
  CHECK(actor->accumulate_sft(tiny_batch({12, 8}, 50).view(), 1, nullptr).tokens > 0);
  // auto does not try it either: too small a limit is refused with the numbers of block.
  options.recompute = "auto", options.memory_limit = plan.total - 1;
  const auto refusing = make_model(tiny_gguf(kDeep), std::make_unique<CpuBackend>(2), options)->create_adapter({});
  CHECK(refusing->plan({20, 2, 12, 8, 0}).recompute == "block");
  const CpuBackend plain(1);
  CHECK_FALSE(plain.offloads());
  CHECK(thrown([] { CpuBackend(1).settle(0); }).code == "internal");
}

}  // namespace spark_test
