// The stream that copies beside the one that computes (native/cuda/memory.h), on the host: the earliest and the latest
// that a device might copy, so that a buffer used too early or too late shows in what is computed.
#pragma once

#include <cstdint>
#include <functional>

namespace spark::cuda::emulated {

// Copies happen when they are queued, or not before something waits for them. Each must be queued behind a mark of the
// stream that computes which no earlier copy has waited for, else std::logic_error.
void late_copies(bool late);
// Called after each copy was queued; null: nothing is.
void on_copy(std::function<void()> f);

// Pinned memory: allocations, how many of them are granted, the bytes held.
struct Pinned {
  int64_t allocations = 0, most_allocations = INT64_MAX;
  int64_t held = 0;
};
Pinned& pinned();

}  // namespace spark::cuda::emulated

namespace spark::cuda {

// Everything queued on a stream that copies, or on all of them, is done when it returns.
void wait_for_copies(int stream);
void wait_for_copies();

}  // namespace spark::cuda
