#include "model/served.h"

#include "core/error.h"

namespace spark {

void check_served(const GgufFile& file) {
  const std::string architecture = file.require_string("general.architecture");
  if (const std::string type = file.get_string("general.type", "model"); type != "model") {
    throw Error("invalid_file", file.path() + ": general.type: expected model, got " + type +
                                    "; give an adapter beside its base model");
  }
  check_metadata_types(file, architecture);
  // The model's own loader says what it makes of other architectures.
  if (architecture != "llama" && architecture != "qwen2" && architecture != "qwen3") return;
  const int64_t tokens = check_vocabulary(file, architecture);
  const GgufTensor* embedding = file.find("token_embd.weight");
  if (!embedding || embedding->shape.size() != 2 || embedding->shape[0] == tokens) return;
  throw Error("invalid_file", file.path() + ": tensor token_embd.weight: expected a row for each of " +
                                  std::to_string(tokens) + " tokens, got " + std::to_string(embedding->shape[0]));
}

}  // namespace spark
