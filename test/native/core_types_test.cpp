// Tensor type names and sizes.
#include <doctest/doctest.h>

#include <string>

#include "core/error.h"
#include "core/gguf.h"

using namespace spark;

TEST_CASE("tensor type names and sizes are those of the ggml format") {
  CHECK(std::string(tensor_type_name(1)) == "F16");
  CHECK(std::string(tensor_type_name(30)) == "BF16");
  CHECK(std::string(tensor_type_name(99)) == "type 99");
  CHECK(tensor_bytes(TensorType::F32, 7) == 28);
  CHECK(tensor_bytes(TensorType::BF16, 7) == 14);
  CHECK(tensor_bytes(TensorType::Q8_0, 64) == 68);
  CHECK(tensor_bytes(TensorType::Q4_0, 32) == 18);
  CHECK(tensor_bytes(TensorType::Q4_K, 256) == 144);
  CHECK(tensor_bytes(TensorType::Q5_K, 256) == 176);
  CHECK(tensor_bytes(TensorType::Q6_K, 512) == 420);
}

TEST_CASE("a count that cuts a block is refused") {
  try {
    tensor_bytes(TensorType::Q8_0, 33);
    FAIL("33 values of Q8_0 were accepted");
  } catch (const Error& e) {
    CHECK(e.code() == "invalid_argument");
    CHECK(std::string(e.what()).find("multiple of 32") != std::string::npos);
  }
}
