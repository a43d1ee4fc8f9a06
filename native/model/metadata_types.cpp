// The type llama.cpp reads each metadata key as. It refuses a file in which one of these has another type, however well
// the value would convert.
#include "core/error.h"
#include "model/served.h"

namespace spark {

namespace {

struct Key {
  const char* name;
  GgufType type;
};

constexpr Key kGeneral[] = {
    {"general.architecture", GgufType::String},
    {"general.name", GgufType::String},
    {"general.file_type", GgufType::U32},
    {"split.no", GgufType::U16},
    {"split.count", GgufType::U16},
    {"general.type", GgufType::String},
    {"tokenizer.ggml.model", GgufType::String},
    {"tokenizer.ggml.pre", GgufType::String},
    {"tokenizer.ggml.token_type_count", GgufType::U32},
    {"tokenizer.ggml.bos_token_id", GgufType::U32},
    {"tokenizer.ggml.eos_token_id", GgufType::U32},
    {"tokenizer.ggml.eot_token_id", GgufType::U32},
    {"tokenizer.ggml.eom_token_id", GgufType::U32},
    {"tokenizer.ggml.unknown_token_id", GgufType::U32},
    {"tokenizer.ggml.seperator_token_id", GgufType::U32},  // spelt so in the format
    {"tokenizer.ggml.padding_token_id", GgufType::U32},
    {"tokenizer.ggml.mask_token_id", GgufType::U32},
    {"tokenizer.ggml.fim_pre_token_id", GgufType::U32},
    {"tokenizer.ggml.fim_suf_token_id", GgufType::U32},
    {"tokenizer.ggml.fim_mid_token_id", GgufType::U32},
    {"tokenizer.ggml.fim_pad_token_id", GgufType::U32},
    {"tokenizer.ggml.fim_rep_token_id", GgufType::U32},
    {"tokenizer.ggml.fim_sep_token_id", GgufType::U32},
    {"tokenizer.ggml.prefix_token_id", GgufType::U32},
    {"tokenizer.ggml.suffix_token_id", GgufType::U32},
    {"tokenizer.ggml.middle_token_id", GgufType::U32},
    {"tokenizer.ggml.add_bos_token", GgufType::Bool},
    {"tokenizer.ggml.add_eos_token", GgufType::Bool},
    {"tokenizer.ggml.add_sep_token", GgufType::Bool},
    {"tokenizer.ggml.add_space_prefix", GgufType::Bool},
    {"tokenizer.ggml.remove_extra_whitespaces", GgufType::Bool},
    {"tokenizer.ggml.normalizer.lowercase", GgufType::Bool},
    {"tokenizer.ggml.normalizer.strip_accents", GgufType::Bool},
};

// Behind the architecture's name and a dot.
constexpr Key kArchitecture[] = {
    {"vocab_size", GgufType::U32},
    {"context_length", GgufType::U32},
    {"embedding_length", GgufType::U32},
    {"embedding_length_out", GgufType::U32},
    {"block_count", GgufType::U32},
    {"nextn_predict_layers", GgufType::U32},
    {"expert_count", GgufType::U32},
    {"expert_used_count", GgufType::U32},
    {"expert_group_count", GgufType::U32},
    {"expert_group_used_count", GgufType::U32},
    {"pooling_type", GgufType::U32},
    {"attention.causal", GgufType::Bool},
    {"attention.key_length", GgufType::U32},
    {"attention.value_length", GgufType::U32},
    {"attention.key_length_swa", GgufType::U32},
    {"attention.value_length_swa", GgufType::U32},
    {"attention.layer_norm_rms_epsilon", GgufType::F32},
    {"rope.dimension_count", GgufType::U32},
    {"rope.dimension_count_swa", GgufType::U32},
    {"rope.freq_base", GgufType::F32},
    {"rope.scale_linear", GgufType::F32},
    {"rope.scaling.type", GgufType::String},
    {"rope.scaling.factor", GgufType::F32},
    {"rope.scaling.attn_factor", GgufType::F32},
    {"rope.scaling.alpha", GgufType::F32},
    {"rope.scaling.original_context_length", GgufType::U32},
    {"rope.scaling.finetuned", GgufType::Bool},
};

// Numbers of this type, or an array with one for each block, which the shape's reader looks at.
constexpr const char* kOfBlocks[] = {"feed_forward_length", "attention.head_count", "attention.head_count_kv"};

// Only when it is an array does it have to hold these.
constexpr Key kArrays[] = {{"classifier.output_labels", GgufType::String}};

void require_type(const GgufFile& file, const std::string& key, GgufType expected) {
  const std::optional<GgufType> type = file.type(key);
  if (!type || *type == expected) return;
  throw Error("invalid_file",
              file.path() + ": " + key + ": expected " + gguf_type_name(expected) + ", got " + gguf_type_name(*type));
}

}  // namespace

void check_metadata_types(const GgufFile& file, const std::string& architecture) {
  for (const Key& key : kGeneral) require_type(file, key.name, key.type);
  for (const Key& key : kArchitecture) require_type(file, architecture + "." + key.name, key.type);
  for (const char* key : kOfBlocks) {
    if (const std::string name = architecture + "." + key; !file.array(name)) require_type(file, name, GgufType::U32);
  }
  for (const Key& key : kArrays) {
    const auto array = file.array(architecture + "." + key.name);
    if (!array || array->element == key.type) continue;
    throw Error("invalid_file", file.path() + ": " + architecture + "." + key.name + ": expected an array of " +
                                    gguf_type_name(key.type) + ", got one of " + gguf_type_name(array->element));
  }
}

}  // namespace spark
