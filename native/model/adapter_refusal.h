// What is no plain LoRA, refused by its name with what to do. Private to the adapter_*.cpp files.
#pragma once

#include <string>

#include "model/adapter_io.h"

namespace spark {

// Of a kind of adapter (peft_type in adapter_config.json) other than LORA.
[[noreturn]] void refuse_kind(const std::string& source, const std::string& peft_type);
// Of a tensor, by PEFT's name or a GGUF's, that belongs to no pair of a model of these shapes.
[[noreturn]] void refuse_tensor(const std::string& source, const std::string& tensor, const LoraShapes& shapes);

// How to make something that we read of an adapter that is more than LoRA.
inline constexpr const char* kMergeAdvice =
    "merge it into its base with PEFT (merge_and_unload, then save_pretrained), convert that model with llama.cpp's "
    "convert_hf_to_gguf.py and use it as the base";

}  // namespace spark
