// What the failure of a product means (products.h). A kernel's fault is reported by a later call, often by the next
// product, and that call's status does not say whether the device still works. So the device is asked.
#include "core/error.h"
#include "cuda/lost.h"
#include "cuda/memory.h"
#include "cuda/products.h"

namespace spark::cuda {

void product_failed(const std::string& text, Stream stream) {
  const std::string lost = sticky_error(stream);
  if (!lost.empty()) lose_device(text + ", behind " + lost);
  throw Error("internal", text);
}

}  // namespace spark::cuda
