// LoRA adapters on disk: both formats give back what was saved, PEFT in Hugging Face's row order; another model's
// adapter is refused with the tensor's name.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/gguf.h"
#include "core/safetensors.h"
#include "model/adapter_io.h"
#include "support.h"

using namespace spark;
using namespace spark_test;

namespace {

constexpr int kRank = 2;

LoraShapes shapes() {
  LoraShapes result;
  result.layers = 2;
  result.width = 8;
  result.heads = 2;
  result.kv_heads = 1;
  result.head_size = 4;
  result.feed_forward = 12;
  return result;
}

NamedTensor counted(const std::string& name, std::vector<int64_t> shape) {
  NamedTensor tensor{name, std::move(shape), {}};
  tensor.data.resize(static_cast<size_t>(tensor.shape[0] * tensor.shape[1]));
  for (size_t i = 0; i < tensor.data.size(); ++i) tensor.data[i] = static_cast<float>(i) + 0.25f * name.size();
  return tensor;
}

// As llama.cpp names them.
const std::map<std::string, std::string> kTensors = {{"q", "attn_q"},      {"k", "attn_k"},      {"v", "attn_v"},
                                                     {"o", "attn_output"}, {"gate", "ffn_gate"}, {"up", "ffn_up"},
                                                     {"down", "ffn_down"}};

LoraTensors adapter(const std::vector<std::string>& targets) {
  LoraTensors lora{kRank, 16.0f, targets, {}, {}};
  for (int layer = 0; layer < 2; ++layer) {
    for (const std::string& target : targets) {
      const std::string name = "blk." + std::to_string(layer) + "." + kTensors.at(target) + ".weight.lora_";
      const int64_t in = target == "down" ? 12 : 8;
      const int64_t out = target == "k" || target == "v" ? 4 : target == "gate" || target == "up" ? 12 : 8;
      lora.tensors.push_back(counted(name + "a", {kRank, in}));
      lora.tensors.push_back(counted(name + "b", {out, kRank}));
    }
  }
  return lora;
}

const std::vector<std::string> kAll = {"q", "k", "v", "o", "gate", "up", "down"};

void check_equal(const LoraTensors& actual, const LoraTensors& expected) {
  CHECK(actual.rank == expected.rank);
  CHECK(actual.alpha == expected.alpha);
  CHECK(actual.targets == expected.targets);
  REQUIRE(actual.tensors.size() == expected.tensors.size());
  for (size_t i = 0; i < actual.tensors.size(); ++i) {
    CHECK(actual.tensors[i].name == expected.tensors[i].name);
    CHECK(actual.tensors[i].shape == expected.tensors[i].shape);
    CHECK(actual.tensors[i].data == expected.tensors[i].data);
  }
}

}  // namespace

TEST_CASE("a GGUF adapter has llama.cpp's keys and reads back the same") {
  TemporaryDirectory dir;
  for (const auto& targets : {kAll, std::vector<std::string>{"q", "v"}}) {
    const std::string path = dir.file("a" + std::to_string(targets.size()) + ".gguf");
    const LoraTensors lora = adapter(targets);
    save_gguf_lora(path, lora, shapes());
    check_equal(load_lora(path, shapes()), lora);
    const auto file = GgufFile::open(path);
    CHECK(file->require_string("general.type") == "adapter");
    CHECK(file->require_string("general.architecture") == "llama");
    CHECK(file->require_string("adapter.type") == "lora");
    CHECK(file->get_float("adapter.lora.alpha", 0) == 16.0);
  }
}

TEST_CASE("a PEFT folder has Hugging Face's names and row order and reads back the same") {
  TemporaryDirectory dir;
  const std::string path = dir.file("peft");
  const LoraTensors lora = adapter(kAll);
  save_peft(path + "/", lora, shapes());
  CHECK(dir.entries() == 1);
  check_equal(load_lora(path, shapes()), lora);

  const auto config = nlohmann::json::parse(read_bytes(path + "/adapter_config.json"));
  CHECK(config["peft_type"] == "LORA");
  CHECK(config["r"] == kRank);
  CHECK(config["lora_alpha"] == 16);
  CHECK(config["target_modules"] ==
        nlohmann::json({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}));

  const auto file = SafetensorsFile::read(path + "/adapter_model.safetensors");
  CHECK(file.tensors.size() == 28);
  CHECK(file.tensors.at("base_model.model.model.layers.1.mlp.down_proj.lora_A.weight").shape ==
        std::vector<int64_t>{kRank, 12});
  // Interleaved pairs (0, 1), (2, 3) of each head of four become halves (0, 2), (1, 3): rows 0 2 1 3 | 4 6 5 7.
  const auto& q = file.tensors.at("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight");
  const auto& ours = lora.tensors[1];
  REQUIRE(ours.name == "blk.0.attn_q.weight.lora_b");
  const int order[] = {0, 2, 1, 3, 4, 6, 5, 7};
  for (int row = 0; row < 8; ++row) {
    for (int r = 0; r < kRank; ++r) CHECK(q.data[row * kRank + r] == ours.data[order[row] * kRank + r]);
  }
  // Only q and k are rotated.
  CHECK(file.tensors.at("base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight").data == lora.tensors[5].data);
}

TEST_CASE("nothing that exists is overwritten, nothing half-made stays") {
  TemporaryDirectory dir;
  const LoraTensors lora = adapter({"q"});
  save_gguf_lora(dir.file("a.gguf"), lora, shapes());
  save_peft(dir.file("peft"), lora, shapes());
  CHECK(thrown([&] { save_gguf_lora(dir.file("a.gguf"), lora, shapes()); }).code == "invalid_argument");
  CHECK(thrown([&] { save_peft(dir.file("peft"), lora, shapes()); }).code == "invalid_argument");
  CHECK(thrown([&] { save_peft(dir.file("a.gguf"), lora, shapes()); }).code == "invalid_argument");
  CHECK(thrown([&] { save_peft(dir.file("no/where"), lora, shapes()); }).code == "io_error");
  CHECK(dir.entries() == 2);
}

TEST_CASE("another model's adapter is refused with the tensor's name") {
  TemporaryDirectory dir;
  const std::string path = dir.file("a.gguf");
  save_gguf_lora(path, adapter(kAll), shapes());
  const auto refused = [&](const LoraShapes& other, const std::string& name) {
    const Thrown e = thrown([&] { load_lora(path, other); });
    CAPTURE(e.message);
    CHECK(e.code == "adapter_mismatch");
    CHECK(e.says(name));
  };
  LoraShapes other = shapes();
  other.width = 16;
  refused(other, "blk.0.attn_q.weight.lora_a: expected shape (2, 16), got (2, 8)");
  other = shapes();
  other.layers = 1;
  refused(other, "blk.1.");
  other = shapes();
  other.architecture = "qwen2";
  refused(other, "general.architecture");
}

TEST_CASE("a damaged set of tensors is refused on saving and loading alike") {
  TemporaryDirectory dir;
  const auto refused = [&](const LoraTensors& lora, const std::string& code, const std::string& name) {
    const Thrown e = thrown([&] { save_gguf_lora(dir.file("x.gguf"), lora, shapes()); });
    CAPTURE(e.message);
    CHECK(e.code == code);
    CHECK(e.says(name));
  };
  LoraTensors lora = adapter(kAll);
  lora.tensors.pop_back();
  refused(lora, "adapter_mismatch", "blk.1.ffn_down.weight.lora_b");
  lora = adapter(kAll);
  lora.tensors.push_back(lora.tensors[0]);
  refused(lora, "adapter_mismatch", "twice");
  lora = adapter(kAll);
  lora.tensors[3].name = "output.weight.lora_a";
  refused(lora, "adapter_mismatch", "blk.0.attn_k.weight.lora_b");
  lora = adapter(kAll);
  lora.tensors[2].data[1] = NAN;
  refused(lora, "not_finite", "blk.0.attn_k.weight.lora_a");
  lora = adapter(kAll);
  lora.alpha = 0;
  refused(lora, "unsupported_file", "alpha of blk.0.attn_q.weight");
  lora = adapter(kAll);
  lora.tensors[0].shape = {0, 8}, lora.tensors[0].data.clear();
  refused(lora, "adapter_mismatch", "blk.0.attn_q.weight.lora_a: expected a rank of 1 to 1024, got shape (0, 8)");
  refused({kRank, 16, {}, {}, {}}, "adapter_mismatch", "expected LoRA tensors");
  CHECK(dir.entries() == 0);
}

TEST_CASE("GGUF files that are no LoRA adapter") {
  TemporaryDirectory dir;
  const auto refused = [&](GgufWriter writer, const std::string& code, const std::string& says) {
    const std::string path = dir.file(says + ".gguf");
    writer.write(path);
    const Thrown e = thrown([&] { load_lora(path, shapes()); });
    CHECK(e.code == code);
    CHECK(e.says(says));
  };
  const std::string llama = "llama", kind = "adapter", lora = "lora";
  refused({{{"general.architecture", llama}}, {}}, "adapter_mismatch", "general.type");
  refused({{{"general.type", kind}, {"general.architecture", llama}, {"adapter.type", std::string("control")}}, {}},
          "adapter_mismatch", "adapter.type");
  refused({{{"general.type", kind},
            {"general.architecture", llama},
            {"adapter.type", lora},
            {"adapter.lora.alpha", uint32_t{16}}},
           {}},
          "invalid_file", "adapter.lora.alpha");
  CHECK(thrown([&] { load_lora(dir.file("absent"), shapes()); }).code == "io_error");
}

TEST_CASE("PEFT settings we do not compute are refused, rsLoRA's scale is kept") {
  TemporaryDirectory dir;
  const LoraTensors lora = adapter({"q", "down"});
  save_peft(dir.file("p"), lora, shapes());
  const std::string path = dir.file("p") + "/adapter_config.json";
  const auto original = nlohmann::json::parse(read_bytes(path));
  const auto loading = [&](const char* key, const nlohmann::json& value) {
    auto config = original;
    config[key] = value;
    write_bytes(path, config.dump());
    return thrown([&] { load_lora(dir.file("p"), shapes()); });
  };
  CHECK(loading("use_dora", true).code == "unsupported_file");
  CHECK(loading("bias", "all").code == "unsupported_file");
  CHECK(loading("peft_type", "IA3").code == "unsupported_file");
  CHECK(loading("rank_pattern", {{"q_proj", 4}}).says("r of model.layers.0.self_attn.q_proj: expected 2"));
  CHECK(loading("rank_pattern", {{"q_proj", 2}, {"layers.0.self_attn.q_proj", 4}}).says("expected one pattern"));
  CHECK(loading("rank_pattern", {{"(a+)+", 2}}).says("simple patterns"));
  CHECK(loading("rank_pattern", {{"(?P<x>q_proj)", 2}}).says("simple patterns"));
  CHECK(loading("alpha_pattern", {{"q_proj", "x"}}).code == "invalid_file");
  CHECK(loading("alpha_pattern", {{"q_proj", 4}}).code == "nothing thrown");
  CHECK(load_lora(dir.file("p"), shapes()).weights[0] == LoraWeight{"blk.0.attn_q.weight", kRank, 4});
  CHECK(load_lora(dir.file("p"), shapes()).weights[1] == LoraWeight{"blk.0.ffn_down.weight", kRank, 16});
  CHECK(loading("modules_to_save", {"lm_head"}).code == "unsupported_file");
  CHECK(loading("modules_to_save", nullptr).code == "nothing thrown");
  CHECK(loading("rank_pattern", nlohmann::json::object()).code == "nothing thrown");
  CHECK(loading("r", "two").code == "invalid_file");
  CHECK(loading("r", 4).code == "adapter_mismatch");
  CHECK(loading("use_rslora", true).code == "nothing thrown");
  CHECK(load_lora(dir.file("p"), shapes()).alpha == doctest::Approx(16.0 * std::sqrt(2.0)));
  write_bytes(path, "{");
  CHECK(thrown([&] { load_lora(dir.file("p"), shapes()); }).code == "invalid_file");
  std::filesystem::remove(path);
  CHECK(thrown([&] { load_lora(dir.file("p"), shapes()); }).code == "io_error");
}

namespace {

// A GGUF adapter of these tensors: name, rows, columns.
void write_gguf(const std::string& path, float alpha, const std::vector<NamedTensor>& tensors) {
  GgufWriter writer{{{"general.type", std::string("adapter")},
                     {"general.architecture", std::string("llama")},
                     {"adapter.type", std::string("lora")}},
                    {}};
  writer.metadata["adapter.lora.alpha"] = alpha;
  for (const NamedTensor& tensor : tensors) writer.tensors.push_back({tensor.name, tensor.shape, tensor.data});
  writer.write(path);
}

}  // namespace

TEST_CASE("a GGUF of some weights with their own ranks, and llama.cpp's reading of alpha 0") {
  TemporaryDirectory dir;
  const std::vector<NamedTensor> tensors = {
      counted("blk.1.attn_v.weight.lora_a", {1, 8}), counted("blk.1.attn_v.weight.lora_b", {4, 1}),
      counted("blk.0.ffn_up.weight.lora_a", {3, 8}), counted("blk.0.ffn_up.weight.lora_b", {12, 3})};
  write_gguf(dir.file("a.gguf"), 6.0f, tensors);
  const LoraTensors lora = load_lora(dir.file("a.gguf"), shapes());
  CHECK(lora.weights == std::vector<LoraWeight>{{"blk.0.ffn_up.weight", 3, 6}, {"blk.1.attn_v.weight", 1, 6}});
  CHECK(lora.targets == std::vector<std::string>{"v", "up"});
  write_gguf(dir.file("0.gguf"), 0.0f, tensors);
  const LoraTensors ones = load_lora(dir.file("0.gguf"), shapes());
  for (const LoraWeight& weight : ones.weights) CHECK(weight.scale() == 1);
  save_gguf_lora(dir.file("1.gguf"), ones, shapes());
  CHECK(GgufFile::open(dir.file("1.gguf"))->get_float("adapter.lora.alpha", 9) == 0);
  check_equal(load_lora(dir.file("1.gguf"), shapes()), ones);
}

TEST_CASE("a GGUF has one alpha: the others are in lora_b") {
  TemporaryDirectory dir;
  LoraTensors lora = adapter({"q", "v", "down"});
  for (const NamedTensor& tensor : lora.tensors) {
    if (!tensor.name.ends_with("_a")) continue;
    const std::string weight = tensor.name.substr(0, tensor.name.size() - 7);
    lora.weights.push_back({weight, kRank, weight.find("attn_v") == std::string::npos ? 16.0f : 4.0f});
  }
  save_gguf_lora(dir.file("a.gguf"), lora, shapes());
  const LoraTensors back = load_lora(dir.file("a.gguf"), shapes());
  for (size_t i = 0; i < lora.tensors.size(); ++i) {
    const bool folded = lora.tensors[i].name.ends_with("attn_v.weight.lora_b");
    for (size_t j = 0; j < lora.tensors[i].data.size(); ++j) {
      CHECK(back.tensors[i].data[j] == (folded ? 0.25f : 1.0f) * lora.tensors[i].data[j]);
    }
  }
}

TEST_CASE("every other kind of adapter is refused by its name, with what to do") {
  TemporaryDirectory dir;
  save_peft(dir.file("p"), adapter({"q"}), shapes());
  const std::string path = dir.file("p") + "/adapter_config.json";
  const auto original = nlohmann::json::parse(read_bytes(path));
  const auto refused = [&](const char* key, const nlohmann::json& value, const char* what, const char* advice) {
    CAPTURE(key);
    auto config = original;
    config[key] = value;
    write_bytes(path, config.dump());
    const Thrown e = thrown([&] { load_lora(dir.file("p"), shapes()); });
    CAPTURE(e.message);
    CHECK(e.code == "unsupported_file");
    CHECK(e.says(what));
    CHECK(e.says(advice));
  };
  constexpr const char* kMerge = "merge_and_unload";
  for (const char* kind : {"ADALORA", "IA3", "OFT", "BOFT", "LN_TUNING", "POLY", "HRA", "XLORA", "NEW"}) {
    refused("peft_type", kind, kind, kMerge);
  }
  for (const char* kind : {"LOHA", "LOKR", "VERA", "RANDLORA"}) refused("peft_type", kind, kind, "save_as_lora");
  for (const char* kind : {"PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING"}) {
    refused("peft_type", kind, kind, "train a LoRA instead");
  }
  refused("use_dora", true, "DoRA", kMerge);
  refused("bias", "lora_only", "biases", kMerge);
  refused("lora_bias", true, "bias", kMerge);
  refused("modules_to_save", {"lm_head"}, "whole weights", kMerge);
  refused("trainable_token_indices", {5, 7}, "rows of the embedding", kMerge);
  refused("layer_replication", {{0, 2}}, "more than once", kMerge);
  refused("target_parameters", {"experts.gate"}, "bare parameters", kMerge);
  refused("alora_invocation_tokens", {1, 2}, "aLoRA", "train a LoRA");
  refused("use_qalora", true, "QALoRA", kMerge);
  refused("loftq_config", {{"loftq_bits", 4}}, "LoftQ", "path_initial_model_for_weight_conversion");
  refused("init_lora_weights", "pissa_niter_4", "changing the base's weights",
          "path_initial_model_for_weight_conversion");
  refused("a_new_setting", 3, "does not know", "remove it");
  // What changes nothing.
  for (const auto& [key, value] : std::map<std::string, nlohmann::json>{{"layers_to_transform", {0, 1}},
                                                                        {"target_modules", ".*q_proj"},
                                                                        {"fan_in_fan_out", true},
                                                                        {"lora_dropout", 0.1},
                                                                        {"init_lora_weights", "gaussian"},
                                                                        {"a_new_setting", nullptr}}) {
    CAPTURE(key);
    auto config = original;
    config[key] = value;
    write_bytes(path, config.dump());
    CHECK(thrown([&] { load_lora(dir.file("p"), shapes()); }).code == "nothing thrown");
  }
}

TEST_CASE("tensors of a PEFT folder: what trainers write into names, and what is no LoRA of a projection") {
  TemporaryDirectory dir;
  save_peft(dir.file("p"), adapter({"q", "v"}), shapes());
  const std::string weights = dir.file("p") + "/adapter_model.safetensors";
  const LoraTensors expected = load_lora(dir.file("p"), shapes());
  const SafetensorsFile original = SafetensorsFile::read(weights);
  const std::string module = "base_model.model.model.layers.0.self_attn.q_proj.lora_";
  const auto written = [&](const auto& rename, const std::vector<NamedTensor>& more) {
    SafetensorsWriter writer;
    std::map<std::string, SafetensorsFile::Entry> tensors;
    for (const auto& [name, entry] : original.tensors) tensors[rename(name)] = entry;
    for (const auto& [name, entry] : tensors) writer.tensors.push_back({name, entry.shape, entry.data});
    for (const NamedTensor& tensor : more) writer.tensors.push_back({tensor.name, tensor.shape, tensor.data});
    writer.write(weights, true);
  };
  const auto same = [](const std::string& name) { return name; };
  written([](std::string name) { return name.replace(name.find(".weight"), 7, ".default.weight"); }, {});
  check_equal(load_lora(dir.file("p"), shapes()), expected);
  written([](std::string name) { return name.insert(name.find("layers."), "_orig_mod."); }, {});
  check_equal(load_lora(dir.file("p"), shapes()), expected);
  written(same, {counted(module + "A.default.weight", {kRank, 8})});
  CHECK(thrown([&] { load_lora(dir.file("p"), shapes()); }).says("expected one adapter, got two"));

  const auto refused = [&](const std::string& name, const char* code, const char* says) {
    CAPTURE(name);
    written(same, {counted(name, {kRank, 8})});
    const Thrown e = thrown([&] { load_lora(dir.file("p"), shapes()); });
    CAPTURE(e.message);
    CHECK(e.code == code);
    CHECK(e.says(name));
    CHECK(e.says(says));
  };
  const std::string model = "base_model.model.model.";
  refused(model + "layers.0.self_attn.q_proj.lora_magnitude_vector", "unsupported_file", "DoRA");
  refused(model + "layers.0.self_attn.q_proj.lora_B.bias", "unsupported_file", "lora_bias");
  refused(model + "layers.0.input_layernorm.weight", "unsupported_file", "norm");
  refused(model + "layers.0.self_attn.q_proj.bias", "unsupported_file", "bias");
  refused(model + "embed_tokens.weight", "unsupported_file", "a whole weight");
  refused(model + "layers.7.self_attn.q_proj.lora_A.weight", "adapter_mismatch", "layers 0 to 1");
}

TEST_CASE("a PEFT adapter by the names of its files, and one whose tensors are pickled") {
  TemporaryDirectory dir;
  const std::string folder = dir.file("p"), weights = folder + "/adapter_model.safetensors";
  const LoraTensors lora = adapter({"q"});
  save_peft(folder, lora, shapes());
  check_equal(load_lora(weights, shapes()), load_lora(folder, shapes()));
  check_equal(load_lora(folder + "/adapter_config.json", shapes()), load_lora(folder, shapes()));
  std::filesystem::remove(weights);
  CHECK(thrown([&] { load_lora(folder, shapes()); }).says("adapter_model.safetensors: expected a PEFT folder"));
  write_bytes(folder + "/adapter_model.bin", "x");
  const Thrown e = thrown([&] { load_lora(folder, shapes()); });
  CHECK(e.code == "unsupported_file");
  CHECK(e.says("safe_serialization"));
}

TEST_CASE("an activated LoRA of llama.cpp is refused") {
  TemporaryDirectory dir;
  const std::string path = dir.file("a.gguf");
  GgufWriter writer{{{"general.type", std::string("adapter")},
                     {"general.architecture", std::string("llama")},
                     {"adapter.type", std::string("lora")},
                     {"adapter.lora.alpha", 4.0f},
                     {"adapter.alora.invocation_tokens", std::string("1 2")}},
                    {}};
  writer.write(path);
  const Thrown e = thrown([&] { load_lora(path, shapes()); });
  CHECK(e.code == "unsupported_file");
  CHECK(e.says("aLoRA"));
}
