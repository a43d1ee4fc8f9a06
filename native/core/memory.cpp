#include "core/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <string_view>

namespace spark {

namespace {

// -1 when the file is not there or holds no number (a limit of "max").
int64_t number_in(const char* path) {
  std::ifstream file(path);
  int64_t value = -1;
  return file >> value ? value : -1;
}

int64_t system_available() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  int64_t kilobytes = 0;
  while (file >> key) {
    if (key == "MemAvailable:" && file >> kilobytes) return kilobytes * 1024;
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  // Elsewhere than on Linux: all there is.
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<int64_t>(pages) * size : 0;
}

// The sum of these lines of a cgroup's memory.stat: cached files, which count as used and are given back when needed.
int64_t cached_files(const char* path, std::string_view first, std::string_view second) {
  std::ifstream file(path);
  std::string key;
  int64_t value = 0, sum = 0;
  while (file >> key >> value) sum += key == first || key == second ? value : 0;
  return sum;
}

// What the container's limit leaves (cgroup v2, then v1); a large number when there is none.
int64_t container_available() {
  constexpr struct {
    const char *limit, *used, *stat;
    std::string_view inactive, active;
  } kVersions[] = {{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat",
                    "inactive_file", "active_file"},
                   {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
                    "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file", "total_active_file"}};
  for (const auto& v : kVersions) {
    const int64_t limit = number_in(v.limit), used = number_in(v.used);
    if (limit < 0 || used < 0) continue;
    return std::max<int64_t>(limit - used + cached_files(v.stat, v.inactive, v.active), 0);
  }
  return std::numeric_limits<int64_t>::max();
}

}  // namespace

int64_t available_memory() { return std::min(system_available(), container_available()); }

}  // namespace spark
