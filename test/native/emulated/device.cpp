#include "emulated/device.h"

#include <ucontext.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <stdexcept>
#include <vector>

namespace spark::cuda::emulated {

namespace {

constexpr size_t kStack = 256 << 10;
constexpr unsigned kLanes = 32;
constexpr size_t kSharedAlignment = 1024;

struct Barrier {
  unsigned expected = 0, arrived = 0, round = 0;
};

// A warp, and which of its lanes can run, a bit each, or wait at a barrier. A lane that waits for a word of shared
// memory or gave way can run as far as these know.
struct Warp {
  Barrier barrier;
  uint32_t ready = 0, at_warp = 0, at_block = 0;
};

// The factors and the sum of a product whose fragments a warp's lanes have put together.
struct Product {
  float a[16][16], b[16][8], c[16][8];
  bool done;
};

// What the lanes of a warp passed to each other at its last two barriers.
struct Passed {
  LaneWords words[2][kLanes];
  Product product[2];
};

// What a word of shared memory holds that threads wait at.
struct ArrivalWord {
  uint16_t expected : 15, phase : 1;
  int16_t missing;
  int32_t bytes;  // still to come
};
static_assert(sizeof(ArrivalWord) == sizeof(uint64_t));

ArrivalWord read(const uint64_t* word) { return std::bit_cast<ArrivalWord>(*word); }

void write(uint64_t* word, ArrivalWord state) {
  if (state.missing < 0) throw std::logic_error("emulated kernel: more threads arrive than a phase has");
  if (state.missing == 0 && state.bytes == 0) {
    state.missing = static_cast<int16_t>(state.expected);
    state.phase ^= 1;
  }
  *word = std::bit_cast<uint64_t>(state);
}

// Its indices are constants, and a sanitizer that looks at each takes most of the time of all tests of attention.
[[gnu::noinline, gnu::no_sanitize("address", "undefined")]] void multiply(Product& product) {
  for (int row = 0; row < 16; ++row) {
    float sums[8];
    std::copy_n(product.c[row], 8, sums);
    for (int k = 0; k < 16; ++k) {
      for (int col = 0; col < 8; ++col) sums[col] += product.a[row][k] * product.b[k][col];
    }
    std::copy_n(sums, 8, product.c[row]);
  }
  product.done = true;
}

// The phase of this parity: the one before the current one has the other parity.
bool is_complete(const uint64_t* word, bool parity) { return (read(word).phase != 0) != parity; }

// Groups of work in the order of their start; the last one is still open.
struct Queue {
  std::deque<std::vector<std::function<void()>>> groups{1};

  bool empty() const { return groups.size() == 1 && groups.front().empty(); }
};

// The compiler's own setjmp and longjmp: no system call, as ucontext makes one, and nothing that a sanitizer hooks
// into. At a call that does not return it unpoisons a whole stack, which took more time than all else in the tests
// together.
#define SPARK_SWITCHES gnu::noinline, gnu::no_sanitize_address
using Place = void* [5];
[[noreturn, SPARK_SWITCHES]] void jump(Place& place) { __builtin_longjmp(place, 1); }

// What every switch looks at comes first, in one line of the cache.
struct alignas(64) Fiber {
  Place place{};                       // where it waits
  const uint64_t* arrivals = nullptr;  // waits for these, until their phase of `parity` is complete
  unsigned gave_way = 0;               // the round of the warps in which it did
  bool parity = false;
  bool alive = false;  // `place` is one
  bool idle = false;   // and it is the end of a block, in enter()
  bool done = false;
  dim3 index;
  std::unique_ptr<char[]> stack;
  Queue copies, products;
};

struct Tile {
  const uint64_t* word;  // where it arrives
  std::function<void()> bring;
};

// The block that runs now.
struct Block {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  std::vector<Passed> passed;  // one for each warp
  std::vector<std::byte> shared;
  Barrier all;
  std::deque<Tile> tiles;  // on their way
  unsigned warp_round = 0;
  Fiber* current = nullptr;
  Place scheduler{};
  const std::function<void()>* kernel = nullptr;
  bool left_products = false;  // a thread ended without waiting for them
};

Block block;
bool descending = false;

// A fiber's life: one block's kernel after the other.
[[SPARK_SWITCHES]] void enter() {
  for (;;) {
    (*block.kernel)();
    Fiber& own = *block.current;
    own.done = own.idle = true;
    if (__builtin_setjmp(own.place) == 0) jump(block.scheduler);
  }
}

// On a stack of its own. Does not return, so it must not poison the stack: the fiber jumps to the scheduler.
[[SPARK_SWITCHES]] void begin(Fiber& fiber) {
  if (!fiber.stack) fiber.stack = std::make_unique<char[]>(kStack);
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = fiber.stack.get();
  context.uc_stack.ss_size = kStack;
  context.uc_link = nullptr;
  makecontext(&context, enter, 0);
  setcontext(&context);
}

Queue& queue_of(Fiber& fiber, Async kind) { return kind == Async::Copies ? fiber.copies : fiber.products; }

// True when all have arrived; the next round has then begun.
bool is_full(Barrier& barrier) {
  if (barrier.expected == 0 || barrier.arrived < barrier.expected) return false;
  barrier.arrived = 0;
  ++barrier.round;
  return true;
}

void pass_warp(Warp& warp) {
  if (!is_full(warp.barrier)) return;
  warp.ready |= warp.at_warp;
  warp.at_warp = 0;
}

void pass_block() {
  if (!is_full(block.all)) return;
  for (Warp& warp : block.warps) {
    warp.ready |= warp.at_block;
    warp.at_block = 0;
  }
}

Warp& own_warp() { return block.warps[threadIdx.x / kLanes]; }
uint32_t lane_bit(unsigned thread) { return 1u << thread % kLanes; }

[[SPARK_SWITCHES]] void give_up_core() {
  if (__builtin_setjmp(block.current->place) == 0) jump(block.scheduler);
}

// A thread that returned no longer takes part.
void leave(unsigned thread) {
  Warp& warp = block.warps[thread / kLanes];
  warp.ready &= ~lane_bit(thread);
  --warp.barrier.expected;
  --block.all.expected;
  pass_warp(warp);
  pass_block();
}

bool can_run(const Fiber& fiber) {
  if (fiber.arrivals && !is_complete(fiber.arrivals, fiber.parity)) return false;
  return fiber.gave_way != block.warp_round;
}

// Runs a fiber to its next barrier or its end.
[[SPARK_SWITCHES]] void resume(unsigned i) {
  Fiber& fiber = block.fibers[i];
  fiber.arrivals = nullptr;
  block.current = &fiber;
  threadIdx = fiber.index;
  if (__builtin_setjmp(block.scheduler) == 0) {
    fiber.idle = false;
    if (fiber.alive) jump(fiber.place);
    fiber.alive = true;
    begin(fiber);
  }
  if (!block.current->done) return;
  block.left_products |= !block.fibers[i].products.empty();
  leave(i);
}

// Every lane of the warp that can, to its next barrier; false when none could.
bool run_warp(unsigned index) {
  const Warp& warp = block.warps[index];
  bool any = false;
  for (unsigned turn = 0; turn < kLanes && warp.ready != 0; ++turn) {
    const unsigned lane = descending ? kLanes - 1 - turn : turn;
    if ((warp.ready >> lane & 1) == 0 || !can_run(block.fibers[index * kLanes + lane])) continue;
    resume(index * kLanes + lane);
    any = true;
  }
  return any;
}

// The first of the tiles on their way for which a thread waits; false when there is none. A tile for which nobody waits
// does not come with the others, however long ago it was started: who reads it all the same sees what was there before.
bool bring_awaited_tile(unsigned threads) {
  const auto is_awaited = [&](const Tile& tile) {
    return std::any_of(block.fibers.begin(), block.fibers.begin() + threads,
                       [&](const Fiber& fiber) { return !fiber.done && fiber.arrivals == tile.word; });
  };
  const auto found = std::find_if(block.tiles.begin(), block.tiles.end(), is_awaited);
  if (found == block.tiles.end()) return false;
  const std::function<void()> bring = std::move(found->bring);
  block.tiles.erase(found);
  bring();
  return true;
}

void run_block(unsigned threads) {
  block.all = {threads, 0, 0};
  block.tiles.clear();
  block.warps.assign((threads + kLanes - 1) / kLanes, {});
  for (unsigned i = 0; i < threads; ++i) {
    Warp& warp = block.warps[i / kLanes];
    ++warp.barrier.expected;
    warp.ready |= lane_bit(i);
    Fiber& fiber = block.fibers[i];
    fiber.alive = fiber.alive && fiber.idle;  // one that a failed kernel left waiting is given up
    fiber.index = {i, 0, 0};
    fiber.arrivals = nullptr;
    fiber.gave_way = 0;
    fiber.done = false;
    for (Queue* queue : {&fiber.copies, &fiber.products}) {
      if (!queue->empty()) *queue = {};
    }
  }
  // A warp runs as far as it can before the next one does: without a barrier between them it gets far ahead.
  const unsigned warps = static_cast<unsigned>(block.warps.size());
  block.warp_round = 0;
  for (bool progress = true; progress;) {
    progress = false;
    ++block.warp_round;
    for (unsigned turn = 0; turn < warps; ++turn) {
      while (run_warp(descending ? warps - 1 - turn : turn)) progress = true;
    }
    if (!progress) progress = bring_awaited_tile(threads);
  }
  for (unsigned i = 0; i < threads; ++i) {
    if (!block.fibers[i].done) throw std::logic_error("emulated kernel: some threads wait where others never arrive");
  }
  if (!block.tiles.empty()) throw std::logic_error("emulated kernel: a block ended while tiles were on their way");
  if (block.left_products) throw std::logic_error("emulated kernel: a thread ended while its products were under way");
}

}  // namespace

void run_grid(dim3 grid, unsigned threads, size_t shared, const std::function<void()>& f) {
  if (counted().launches++ == counted().dropped) return;
  gridDim = grid;
  blockDim = {threads, 1, 1};
  block.kernel = &f;
  if (block.fibers.size() < threads) block.fibers.resize(threads);
  block.passed.assign((threads + kLanes - 1) / kLanes, {});
  block.left_products = false;
  block.shared.assign(shared + kSharedAlignment, std::byte{0xff});  // NaN: what nobody wrote shows
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = {x, y, z};
        run_block(threads);
      }
    }
  }
}

void descending_order(bool value) { descending = value; }

void* dynamic_shared() {
  const auto address = reinterpret_cast<uintptr_t>(block.shared.data());
  return reinterpret_cast<void*>((address + kSharedAlignment - 1) / kSharedAlignment * kSharedAlignment);
}

uint32_t shared_offset(const void* p) {
  return static_cast<uint32_t>(static_cast<const std::byte*>(p) - static_cast<const std::byte*>(dynamic_shared()));
}
const void* at_shared_offset(uint32_t offset) { return static_cast<const std::byte*>(dynamic_shared()) + offset; }

bool is_late(Async kind) { return (kind == Async::Products) != descending; }
void keep_for_later(Async kind, std::function<void()> work) {
  queue_of(*block.current, kind).groups.back().push_back(std::move(work));
}
void commit(Async kind) { queue_of(*block.current, kind).groups.emplace_back(); }

// The works may wait for other threads, so nothing of this block is kept across them.
void wait_for_groups(Async kind, size_t pending) {
  Queue& queue = queue_of(*block.current, kind);
  while (queue.groups.size() > pending + 1) {
    for (const std::function<void()>& work : queue.groups.front()) work();
    queue.groups.pop_front();
  }
}

void wait_for_block() {
  Warp& warp = own_warp();
  const uint32_t own = lane_bit(threadIdx.x);
  warp.ready &= ~own;
  warp.at_block |= own;
  ++block.all.arrived;
  pass_block();
  give_up_core();
}
void wait_for_warp() {
  Warp& warp = own_warp();
  const uint32_t own = lane_bit(threadIdx.x);
  warp.ready &= ~own;
  warp.at_warp |= own;
  ++warp.barrier.arrived;
  pass_warp(warp);
  give_up_core();
}

void set_arrivals(uint64_t* word, unsigned threads) {
  ArrivalWord state{};
  state.expected = static_cast<uint16_t>(threads & 0x7fff);
  state.missing = static_cast<int16_t>(threads);
  *word = std::bit_cast<uint64_t>(state);
}
// The other warps go on first: who says that it is done with a tile and reads it all the same sees the next one.
void arrive(uint64_t* word) {
  ArrivalWord state = read(word);
  --state.missing;
  write(word, state);
  if (state.bytes > 0) return;  // it is about to bring them
  block.current->gave_way = block.warp_round;
  give_up_core();
}
void expect_bytes(uint64_t* word, unsigned bytes) {
  ArrivalWord state = read(word);
  state.bytes += static_cast<int32_t>(bytes);
  *word = std::bit_cast<uint64_t>(state);
}
void wait_for_arrivals(const uint64_t* word, bool parity) {
  if (is_complete(word, parity)) return;
  Fiber& own = *block.current;
  own.arrivals = word;
  own.parity = parity;
  give_up_core();
}
void bring(uint64_t* word, unsigned bytes, std::function<void()> copy) {
  auto work = [=, copy = std::move(copy)] {
    copy();
    ArrivalWord state = read(word);
    state.bytes -= static_cast<int32_t>(bytes);
    write(word, state);
  };
  if (is_late(Async::Copies)) {
    block.tiles.push_back({word, std::move(work)});
  } else {
    work();
  }
}

LaneWords& own_words() {
  const unsigned warp = threadIdx.x / kLanes;
  return block.passed[warp].words[block.warps[warp].barrier.round % 2][threadIdx.x % kLanes];
}
const LaneWords* words_of_warp() {
  const unsigned warp = threadIdx.x / kLanes;
  return block.passed[warp].words[(block.warps[warp].barrier.round - 1) % 2];
}

void multiply_fragments(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  const unsigned warp = threadIdx.x / kLanes, lane = threadIdx.x % kLanes, g = lane / 4, t = lane % 4;
  Product& product = block.passed[warp].product[block.warps[warp].barrier.round % 2];
  const auto half = [](uint32_t word, unsigned i) { return std::bit_cast<float>(i ? word & 0xffff0000u : word << 16); };
  const auto own_sum = [&](unsigned i) -> float& { return product.c[g + i / 2 * 8][2 * t + i % 2]; };
  for (unsigned i = 0; i < 4; ++i) {
    for (unsigned k = 0; k < 2; ++k) product.a[g + i % 2 * 8][2 * t + i / 2 * 8 + k] = half(a[i], k);
    if (i < 2) {
      for (unsigned k = 0; k < 2; ++k) product.b[2 * t + i * 8 + k][g] = half(b[i], k);
    }
    own_sum(i) = c[i];
  }
  product.done = false;
  wait_for_warp();
  if (!product.done) multiply(product);
  for (unsigned i = 0; i < 4; ++i) c[i] = own_sum(i);
}

}  // namespace spark::cuda::emulated
