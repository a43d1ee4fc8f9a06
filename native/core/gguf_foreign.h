// Recognises files that are no GGUF this program reads (another format, version or byte order, a Git LFS pointer) and
// says which they are, because each has its own remedy.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace spark {

// Reads the first bytes: magic and version. Throws invalid_file for what is no model at all (an empty file, a Git LFS
// pointer), unsupported_file for another format, byte order or version. A file of fewer than 8 bytes is checked as far
// as it goes; the reader then finds it too short.
void refuse_foreign(std::span<const std::byte> bytes, const std::string& path);

}  // namespace spark
