// A model from any GGUF source on any backend. Model::open (factory.cpp) makes one from a file, tests from memory.
#pragma once

#include <memory>
#include <string>

#include "core/gguf.h"
#include "ops/backend.h"
#include "train/engine.h"

namespace spark {

// Opens a model file and checks that llama.cpp, which generates with the same file, would load it too. Throws
// invalid_file, unsupported_file.
std::shared_ptr<GgufFile> open_served(const std::string& path);

// Reads only recompute and memory_limit of the options: the caller used the others to make `file` and `backend`. Throws
// invalid_argument for a bad one of the two, and what the loading of weights throws.
std::shared_ptr<Model> make_model(std::shared_ptr<GgufFile> file, std::unique_ptr<Backend> backend,
                                  const ModelOptions& options = {}, Cancel cancel = nullptr);

}  // namespace spark
