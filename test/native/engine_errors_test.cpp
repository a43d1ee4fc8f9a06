// What the engine says when a file, a batch or an argument is wrong, and that nothing changes when a call fails.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <limits>

#include "cancelling_backend.h"
#include "factory.h"
#include "support.h"
#include "tiny_model.h"

using namespace spark;
using namespace spark_test;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

void check_field(const Thrown& t, const std::string& field, const std::string& got) {
  CAPTURE(t.message);
  CHECK(t.code == "invalid_argument");
  CHECK(t.says("batch." + field));
  CHECK(t.says("expected"));
  CHECK(t.says("got " + got));
}

}  // namespace

TEST_CASE("every rule of a batch is checked, by the name of its field") {
  auto model = tiny_model();
  auto adapter = model->create_adapter({});
  auto critic = model->create_critic({});
  const OwnedBatch good = tiny_batch({12, 9}, 50);
  const auto sft = [&](const std::function<void(OwnedBatch&)>& damage) {
    OwnedBatch bad = good;
    damage(bad);
    return thrown([&] { adapter->accumulate_sft(bad.view(), 1, nullptr); });
  };
  const auto policy = [&](const std::function<void(OwnedBatch&)>& damage) {
    OwnedBatch bad = good;
    damage(bad);
    PolicyOptions options;
    options.step_ratio = true;
    return thrown([&] { adapter->accumulate_policy(bad.view(), options, nullptr); });
  };
  const auto value = [&](const std::function<void(OwnedBatch&)>& damage) {
    OwnedBatch bad = good;
    damage(bad);
    return thrown([&] { critic->accumulate_value(bad.view(), 1, nullptr); });
  };
  check_field(sft([](OwnedBatch& b) { b.tokens[3] = 50; }), "tokens[3]", "50");
  check_field(sft([](OwnedBatch& b) { b.tokens[3] = -1; }), "tokens[3]", "-1");
  check_field(sft([](OwnedBatch& b) { b.cu_seqlens = {}; }), "cuSeqlens", "none");
  check_field(sft([](OwnedBatch& b) { b.cu_seqlens[0] = 1; }), "cuSeqlens[0]", "1");
  check_field(sft([](OwnedBatch& b) { b.cu_seqlens = {0, 12, 12, 21}; }), "cuSeqlens[2]", "12");
  check_field(sft([](OwnedBatch& b) { b.cu_seqlens[2] = 22; }), "cuSeqlens[2]", "22");
  check_field(sft([](OwnedBatch& b) { b.cu_seqlens[2] = 20; }), "cuSeqlens[2]", "20");
  check_field(sft([](OwnedBatch& b) { b.loss_mask.pop_back(); }), "lossMask", "20");
  check_field(sft([](OwnedBatch& b) { b.loss_mask[4] = 2; }), "lossMask[4]", "2");
  check_field(sft([](OwnedBatch& b) { b.loss_mask[12] = 1; }), "lossMask[12]", "1");
  check_field(policy([](OwnedBatch& b) { b.old_logprobs.clear(); }), "oldLogprobs", "0");
  check_field(policy([](OwnedBatch& b) { b.old_logprobs[2] = kNaN; }), "oldLogprobs[2]", "nan");
  check_field(policy([](OwnedBatch& b) { b.ref_logprobs[2] = kNaN; }), "refLogprobs[2]", "nan");
  check_field(policy([](OwnedBatch& b) { b.advantages[2] = -std::numeric_limits<float>::infinity(); }), "advantages[2]",
              "-inf");
  check_field(policy([](OwnedBatch& b) { b.step_ids.pop_back(); }), "stepIds", "20");
  check_field(policy([](OwnedBatch& b) { b.step_ids[14] = b.step_ids[2]; }), "stepIds[14]", "1");
  check_field(value([](OwnedBatch& b) { b.value_positions[0] = -1; }), "valuePositions[0]", "-1");
  check_field(value([](OwnedBatch& b) { b.value_positions.back() = 21; }), "valuePositions[4]", "21");
  check_field(value([](OwnedBatch& b) { b.value_positions[1] = 1; }), "valuePositions[1]", "1");
  check_field(value([](OwnedBatch& b) { b.returns.pop_back(); }), "returns", "4");
  check_field(value([](OwnedBatch& b) { b.returns[1] = kNaN; }), "returns[1]", "nan");
  // Values where nothing reads them may be anything.
  CHECK(policy([](OwnedBatch& b) { b.old_logprobs[0] = kNaN; }).code == "nothing thrown");
  CHECK(sft([](OwnedBatch& b) { b.old_logprobs.clear(); }).code == "nothing thrown");
}

TEST_CASE("a sequence longer than the context is refused") {
  TinyShape shape;
  shape.context = 16;
  const OwnedBatch batch = tiny_batch({5, 17}, 50);
  const Thrown t = thrown([&] { tiny_model(shape)->logprobs(batch.view(), nullptr, nullptr); });
  CHECK(t.code == "context_overflow");
  CHECK(t.says("sequence 1"));
}

TEST_CASE("a batch without losses, and one without sequences, is nothing to do") {
  auto model = tiny_model();
  OwnedBatch batch = tiny_batch({2}, 50);
  CHECK(model->logprobs(batch.view(), nullptr, nullptr) == std::vector<float>{0, 0});
  CHECK(model->create_adapter({})->accumulate_sft(batch.view(), 1, nullptr).tokens == 0);
  const OwnedBatch empty;
  CHECK(model->logprobs(empty.view(), nullptr, nullptr).empty());
  CHECK(model->create_critic({})->values(empty.view(), nullptr).empty());
  CHECK(model->create_critic({})->accumulate_value(empty.view(), 1, nullptr).count == 0);
}

TEST_CASE("arguments are checked") {
  auto model = tiny_model();
  const OwnedBatch batch = tiny_batch({9}, 50);
  const auto code = [](auto&& f) { return thrown(f).code; };
  auto adapter = model->create_adapter({});
  const auto lora = [](auto&& change) {
    LoraOptions options;
    change(options);
    return options;
  };
  for (const LoraOptions& bad :
       {lora([](LoraOptions& o) { o.rank = 0; }), lora([](LoraOptions& o) { o.rank = 5000; }),
        lora([](LoraOptions& o) { o.alpha = kNaN; }), lora([](LoraOptions& o) { o.targets = {}; }),
        lora([](LoraOptions& o) { o.targets = {"q", "lm_head"}; }),
        lora([](LoraOptions& o) { o.targets = {"q", "q"}; })}) {
    CHECK(code([&] { model->create_adapter(bad); }) == "invalid_argument");
  }
  CriticOptions critic;
  critic.hidden = -1;
  CHECK(code([&] { model->create_critic(critic); }) == "invalid_argument");
  for (const double bad : {0.0, -1.0, 1.0 * kNaN}) {
    CHECK(code([&] { adapter->accumulate_sft(batch.view(), bad, nullptr); }) == "invalid_argument");
  }
  CHECK(code([&] { adapter->optimizer_step({.learning_rate = kNaN}); }) == "invalid_argument");
  CHECK(code([&] { adapter->optimizer_step({.learning_rate = -1}); }) == "invalid_argument");
  CHECK(code([&] { make_backend("tpu", 0); }) == "invalid_argument");
  CHECK(code([&] { make_backend("cuda", 0, "f32"); }) == "unsupported_compute");
  CHECK(code([&] { make_backend("cpu", 0, "auto", 1); }) == "invalid_argument");
  CHECK(code([&] { make_backend("cpu", 0, "auto", -1); }) == "invalid_argument");
  // Not the CPU in its place: a device was asked for that is not there.
  CHECK(code([&] { make_backend("auto", 0, "auto", 999); }) == "backend_unavailable");
  auto stranger = tiny_model()->create_adapter({});
  CHECK(code([&] { model->logprobs(batch.view(), stranger.get(), nullptr); }) == "adapter_mismatch");
}

TEST_CASE("a model that is not what we compute is refused by the name of what is wrong") {
  const auto open = [](const std::function<void(MemoryGguf&)>& damage) {
    auto file = tiny_gguf({});
    damage(*file);
    return thrown([&] { make_model(file, std::make_unique<CpuBackend>(1)); });
  };
  const auto check = [](const Thrown& t, const std::string& code, const std::string& name) {
    CAPTURE(t.message);
    CHECK(t.code == code);
    CHECK(t.says(name));
  };
  check(open([](MemoryGguf& f) { f.strings["general.architecture"] = "gemma3"; }), "unsupported_file",
        "expected llama, qwen2 or qwen3, got gemma3");
  check(open([](MemoryGguf& f) { f.remove("blk.1.ffn_up.weight"); }), "invalid_file", "blk.1.ffn_up.weight");
  check(open([](MemoryGguf& f) { f.add("blk.0.attn_k.weight", {5, 24}, std::vector<float>(120)); }), "invalid_file",
        "blk.0.attn_k.weight: expected shape (6, 24), got (5, 24)");
  check(open([](MemoryGguf& f) { f.add("blk.0.ffn_up.bias", {40}, std::vector<float>(40)); }), "unsupported_file",
        "blk.0.ffn_up.bias");
  check(open([](MemoryGguf& f) { f.add("rope_freqs.weight", {2}, {1, 1}); }), "invalid_file", "rope_freqs.weight");
  check(open([](MemoryGguf& f) { f.add("rope_freqs.weight", {3}, {1, 0, 1}); }), "invalid_file", "rope_freqs.weight");
  check(open([](MemoryGguf& f) { f.remove("token_embd.weight"); }), "invalid_file", "token_embd.weight");
  check(open([](MemoryGguf& f) { f.ints["llama.attention.head_count_kv"] = 3; }), "invalid_file", "head_count_kv");
  check(open([](MemoryGguf& f) { f.ints["llama.block_count"] = 0; }), "invalid_file", "llama.block_count");
  check(open([](MemoryGguf& f) { f.ints["llama.embedding_length"] = int64_t{1} << 60; }), "invalid_file",
        "embedding_length");
  check(open([](MemoryGguf& f) { f.strings["llama.rope.scaling.type"] = "yarn"; }), "unsupported_file", "yarn");
  check(open([](MemoryGguf& f) { f.floats["llama.attention.layer_norm_rms_epsilon"] = kNaN; }), "invalid_file",
        "epsilon");
  check(open([](MemoryGguf& f) { f.ints["llama.expert_count"] = 8; }), "unsupported_file", "expert_count");
  // Each of these llama.cpp refuses or aborts over.
  check(open([](MemoryGguf& f) { f.ints["llama.block_count"] = 513; }), "invalid_file", "block_count");
  check(open([](MemoryGguf& f) { f.ints["llama.block_count"] = 1; }), "invalid_file",
        "blk.1.attn_norm.weight: expected only tensors of a llama of 1 blocks");
  check(open([](MemoryGguf& f) { f.add("more.weight", {4}, {1, 1, 1, 1}); }), "invalid_file", "more.weight");
  check(open([](MemoryGguf& f) { f.add("blk.0.attn_q.scale", {1}, {2}); }), "unsupported_file", "blk.0.attn_q.scale");
  check(open([](MemoryGguf& f) { f.ints["llama.rope.dimension_count"] = 4; }), "invalid_file", "rope.dimension_count");
  check(open([](MemoryGguf& f) {
          f.ints["llama.attention.key_length"] = 3, f.ints.erase("llama.attention.value_length");
        }),
        "unsupported_file", "value_length: expected the key length 3, got 6");
  check(open([](MemoryGguf& f) { f.strings["llama.rope.scaling.type"] = ""; }), "invalid_file", "rope.scaling.type");
  check(open([](MemoryGguf& f) { f.floats.erase("llama.attention.layer_norm_rms_epsilon"); }), "invalid_file",
        "epsilon: expected a positive number, got none");
  check(open([](MemoryGguf& f) { f.ints["llama.nextn_predict_layers"] = 1; }), "unsupported_file", "nextn_predict");
  check(open([](MemoryGguf& f) { f.ints["llama.expert_used_count"] = 1; }), "unsupported_file", "expert_used_count");
  check(open([](MemoryGguf& f) { f.ints["llama.expert_group_count"] = 1; }), "unsupported_file", "expert_group_count");
  check(open([](MemoryGguf& f) { f.floats["llama.rope.scaling.attn_factor"] = 2; }), "unsupported_file", "attn_factor");
  check(open([](MemoryGguf& f) { f.narrow("blk.0.attn_norm.weight"); }), "invalid_file",
        "blk.0.attn_norm.weight: expected F32, as every vector has it, got F16");
}

TEST_CASE("rope scaling without a type is linear, and `none` scales nothing") {
  const OwnedBatch batch = tiny_batch({30}, 50);
  const auto lp = [&](const char* type) {
    auto file = tiny_gguf({});
    if (type) file->strings["llama.rope.scaling.type"] = type;
    file->floats["llama.rope.scaling.factor"] = 4;
    return make_model(file, std::make_unique<CpuBackend>(1))->logprobs(batch.view(), nullptr, nullptr);
  };
  CHECK(lp(nullptr) == lp("linear"));
  CHECK(lp("none") != lp("linear"));
  CHECK(lp("none") == tiny_model({}, 1)->logprobs(batch.view(), nullptr, nullptr));
}

TEST_CASE("linear rope scaling divides positions") {
  auto plain = tiny_gguf({}), scaled = tiny_gguf({});
  scaled->strings["llama.rope.scaling.type"] = "linear";
  scaled->floats["llama.rope.scaling.factor"] = 4;
  plain->floats["llama.rope.freq_base"] = 10000;
  // The same turn through rope_freqs.weight.
  plain->add("rope_freqs.weight", {3}, {4, 4, 4});
  const OwnedBatch batch = tiny_batch({30}, 50);
  const auto lp = [&](auto file) {
    return make_model(file, std::make_unique<CpuBackend>(1))->logprobs(batch.view(), nullptr, nullptr);
  };
  CHECK(lp(plain) == lp(scaled));
  CHECK(lp(plain) != lp(tiny_gguf({})));
}

TEST_CASE("a cancelled or failed call leaves gradients and weights as they were") {
  std::atomic<bool> cancel = false;
  auto own = std::make_unique<CancellingCpu>(&cancel);
  CancellingCpu& backend = *own;
  auto model = make_model(tiny_gguf({}), std::move(own));
  const OwnedBatch batch = tiny_batch({20, 20}, 50);
  auto adapter = model->create_adapter({});
  auto critic = model->create_critic({});
  adapter->accumulate_sft(batch.view(), 10, &cancel);
  critic->accumulate_value(batch.view(), 10, &cancel);
  const auto gradient = adapter->tensors(true), value_gradient = critic->tensors(true);
  backend.armed = true;
  const auto interrupted = [&](auto&& call) {
    CHECK(thrown(call).code == "interrupted");
    CHECK(cancel);
    cancel = false;
  };
  interrupted([&] { adapter->accumulate_sft(batch.view(), 10, &cancel); });
  interrupted([&] { adapter->accumulate_policy(batch.view(), {}, &cancel); });
  interrupted([&] { critic->accumulate_value(batch.view(), 10, &cancel); });
  cancel = true;
  interrupted([&] { critic->values(batch.view(), &cancel); });
  cancel = true;
  interrupted([&] { model->logprobs(batch.view(), nullptr, &cancel); });
  // A ratio that overflows is found after the whole backward pass has run.
  OwnedBatch far = batch;
  far.old_logprobs[7] = -2000;
  const Thrown ratio = thrown([&] { adapter->accumulate_policy(far.view(), {}, nullptr); });
  CHECK(ratio.code == "not_finite");
  CHECK(ratio.says("packed position 7"));
  // A gradient that overflows names its tensor.
  OwnedBatch huge = batch;
  for (float& r : huge.returns) r = 3e38f;
  const Thrown overflow = thrown([&] { critic->accumulate_value(huge.view(), 1e-30, nullptr); });
  CHECK(overflow.code == "not_finite");
  CHECK(overflow.says("gradient of value_head"));
  for (size_t i = 0; i < gradient.size(); ++i) CHECK(adapter->tensors(true)[i].data == gradient[i].data);
  for (size_t i = 0; i < value_gradient.size(); ++i) CHECK(critic->tensors(true)[i].data == value_gradient[i].data);
}

TEST_CASE("a base weight that is not finite is named by what it spoils") {
  auto file = tiny_gguf({});
  std::vector<float> bad(40 * 24, 0.1f);
  bad[5] = kNaN;
  file->add("blk.1.ffn_up.weight", {40, 24}, bad);
  auto model = make_model(file, std::make_unique<CpuBackend>(2));
  const OwnedBatch batch = tiny_batch({9}, 50);
  const Thrown t = thrown([&] { model->create_adapter({})->accumulate_sft(batch.view(), 1, nullptr); });
  CHECK(t.code == "not_finite");
  CHECK(t.says("blk.1.ffn_up"));
}

TEST_CASE("a state of something else is refused and changes nothing") {
  const TemporaryDirectory folder;
  auto model = tiny_model();
  auto adapter = model->create_adapter({});
  const std::string path = folder.file("critic.safetensors");
  model->create_critic({})->save_state(path);
  CHECK(thrown([&] { adapter->load_state(path); }).code == "adapter_mismatch");
  LoraOptions options;
  options.targets = {"q", "v"};
  const std::string other = folder.file("other.safetensors");
  model->create_adapter(options)->save_state(other);
  const auto before = adapter->tensors(false);
  const Thrown t = thrown([&] { adapter->load_state(other); });
  CHECK(t.code == "adapter_mismatch");
  for (size_t i = 0; i < before.size(); ++i) CHECK(adapter->tensors(false)[i].data == before[i].data);
  write_bytes(folder.file("text"), "not a state");
  CHECK(thrown([&] { adapter->load_state(folder.file("text")); }).code == "invalid_file");
}
