#include "model/served.h"

#include "core/error.h"

namespace spark {

namespace {

void refuse_part(const GgufFile& file) {
  const int64_t parts = file.get_int("split.count", 0);
  if (parts <= 1) return;
  throw Error("unsupported_file", file.path() + ": split.count: expected a model in one file, got one of " +
                                      std::to_string(parts) + " parts; join them with llama-gguf-split --merge");
}

}  // namespace

void check_served(const GgufFile& file) {
  const std::string architecture = file.require_string("general.architecture");
  if (const std::string type = file.get_string("general.type", "model"); type != "model") {
    throw Error("invalid_file", file.path() + ": general.type: expected model, got " + type +
                                    "; give an adapter beside its base model");
  }
  check_metadata_types(file, architecture);
  refuse_part(file);
  // The model's own loader says what it makes of other architectures.
  if (architecture != "llama" && architecture != "qwen2" && architecture != "qwen3") return;
  const int64_t tokens = check_vocabulary(file, architecture);
  const GgufTensor* embedding = file.find("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2 || embedding->shape[0] == tokens) return;
  throw Error("invalid_file", file.path() + ": tensor token_embd.weight: expected a row for each of " +
                                  std::to_string(tokens) + " tokens, got " + std::to_string(embedding->shape[0]));
}

}  // namespace spark
