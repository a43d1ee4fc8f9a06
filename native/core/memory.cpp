#include "core/memory.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

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

// What the container's limit leaves (cgroup v2, then v1); a large number when there is none.
int64_t container_available() {
  constexpr struct {
    const char *limit, *used;
  } kFiles[] = {{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
                {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};
  for (const auto& [limit_file, used_file] : kFiles) {
    const int64_t limit = number_in(limit_file), used = number_in(used_file);
    if (limit >= 0 && used >= 0) return std::max<int64_t>(limit - used, 0);
  }
  return std::numeric_limits<int64_t>::max();
}

}  // namespace

int64_t available_memory() { return std::min(system_available(), container_available()); }

}  // namespace spark
