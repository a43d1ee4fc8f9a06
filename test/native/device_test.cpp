// What only a real device can show: models side by side, memory that runs out, training that is interrupted, and a
// fault. Without a device each case says why it is skipped; SPARK_TEST_BACKENDS=cuda makes its absence a failure.
#include <algorithm>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "backends.h"
#include "support.h"
#include "tiny_model.h"
#include "train/model.h"

namespace spark_test {

using namespace spark;

namespace {

// f(a backend of the device), where there is one.
void on_device(const std::function<void(std::unique_ptr<Backend>)>& f) {
  each_tested([&](const TestedBackend& tested) {
    if (tested.name == "cuda") f(tested.make());
  });
}

std::shared_ptr<Model> open_model(uint64_t seed) { return make_model(tiny_gguf({}, seed), make_cuda_backend(0)); }

// The losses of some steps of a new adapter, or of `adapter`.
std::vector<double> trained(Model& model, int steps, std::shared_ptr<Adapter> adapter = nullptr) {
  if (!adapter) adapter = model.create_adapter({});
  const OwnedBatch batch = tiny_batch({12, 8}, 50);
  std::vector<double> losses;
  for (int i = 0; i < steps; ++i) {
    losses.push_back(adapter->accumulate_sft(batch.view(), batch.loss_tokens(), nullptr).loss_sum);
    adapter->optimizer_step({.learning_rate = 1e-2f});
  }
  return losses;
}

}  // namespace

TEST_CASE("device: two models with two adapters, at the same time, compute what each computes alone") {
  on_device([](std::unique_ptr<Backend> own) {
    own.reset();
    constexpr int kSteps = 20;
    const std::shared_ptr<Model> models[] = {open_model(1), open_model(2)};
    const std::vector<double> alone[] = {trained(*models[0], kSteps), trained(*models[1], kSteps)};
    CHECK(alone[0] != alone[1]);
    CHECK(alone[0].back() < alone[0].front());
    std::vector<double> together[2];
    std::thread threads[2];
    for (int i = 0; i < 2; ++i) threads[i] = std::thread([&, i] { together[i] = trained(*models[i], kSteps); });
    for (std::thread& thread : threads) thread.join();
    CHECK(together[0] == alone[0]);
    CHECK(together[1] == alone[1]);
    // Two adapters of one model, step by step in turn.
    const auto first = models[0]->create_adapter({}), second = models[0]->create_adapter({});
    std::vector<double> turns[2];
    for (int i = 0; i < kSteps; ++i) {
      turns[0].push_back(trained(*models[0], 1, first)[0]);
      turns[1].push_back(trained(*models[0], 1, second)[0]);
    }
    CHECK(turns[0] == alone[0]);
    CHECK(turns[1] == alone[0]);
  });
}

TEST_CASE("device: more memory than it has is refused with numbers, and what was there goes on") {
  on_device([](std::unique_ptr<Backend> own) {
    const std::shared_ptr<Model> model = open_model(1);
    const std::vector<double> before = trained(*model, 3);
    const Thrown refused = thrown([&] { own->allocate(size_t{1} << 45); });
    CHECK(refused.code == "out_of_memory");
    CHECK(refused.message.find("expected 33554432 MiB of free device memory, got") != std::string::npos);
    CHECK(trained(*model, 3) == before);
    ModelOptions tight;
    tight.memory_limit = 1 << 20;
    const auto small = make_model(tiny_gguf({}), make_cuda_backend(0), tight);
    CHECK(thrown([&] { trained(*small, 1); }).code == "memory_limit");
  });
}

TEST_CASE("device: interrupted and resumed is what it would have been") {
  on_device([](std::unique_ptr<Backend> own) {
    own.reset();
    const TemporaryDirectory folder;
    const std::shared_ptr<Model> model = open_model(1);
    const std::vector<double> whole = trained(*model, 12);
    const auto adapter = model->create_adapter({});
    std::vector<double> parts = trained(*model, 5, adapter);
    adapter->save_state(folder.file("state"));
    const std::shared_ptr<Model> later = open_model(1);
    const auto resumed = later->create_adapter({});
    resumed->load_state(folder.file("state"));
    const std::vector<double> rest = trained(*later, 7, resumed);
    parts.insert(parts.end(), rest.begin(), rest.end());
    CHECK(parts == whole);
  });
}

// The last one of its process: afterwards nothing works on the device any more.
TEST_CASE("device: after a fault every call says that the device is lost, and the process lives") {
  on_device([](std::unique_ptr<Backend> own) {
    const std::shared_ptr<Model> model = open_model(1);
    trained(*model, 1);
    auto* nowhere = reinterpret_cast<float*>(uintptr_t{1} << 46);
    const Thrown first = thrown([&] {
      own->fill(nowhere, 1, 256);
      trained(*model, 1);
    });
    CHECK(first.code == "device_lost");
    MESSAGE(first.message);
    CHECK(thrown([&] { trained(*model, 1); }).code == "device_lost");
    CHECK(thrown([] { open_model(1); }).code == "device_lost");
  });
}

}  // namespace spark_test
