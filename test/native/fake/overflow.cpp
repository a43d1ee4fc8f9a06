// Makes the sanitized engine read one value past the end of an array. A run that is not stopped is a test that failed.
#include <memory>
#include <vector>

#include "factory.h"

int main() {
  const std::vector<float> x(7, 1.0f);
  std::vector<float> y(8, 1.0f);
  spark::make_backend("cpu", 1)->add(y.data(), x.data(), 8);
  return 0;
}
