// What the two adapter formats share: which tensors there are, what they are called, how large they must be.
// Private to adapter_io.cpp and adapter_peft.cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/adapter_io.h"

namespace spark {

// A weight that may be adapted.
struct LoraPlace {
  std::string weight;    // in a GGUF
  std::string module;    // in Hugging Face's model: model.layers.0.self_attn.q_proj
  ProjectionShape size;  // of the embedding: from V to C
  bool turns = false;    // its lora_b has rows in the order of rotary pairs
  bool embedding = false;
  const char* target = nullptr;  // of the seven; null for embedding and head

  std::string tensor(bool b) const { return weight + (b ? ".lora_b" : ".lora_a"); }
  std::vector<int64_t> shape(bool b, int64_t rank) const {
    if (b) return {size.out, rank};
    return embedding ? std::vector<int64_t>{size.in, rank} : std::vector<int64_t>{rank, size.in};
  }
  std::string peft_tensor(bool b) const {
    const std::string factor = b ? "B" : "A";
    return "base_model.model." + module + (embedding ? ".lora_embedding_" + factor : ".lora_" + factor + ".weight");
  }
};

// All of them, in the order of LoraTensors.
std::vector<LoraPlace> lora_places(const LoraShapes& shapes);

// The alpha of a weight whose tensors have this rank; may throw where they cannot have it.
using AlphaOf = std::function<float(const LoraPlace& place, int rank)>;

// Checks and orders the tensors and fills everything else; `source` is the file for the message.
LoraTensors check_lora(const std::string& source, std::vector<NamedTensor> tensors, const LoraShapes& shapes,
                       const AlphaOf& alpha_of);
// The same for what is to be saved.
LoraTensors check_lora(const std::string& source, const LoraTensors& lora, const LoraShapes& shapes);

LoraTensors load_peft(const std::string& folder, const LoraShapes& shapes);

}  // namespace spark
