// How much memory this process may still take.
#pragma once

#include <cstdint>

namespace spark {

// Bytes that can be taken without swapping: what the system calls available, or what a container's limit leaves when
// that is less. 0 when it cannot be told.
int64_t available_memory();

}  // namespace spark
