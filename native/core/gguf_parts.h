// A GGUF file that is one of several parts of a model (`-00001-of-00003.gguf`), and the model that they are together.
// Private to the reader.
#pragma once

#include <memory>
#include <string>

#include "core/gguf.h"

namespace spark {

// One file alone, whatever it says of parts.
std::shared_ptr<GgufFile> open_gguf_part(const std::string& path);

// The parts that `part` belongs to, as one file: its metadata are the first part's without what they say of parts, its
// tensors those of all parts. Returns `part` itself when it is a whole model. Every rule of llama.cpp's loader holds:
// names, numbers, how many tensors there are, each of them once. Throws io_error with the names of missing parts.
std::shared_ptr<GgufFile> join_gguf_parts(std::shared_ptr<GgufFile> part);

}  // namespace spark
