#include "cuda/offload.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "cuda/cuda_backend.h"
#include "cuda/memory.h"

namespace spark::cuda {

void Offloader::open() {
  copies_ = open_stream();
  open_ = true;
  reached_ = make_event();
}

Offloader::~Offloader() {
  if (open_) close_stream(copies_);
  if (reached_) release_event(reached_);
  for (const Slot& slot : slots_) {
    if (slot.copied) release_event(slot.copied);
    if (slot.host) pinned_release(slot.host);
  }
}

// The copy stream's later work comes after what is queued on the main one.
void Offloader::after_main() {
  mark(reached_, main_);
  wait_for(reached_, copies_);
}

Offloader::Slot& Offloader::grown(int64_t slot, size_t bytes) {
  slots_.resize(std::max(slots_.size(), static_cast<size_t>(slot) + 1));
  Slot& own = slots_[static_cast<size_t>(slot)];
  if (!own.copied) own.copied = make_event();
  if (own.bytes >= bytes) return own;
  if (own.host) {
    wait_for_device(copies_);  // an abandoned pass may be using it
    pinned_release(own.host);
    own.host = nullptr, own.bytes = 0;
  }
  own.host = pinned_allocate(bytes);
  if (!own.host) {
    throw Error("out_of_memory", "expected " + std::to_string(bytes >> 20) +
                                     " MiB of pinned host memory for the input of block " + std::to_string(slot) +
                                     ", got none: use fewer tokens in a pass, recompute block, or "
                                     "close what else holds memory of this machine");
  }
  own.bytes = bytes;
  return own;
}

void Offloader::offload(int64_t slot, const void* from, size_t bytes) {
  const Slot& own = grown(slot, bytes);
  after_main();
  copy_to_pinned(own.host, from, bytes, copies_);
  mark(own.copied, copies_);
}

void Offloader::fetch(void* to, int64_t slot, size_t bytes) {
  if (slot >= static_cast<int64_t>(slots_.size()) || slots_[static_cast<size_t>(slot)].bytes < bytes) {
    throw Error("internal", "offload: expected slot " + std::to_string(slot) + " to hold " + std::to_string(bytes) +
                                " bytes, got a smaller one or none");
  }
  const Slot& own = slots_[static_cast<size_t>(slot)];
  after_main();
  copy_from_pinned(to, own.host, bytes, copies_);
  mark(own.copied, copies_);
}

void Offloader::settle(int64_t slot) {
  if (slot < static_cast<int64_t>(slots_.size())) wait_for(slots_[static_cast<size_t>(slot)].copied, main_);
}

// All copies are on one stream: an event recorded there now comes after all of them.
void Offloader::settle_all() {
  mark(reached_, copies_);
  wait_for(reached_, main_);
}

// The second stream and its memory are there once a pass has offloaded.
void CudaBackend::offload(int64_t slot, const Activation* x, int64_t count) {
  if (!offloader_) {
    auto own = std::make_unique<Offloader>(stream_);
    own->open();
    offloader_ = std::move(own);
  }
  offloader_->offload(slot, x, static_cast<size_t>(count) * sizeof(Bf16));
}

void CudaBackend::fetch(Activation* x, int64_t slot, int64_t count) {
  if (!offloader_) throw Error("internal", "offload: expected a slot to fetch from, got none");
  offloader_->fetch(x, slot, static_cast<size_t>(count) * sizeof(Bf16));
}

void CudaBackend::settle(int64_t slot) {
  if (offloader_) offloader_->settle(slot);
}

}  // namespace spark::cuda
