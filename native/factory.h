// Chooses a backend by name: the only place that knows them all.
#pragma once

#include <memory>
#include <string>

#include "ops/backend.h"

namespace spark {

// auto, cpu or cuda. Throws backend_unavailable with the reason, invalid_argument for another name.
std::unique_ptr<Backend> make_backend(const std::string& name, int threads, const std::string& compute = "f32");

}  // namespace spark
