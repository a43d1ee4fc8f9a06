// What every benchmark program measures with: a clock, a median, and the peak of this process's resident memory.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace spark::bench {

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Peak resident bytes since `restart`: Linux forgets the high-water mark when 5 is written to /proc/self/clear_refs.
// Elsewhere it is the peak since the process began, and `how` says so. File-mapped weights count once they are touched,
// as they do in the peers.
class PeakMemory {
 public:
  void restart() {
    std::ofstream refs("/proc/self/clear_refs");
    since_restart_ = static_cast<bool>(refs << 5 << std::flush);
  }
  const char* how() const {
    return since_restart_ ? "VmHWM after a reset through /proc/self/clear_refs" : "ru_maxrss since the process began";
  }
  double bytes() const {
    if (since_restart_) return status_bytes("VmHWM:");
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
    return static_cast<double>(usage.ru_maxrss);
#else
    return static_cast<double>(usage.ru_maxrss) * 1024;
#endif
  }
  // Resident now; 0 where /proc does not say.
  static double resident() { return status_bytes("VmRSS:"); }

 private:
  static double status_bytes(const std::string& key) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      double kib = 0;
      if (word == key && status >> kib) return kib * 1024;
    }
    return 0;
  }
  bool since_restart_ = false;
};

}  // namespace spark::bench
