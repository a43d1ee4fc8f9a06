// A model over any GGUF source and any backend: what Model::open (factory.cpp) builds, and what tests build in memory.
#pragma once

#include <memory>
#include <string>

#include "core/gguf.h"
#include "ops/backend.h"
#include "train/engine.h"

namespace spark {

// A model file that llama.cpp, which generates with it, does not refuse either. Throws invalid_file, unsupported_file.
std::shared_ptr<GgufFile> open_served(const std::string& path);

// Of the options, recompute and memory_limit are read: the rest went into `file` and `backend`.
std::shared_ptr<Model> make_model(std::shared_ptr<GgufFile> file, std::unique_ptr<Backend> backend,
                                  const ModelOptions& options = {}, Cancel cancel = nullptr);

}  // namespace spark
