// Where CUDA's own libraries lie on machines without a toolkit that the dynamic linker knows.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace spark {

// The name of the library that is not there, from what dlopen said: "libcublasLt.so.13: cannot open shared object file:
// …"; "" where it said something else.
std::string missing_library(const std::string& said);

// Folders that exist and may hold `library`, the likeliest first: SPARK_RL_CUBLAS, conda's, those of Python packages
// (nvidia/cu13/lib, nvidia/cublas/lib) of the python3 on the PATH, the environment in use, the user's and the system's,
// and toolkits.
std::vector<std::filesystem::path> cuda_places(const std::string& library);

}  // namespace spark
