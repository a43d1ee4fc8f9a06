// What a file is that is no GGUF file of ours: said in words, as each has its own remedy.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace spark {

// Reads the first bytes: magic and version. Throws invalid_file for what is no model at all (an empty file, a Git LFS
// pointer), unsupported_file for another format, byte order or version. Files below 8 bytes pass as far as they go.
void refuse_foreign(std::span<const std::byte> bytes, const std::string& path);

}  // namespace spark
