#include "core/gguf_foreign.h"

#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/error.h"

namespace spark {

namespace {

// A clone without Git LFS leaves these three lines of text in a model's place.
constexpr std::string_view kLfsPointer = "version https://git-lfs.github.com/spec/";

void refuse_version(uint32_t version, const std::string& path) {
  if (version == 2 || version == 3) return;
  // Versions are small numbers: read in the other byte order, their low half is zero.
  if (version != 0 && (version & 0xffff) == 0) {
    throw Error("unsupported_file", path +
                                        ": version: expected a little-endian GGUF file, got a big-endian one; "
                                        "convert the model again without the big-endian option");
  }
  throw Error("unsupported_file",
              path + ": version: expected GGUF version 2 or 3, got " + std::to_string(version) + "; convert it again");
}

}  // namespace

void refuse_foreign(std::span<const std::byte> bytes, const std::string& path) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with(kLfsPointer)) {
    throw Error("invalid_file", path +
                                    ": expected a GGUF file, got a Git LFS pointer, which only names the file that is "
                                    "meant; fetch that with git lfs pull, or download it");
  }
  if (text.size() >= 4 && !text.starts_with("GGUF")) {
    throw Error("unsupported_file", path +
                                        ": expected a GGUF file (its first bytes are \"GGUF\"), got another format; "
                                        "convert the model to GGUF first");
  }
  if (text.size() < 8) return;
  uint32_t version = 0;
  std::memcpy(&version, bytes.data() + 4, sizeof version);
  refuse_version(version, path);
}

}  // namespace spark
