// A device that was lost stays lost: after a sticky error CUDA answers every call of the process with that same error,
// so the first one is kept and every later call on any model says it again, in words.
#pragma once

#include <mutex>
#include <string>

#include "core/error.h"

namespace spark::cuda {

struct LostDevice {
  std::mutex mutex;
  std::string reason;  // of the first sticky error; "" while there was none
};

inline LostDevice& lost_device() {
  static LostDevice lost;
  return lost;
}

inline std::string lost_reason() {
  LostDevice& lost = lost_device();
  const std::lock_guard<std::mutex> lock(lost.mutex);
  return lost.reason;
}

[[noreturn]] inline void lose_device(const std::string& reason) {
  LostDevice& lost = lost_device();
  {
    const std::lock_guard<std::mutex> lock(lost.mutex);
    if (lost.reason.empty()) lost.reason = reason;
  }
  throw Error("device_lost",
              reason +
                  ". The device is lost to this process and every model on it: end the process, start it "
                  "again and resume from the last checkpoint");
}

// Before a call's first op. Throws device_lost.
inline void require_device() {
  const std::string reason = lost_reason();
  if (!reason.empty()) lose_device("an earlier call failed with " + reason);
}

}  // namespace spark::cuda
