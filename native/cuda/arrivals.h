// Counters in shared memory by which threads of one block wait for what others bring or are done with (mbarrier).
// Unlike __syncthreads they let each warpgroup go on as soon as what it needs itself is there.
//
// An Arrivals counts phases 0, 1, 2 …; a phase is complete when as many threads have arrived as set() was told, and all
// bytes that expect() announced. Who waits names the parity of the phase that has to be complete. Of neighbouring
// phases one is complete and the other is not, so a waiter must never be two phases behind. For a ring of slots, the
// use number n of a ring of S slots is use n / S of its slot:
//
//   filled: phase n / S is the arrival of use n. Readers wait for parity (n / S) % 2.
//
//   emptied: phase n / S is the end of use n. Before use n is loaded, phase n / S − 1 has to be complete: parity (n / S
//   + 1) % 2. For the first use that is the phase before phase 0, which counts as complete.
//
// Neither can be two phases off: use n + S is not loaded before use n is emptied by all of its readers, each of whom
// had then waited for its arrival; and the loading thread itself waits for each phase of emptied.
#pragma once

#include "cuda/warpgroup.h"

namespace spark::cuda {

#ifdef SPARK_CUDA_EMULATED

struct Arrivals {
  uint64_t* word;

  __device__ void set(unsigned threads) const { emulated::set_arrivals(word, threads); }
  __device__ void arrive() const { emulated::arrive(word); }
  __device__ void expect(unsigned bytes) const {
    emulated::expect_bytes(word, bytes);
    emulated::arrive(word);
  }
  __device__ void wait(unsigned parity) const { emulated::wait_for_arrivals(word, parity % 2 == 1); }
};

__device__ inline void share_arrivals() {}
template <int REGISTERS>
__device__ inline void give_registers() {}
template <int REGISTERS>
__device__ inline void take_registers() {}

#else

struct Arrivals {
  uint64_t* word;

  __device__ void set(unsigned threads) const {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(shared_address(word)), "r"(threads) : "memory");
  }
  __device__ void arrive() const {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(shared_address(word)) : "memory");
  }
  // Arrives, and the phase is also to wait for so many bytes.
  __device__ void expect(unsigned bytes) const {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(shared_address(word)), "r"(bytes)
                 : "memory");
  }
  // Until the phase of this parity is complete. A kernel whose threads wait for ever would take the device from
  // everyone: after ten seconds it gives up instead, which is an error to the host.
  __device__ void wait(unsigned parity) const {
    const uint32_t address = shared_address(word);
    if (complete(address, parity)) return;
    constexpr uint64_t kLongest = 10'000'000'000;  // ns
    const uint64_t start = nanoseconds();
    while (!complete(address, parity)) {
      if (nanoseconds() - start > kLongest) __trap();
    }
  }

 private:
  __device__ static uint64_t nanoseconds() {
    uint64_t now;
    asm volatile("mov.u64 %0, %%globaltimer;\n" : "=l"(now));
    return now;
  }
  __device__ static bool complete(uint32_t address, uint32_t parity) {
    uint32_t yes;
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}\n"
                 : "=r"(yes)
                 : "r"(address), "r"(parity % 2)
                 : "memory");
    return yes != 0;
  }
};

// What set() wrote is seen by all threads behind the next barrier, and by the units that copy.
__device__ inline void share_arrivals() {
  asm volatile("fence.mbarrier_init.release.cluster;\n" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
}

// A warpgroup goes on with so many registers a thread: what one gives another can take.
template <int REGISTERS>
__device__ inline void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(REGISTERS));
}
template <int REGISTERS>
__device__ inline void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(REGISTERS));
}

#endif

// The slot of each use of a ring, in turn, and the parity of its phase.
template <int SLOTS>
struct Turn {
  int slot = 0;
  unsigned parity = 0;

  __device__ void next() {
    if (++slot < SLOTS) return;
    slot = 0;
    parity ^= 1;
  }
};

}  // namespace spark::cuda
