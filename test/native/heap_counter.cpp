// The test program's malloc: glibc's own behind a counter. A program's definition comes before the library's for every
// library that it loads, so oneDNN is counted, too; which of the two asked is told by the address it is called from.
#include "heap_counter.h"

#include <cstdlib>

#include "support.h"

#ifdef SPARK_SANITIZED
const bool spark_test::kSanitized = true;  // and malloc is the sanitizer's: it would find nothing behind ours
#else
const bool spark_test::kSanitized = false;
#ifdef __GLIBC__
#define SPARK_COUNTS_HEAP
#endif
#endif

#ifdef SPARK_COUNTS_HEAP
#include <dlfcn.h>
#include <link.h>
#include <malloc.h>

#include <atomic>
#include <cerrno>

namespace {

struct Account {
  std::atomic<int64_t> held{0}, most{0};
  void add(int64_t bytes) {
    const int64_t now = held.fetch_add(bytes) + bytes;
    int64_t before = most.load();
    while (now > before && !most.compare_exchange_weak(before, now)) continue;
  }
  void clear() { held = 0, most = 0; }
};

std::atomic<bool> counting{false};
Account ours, onednn;
uintptr_t onednn_begin = 0, onednn_end = 0;  // its code; none when it is linked into this program

// Nothing in here may allocate.
void count(void* block, const void* caller, int64_t sign) {
  if (!block || !counting.load(std::memory_order_relaxed)) return;
  const auto bytes = static_cast<int64_t>(malloc_usable_size(block));
  if (bytes < spark_test::kCountedBlock) return;
  const auto from = reinterpret_cast<uintptr_t>(caller);
  (from >= onednn_begin && from < onednn_end ? onednn : ours).add(sign * bytes);
}

int find_onednn(dl_phdr_info* object, size_t, void* symbol) {
  const auto at = reinterpret_cast<uintptr_t>(symbol);
  uintptr_t first = UINTPTR_MAX, last = 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD) continue;
    const uintptr_t begin = object->dlpi_addr + part.p_vaddr;
    first = begin < first ? begin : first;
    last = begin + part.p_memsz > last ? begin + part.p_memsz : last;
  }
  if (at < first || at >= last) return 0;
  onednn_begin = first, onednn_end = last;
  return 1;
}

// False when oneDNN is a part of this program, whose calls could not be told from ours.
bool onednn_is_apart() {
  void* symbol = dlsym(RTLD_DEFAULT, "dnnl_sgemm");
  if (!symbol) return false;
  dl_iterate_phdr(find_onednn, symbol);
  const auto here = reinterpret_cast<uintptr_t>(&onednn_is_apart);
  return onednn_begin != 0 && (here < onednn_begin || here >= onednn_end);
}

}  // namespace

extern "C" {

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t bytes) {
  void* block = __libc_malloc(bytes);
  count(block, __builtin_return_address(0), 1);
  return block;
}

void* calloc(size_t values, size_t bytes) {
  void* block = __libc_calloc(values, bytes);
  count(block, __builtin_return_address(0), 1);
  return block;
}

void* realloc(void* old, size_t bytes) {
  count(old, __builtin_return_address(0), -1);
  void* block = __libc_realloc(old, bytes);
  count(block || bytes == 0 ? block : old, __builtin_return_address(0), 1);  // a failure leaves the old one
  return block;
}

void* memalign(size_t alignment, size_t bytes) {
  void* block = __libc_memalign(alignment, bytes);
  count(block, __builtin_return_address(0), 1);
  return block;
}

void* aligned_alloc(size_t alignment, size_t bytes) {
  void* block = __libc_memalign(alignment, bytes);
  count(block, __builtin_return_address(0), 1);
  return block;
}

int posix_memalign(void** to, size_t alignment, size_t bytes) {
  void* block = __libc_memalign(alignment, bytes);
  if (!block) return ENOMEM;
  count(block, __builtin_return_address(0), 1);
  *to = block;
  return 0;
}

void free(void* block) {
  count(block, __builtin_return_address(0), -1);
  __libc_free(block);
}

}  // extern "C"

namespace spark_test {

const char* heap_not_counted() {
  static const bool apart = onednn_is_apart();
  return apart ? nullptr : "oneDNN is linked into this program: its memory cannot be told from ours";
}

HeapCounter::HeapCounter() {
  ours.clear(), onednn.clear();
  counting = true;
}
HeapCounter::~HeapCounter() { counting = false; }
HeapUse HeapCounter::most() const { return {ours.most, onednn.most}; }

}  // namespace spark_test

#else

namespace spark_test {

const char* heap_not_counted() {
  return kSanitized ? "a sanitizer has the heap" : "only glibc's heap is counted: this system has another";
}
HeapCounter::HeapCounter() = default;
HeapCounter::~HeapCounter() = default;
HeapUse HeapCounter::most() const { return {}; }

}  // namespace spark_test
#endif
