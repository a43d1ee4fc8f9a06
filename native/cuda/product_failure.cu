// What the failure of a product means (products.h). An earlier kernel's fault is asynchronous, and the first call to
// notice it is often the next product: its status says nothing of the device, so the device is asked.
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
