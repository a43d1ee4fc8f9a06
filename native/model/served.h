// A file that we compute with is also served by llama.cpp. Its loader refuses, or aborts over, more than a wrong shape:
// metadata of another type than it reads, a vocabulary that it cannot build. All of that is refused here, in words, so
// that a damaged file never gets numbers from one engine and an abort from the other.
#pragma once

#include <string>

#include "core/gguf.h"

namespace spark {

// Throws invalid_file naming the key. Called for files, before anything
// is computed; a model made in memory has no vocabulary.
void check_served(const GgufFile& file);

// The parts of check_served.
void check_metadata_types(const GgufFile& file, const std::string& architecture);
int64_t check_vocabulary(const GgufFile& file, const std::string& architecture);  // number of tokens

bool known_pre_tokenizer(const std::string& name);

}  // namespace spark
