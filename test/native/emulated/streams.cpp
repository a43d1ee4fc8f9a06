#include "emulated/streams.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <stdexcept>
#include <utility>

#include "cuda/memory.h"

namespace spark::cuda {

struct EmulatedEvent {
  Stream stream = 0;
  int64_t place = 0;  // how far it had come: copies queued, or marks made where ops run at once
};

namespace {

// What ops are queued on runs them at once (stream 0); the others only copy.
struct Copies {
  std::deque<std::function<void()>> waiting;
  int64_t queued = 0, done = 0;
  int64_t behind = 0, used = 0;  // marks of stream 0: the last waited for, and when the last copy was queued
};

struct Streams {
  std::map<Stream, Copies> copies;
  Stream last = 0;
  int64_t marks = 0;
  bool late = false;
  std::function<void()> on_copy;
};

Streams& streams() {
  static Streams all;
  return all;
}

void run(Copies& own, int64_t until) {
  for (; own.done < until; ++own.done) {
    own.waiting.front()();
    own.waiting.pop_front();
  }
}

void copy(void* to, const void* from, size_t bytes, Stream stream) {
  Copies& own = streams().copies.at(stream);
  if (own.behind <= own.used) throw std::logic_error("emulated copy: it does not wait for the ops before it");
  own.used = own.behind;
  own.waiting.push_back([=] {
    if (bytes) std::memcpy(to, from, bytes);
  });
  ++own.queued;
  if (!streams().late) run(own, own.queued);
  if (streams().on_copy) streams().on_copy();
}

constexpr size_t kHead = 64;  // before what the caller gets: its size

}  // namespace

void emulated::late_copies(bool late) { streams().late = late; }
void emulated::on_copy(std::function<void()> f) { streams().on_copy = std::move(f); }

emulated::Pinned& emulated::pinned() {
  static Pinned all;
  return all;
}

void wait_for_copies(Stream stream) {
  const auto found = streams().copies.find(stream);
  if (found != streams().copies.end()) run(found->second, found->second.queued);
}
void wait_for_copies() {
  for (auto& [stream, own] : streams().copies) run(own, own.queued);
}

Stream open_stream() {
  streams().copies[++streams().last];
  return streams().last;
}
void close_stream(Stream stream) {
  wait_for_copies(stream);
  streams().copies.erase(stream);
}

Event make_event() { return new EmulatedEvent; }
void release_event(Event event) { delete event; }
void mark(Event event, Stream stream) {
  *event = {stream, stream == 0 ? ++streams().marks : streams().copies.at(stream).queued};
}
void wait_for(Event event, Stream stream) {
  if (event->stream == stream) return;  // its own order
  if (stream == 0) return run(streams().copies.at(event->stream), event->place);
  if (event->stream == 0) streams().copies.at(stream).behind = event->place;
}

void* pinned_allocate(size_t bytes) {
  emulated::Pinned& counted = emulated::pinned();
  if (counted.allocations >= counted.most_allocations) return nullptr;
  ++counted.allocations;
  counted.held += static_cast<int64_t>(bytes);
  auto* memory = static_cast<std::byte*>(std::malloc(bytes + kHead));
  std::memcpy(memory, &bytes, sizeof bytes);
  std::memset(memory + kHead, 0xff, bytes);  // NaN: what nobody wrote shows
  return memory + kHead;
}
void pinned_release(void* memory) {
  std::byte* start = static_cast<std::byte*>(memory) - kHead;
  size_t bytes = 0;
  std::memcpy(&bytes, start, sizeof bytes);
  emulated::pinned().held -= static_cast<int64_t>(bytes);
  std::free(start);
}
void copy_to_pinned(void* pinned, const void* from, size_t bytes, Stream stream) { copy(pinned, from, bytes, stream); }
void copy_from_pinned(void* to, const void* pinned, size_t bytes, Stream stream) { copy(to, pinned, bytes, stream); }

}  // namespace spark::cuda
