#include "model/config.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace spark {

namespace {

// Far above any model, and small enough that products of two of them fit 64 bits.
constexpr int64_t kLargest = int64_t{1} << 28;

void require_range(const std::string& key, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return;
  throw Error("invalid_file", key + ": expected a number from " + std::to_string(low) + " to " + std::to_string(high) +
                                  ", got " + std::to_string(value));
}

int64_t size_of(const GgufFile& file, const std::string& key) {
  const int64_t value = file.require_int(key);
  require_range(key, value, 1, kLargest);
  return value;
}

// A number for all blocks, or one for each of them: llama.cpp takes both, we compute blocks of one size.
int64_t size_of_blocks(const GgufFile& file, const std::string& key, int64_t layers) {
  const auto array = file.array(key);
  if (!array) return size_of(file, key);
  if (array->element != GgufType::U32 && array->element != GgufType::I32) {
    throw Error("invalid_file", key + ": expected numbers of type u32 or i32, got " + gguf_type_name(array->element));
  }
  if (array->length != layers) {
    throw Error("invalid_file", key + ": expected a number for each of " + std::to_string(layers) + " blocks, got " +
                                    std::to_string(array->length));
  }
  int32_t first = 0;
  for (int64_t i = 0; i < layers; ++i) {
    int32_t value = 0;
    std::memcpy(&value, array->bytes.data() + static_cast<size_t>(i) * sizeof value, sizeof value);
    if (i == 0) first = value;
    if (value == first) continue;
    throw Error("unsupported_file", key + ": expected the same number for every block, got " + std::to_string(first) +
                                        " and, for block " + std::to_string(i) + ", " + std::to_string(value));
  }
  require_range(key, first, 1, kLargest);
  return first;
}

constexpr int64_t kMostLayers = 512;  // llama.cpp's own limit: it asserts it

double positive(const GgufFile& file, const std::string& key, double fallback) {
  const double value = file.get_float(key, fallback);
  if (std::isfinite(value) && value > 0) return value;
  throw Error("invalid_file", key + ": expected a positive number, got " + std::to_string(value));
}

// As llama.cpp has it: linear is the default, its factor has an older name, a factor of 0 is one of 1, and `none`
// scales nothing whatever the factor.
double read_rope_scale(const GgufFile& file, const std::string& prefix) {
  const std::string key = prefix + "rope.scaling.type", factor = prefix + "rope.scaling.factor";
  const std::string type = file.get_string(key, "linear");
  if (type == "none") return 1.0;
  if (type == "linear") {
    const std::string key_there = file.has(factor) ? factor : prefix + "rope.scale_linear";
    return file.get_float(key_there, 0.0) == 0.0 ? 1.0 : positive(file, key_there, 1.0);
  }
  const bool known = type == "yarn" || type == "longrope";
  throw Error(known ? "unsupported_file" : "invalid_file",
              key +
                  ": expected none or linear (Llama 3.1's own scaling comes as the tensor rope_freqs.weight and is "
                  "supported), got " +
                  type);
}

// What would change the result, or make llama.cpp refuse the file, in a model without the feature it belongs to.
void refuse_other_features(const GgufFile& file, const LlamaConfig& config, const std::string& prefix) {
  const std::pair<const char*, int64_t> numbers[] = {{"expert_count", 0},
                                                     {"expert_used_count", 0},
                                                     {"expert_group_count", 0},
                                                     {"nextn_predict_layers", 0},
                                                     {"embedding_length_out", config.width},
                                                     {"pooling_type", 0}};
  for (const auto& [name, expected] : numbers) {
    const int64_t value = file.get_int(prefix + name, expected);
    if (value == expected) continue;
    throw Error("unsupported_file", prefix + name + ": expected " + std::to_string(expected) +
                                        " (no mixture of experts, no prediction of several tokens, no embedding " +
                                        "model), got " + std::to_string(value));
  }
  if (!file.flag(prefix + "attention.causal").value_or(true)) {
    throw Error("unsupported_file", prefix + "attention.causal: expected true (a model that writes), got false");
  }
  const double factor = file.get_float(prefix + "rope.scaling.attn_factor", 1.0);
  if (factor == 1.0) return;
  throw Error("unsupported_file", prefix + "rope.scaling.attn_factor: expected 1, got " + std::to_string(factor));
}

void read_architecture(const GgufFile& file, LlamaConfig& config) {
  config.architecture = file.require_string("general.architecture");
  const bool qwen2 = config.architecture == "qwen2", qwen3 = config.architecture == "qwen3";
  if (config.architecture != "llama" && !qwen2 && !qwen3) {
    throw Error("unsupported_file", "general.architecture: expected llama, qwen2 or qwen3, got " + config.architecture +
                                        "; use a GGUF of one of these families");
  }
  config.qkv_bias = qwen2;
  config.qk_norm = qwen3;
  config.rope_halves = qwen2 || qwen3;
}

}  // namespace

LlamaConfig read_config(const GgufFile& file) {
  LlamaConfig config;
  read_architecture(file, config);
  const std::string prefix = config.architecture + ".";
  config.name = file.get_string("general.name", "");
  config.width = size_of(file, prefix + "embedding_length");
  config.layers = size_of(file, prefix + "block_count");
  require_range(prefix + "block_count", config.layers, 1, kMostLayers);
  config.feed_forward = size_of_blocks(file, prefix + "feed_forward_length", config.layers);
  config.context_length = size_of(file, prefix + "context_length");
  config.heads = size_of_blocks(file, prefix + "attention.head_count", config.layers);
  const std::string kv_heads = prefix + "attention.head_count_kv";
  config.kv_heads = file.has(kv_heads) ? size_of_blocks(file, kv_heads, config.layers) : config.heads;
  require_range(kv_heads, config.kv_heads, 1, config.heads);
  if (config.heads % config.kv_heads != 0) {
    throw Error("invalid_file", kv_heads + ": expected a divisor of head_count " + std::to_string(config.heads) +
                                    ", got " + std::to_string(config.kv_heads));
  }
  config.head_size = file.get_int(prefix + "attention.key_length", config.width / config.heads);
  require_range(prefix + "attention.key_length", config.head_size, 1, 1 << 12);
  const int64_t value_size = file.get_int(prefix + "attention.value_length", config.width / config.heads);
  if (value_size != config.head_size) {
    throw Error("unsupported_file", prefix + "attention.value_length: expected the key length " +
                                        std::to_string(config.head_size) + ", got " + std::to_string(value_size));
  }
  if (config.architecture == "qwen2" && config.q_width() != config.width) {
    throw Error("invalid_file", prefix + "attention.head_count: expected heads as wide together as the model, " +
                                    std::to_string(config.width) + ", got " + std::to_string(config.q_width()));
  }
  config.rotary = file.get_int(prefix + "rope.dimension_count", config.head_size);
  require_range(prefix + "rope.dimension_count", config.rotary, config.head_size, config.head_size);
  if (config.rotary % 2 != 0) {
    throw Error("invalid_file",
                prefix + "rope.dimension_count: expected an even number, got " + std::to_string(config.rotary));
  }
  refuse_other_features(file, config, prefix);
  config.rope_base = positive(file, prefix + "rope.freq_base", 10000.0);
  config.rope_scale = read_rope_scale(file, prefix);
  const std::string epsilon = prefix + "attention.layer_norm_rms_epsilon";
  if (!file.has(epsilon)) throw Error("invalid_file", epsilon + ": expected a positive number, got none");
  config.norm_epsilon = static_cast<float>(positive(file, epsilon, 0.0));
  return config;
}

}  // namespace spark
