// Which of the levels of kernels.cpp is used.
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "cpu/kernels.h"

namespace spark {

const Kernels& kernels_at(std::string_view level) {
  const std::vector<const Kernels*> here = kernels_here();
  if (level.empty()) return *here.front();
  std::string names;
  for (const Kernels* each : here) {
    if (each->level == level) return *each;
    names += (names.empty() ? "" : " or ") + std::string(each->level);
  }
  throw Error("invalid_argument", "SPARK_RL_CPU_LEVEL: expected a level that this processor has, " + names + ", got " +
                                      std::string(level) + "; leave it unset for the highest");
}

const Kernels& kernels() {
  static const Kernels& chosen = [&]() -> const Kernels& {
    const char* level = std::getenv("SPARK_RL_CPU_LEVEL");
    return kernels_at(level ? level : "");
  }();
  return chosen;
}

}  // namespace spark
