// What the heap holds, counted where it is asked for and given back. The resident size of the process, which this
// replaces, also has pages that the kernel hands out in larger pieces and takes back when it likes, and the threads'
// own caches: it moved by 17 MB in 118 with what else ran on the machine.
#pragma once

#include <cstdint>

namespace spark_test {

// Blocks of a page and more, as the allocator rounds them; smaller ones are bookkeeping.
constexpr int64_t kCountedBlock = 4096;

// Bytes held above what was held at the start: the most at one time.
struct HeapUse {
  int64_t ours = 0;    // arena, scratch, offloaded values, the pass's own vectors
  int64_t onednn = 0;  // what its products repack, taken and given back within a product
};

// Null when the heap is counted here, else why not.
const char* heap_not_counted();

// Counts from its making on, one at a time.
class HeapCounter {
 public:
  HeapCounter();
  ~HeapCounter();
  HeapUse most() const;
};

}  // namespace spark_test
