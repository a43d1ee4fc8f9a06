#include "cuda/uploader.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "core/error.h"

namespace spark::cuda {

namespace {

constexpr size_t kBuffer = size_t{32} << 20;
constexpr unsigned kCopyThreads = 4;  // one core copies about as fast as half the bus

void copy_in_parallel(std::byte* to, const std::byte* from, size_t bytes) {
  const size_t part = (bytes / kCopyThreads + 4095) / 4096 * 4096;  // whole pages
  std::vector<std::thread> threads;
  for (unsigned t = 1; t < kCopyThreads && t * part < bytes; ++t) {
    threads.emplace_back([=] { std::memcpy(to + t * part, from + t * part, std::min(part, bytes - t * part)); });
  }
  std::memcpy(to, from, std::min(part, bytes));
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

struct Uploader::State {
  struct Buffer {
    std::byte* data = nullptr;  // pinned
    cudaEvent_t free{};         // what was in it has left
  };

  explicit State(Stream own) : stream(own) {}
  // Not done by the constructor: it could throw half way, and then no destructor would release what it had made.
  void allocate() {
    for (Buffer& buffer : buffers) {
      check(cudaMallocHost(&buffer.data, kBuffer), "cudaMallocHost");
      check(cudaEventCreateWithFlags(&buffer.free, cudaEventDisableTiming), "cudaEventCreate");
    }
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    for (Buffer& buffer : buffers) {
      if (buffer.free) cudaEventSynchronize(buffer.free), cudaEventDestroy(buffer.free);
      cudaFreeHost(buffer.data);
    }
  }

  Stream stream;
  Buffer buffers[2];
  int turn = 0;
};

Uploader::Uploader(Stream stream) : state_(std::make_unique<State>(stream)) { state_->allocate(); }
Uploader::~Uploader() = default;

void Uploader::copy(void* to, size_t pitch, const void* host, size_t row_bytes, int64_t rows) {
  if (row_bytes > kBuffer) throw Error("unsupported_file", "a matrix row of more than 32 MiB");
  const int64_t most = static_cast<int64_t>(kBuffer / row_bytes);
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t here = std::min(most, rows - first);
    State::Buffer& buffer = state_->buffers[state_->turn ^= 1];
    check(cudaEventSynchronize(buffer.free), "cudaEventSynchronize");
    copy_in_parallel(buffer.data, static_cast<const std::byte*>(host) + first * row_bytes, here * row_bytes);
    check(cudaMemcpy2DAsync(static_cast<std::byte*>(to) + first * pitch, pitch, buffer.data, row_bytes, row_bytes, here,
                            cudaMemcpyHostToDevice, state_->stream),
          "copy of weights to the device");
    check(cudaEventRecord(buffer.free, state_->stream), "cudaEventRecord");
  }
}

}  // namespace spark::cuda
