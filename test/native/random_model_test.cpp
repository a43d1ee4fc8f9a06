// The benchmarks' models in memory: values of every tensor type have the deviation that trained weights have, so that
// activations neither die nor explode, and a model of them opens and computes.
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "bench/random_gguf.h"
#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "train/model.h"

using namespace spark;
using namespace spark::bench;

TEST_CASE("random values of every type: mean 0, deviation 1/sqrt(columns), and no two chunks alike") {
  for (const TensorType type :
       {TensorType::F32, TensorType::BF16, TensorType::Q8_0, TensorType::Q4_K, TensorType::Q6_K}) {
    const char* name = tensor_type_name(static_cast<uint32_t>(type));
    CAPTURE(name);
    for (const int64_t cols : {512, 4096, 14336}) {
      const double deviation = 1 / std::sqrt(static_cast<double>(cols));
      std::vector<std::byte> bytes(tensor_bytes(type, kChunk));
      std::vector<float> values(kChunk), others(kChunk);
      random_chunk(type, static_cast<float>(deviation), 1, 0, bytes.data());
      dequantize(type, bytes.data(), values.data(), kChunk);
      random_chunk(type, static_cast<float>(deviation), 1, 1, bytes.data());
      dequantize(type, bytes.data(), others.data(), kChunk);
      double sum = 0, squares = 0, product = 0;
      for (size_t i = 0; i < values.size(); ++i) {
        sum += values[i], squares += values[i] * values[i], product += values[i] * others[i];
      }
      const double count = static_cast<double>(kChunk);
      CHECK(std::abs(sum / count) < 0.06 * deviation);  // four deviations of a mean of 4096
      CHECK(std::sqrt(squares / count) == doctest::Approx(deviation).epsilon(0.03));
      CHECK(std::abs(product / count) < 0.06 * deviation * deviation);
    }
  }
}

TEST_CASE("a random model in memory opens with the types of its kind of file and trains") {
  Shape shape = find_shape("30m");
  shape.L = 8, shape.V = 256, shape.F = 512, shape.tied = false;
  const auto file = std::make_shared<RandomGguf>(shape, "Q4_K_M", 1);
  // llama.cpp's rule for eight blocks: the first, the last, and every third between.
  CHECK(file->find("output.weight")->type == TensorType::Q6_K);
  CHECK(file->find("token_embd.weight")->type == TensorType::Q4_K);
  CHECK(file->find("blk.0.attn_v.weight")->type == TensorType::Q6_K);
  CHECK(file->find("blk.1.ffn_down.weight")->type == TensorType::Q4_K);
  CHECK(file->find("blk.3.ffn_down.weight")->type == TensorType::Q6_K);
  CHECK(file->find("blk.3.ffn_up.weight")->type == TensorType::Q4_K);
  CHECK(file->find("blk.7.attn_v.weight")->type == TensorType::Q6_K);
  CHECK(file->find("blk.1.attn_k.weight")->data != file->find("blk.2.attn_k.weight")->data);

  for (const char* type : {"f32", "bf16", "Q8_0", "Q4_K", "Q4_K_M"}) {
    CAPTURE(type);
    const auto model = make_model(std::make_shared<RandomGguf>(shape, type, 1), std::make_unique<CpuBackend>(2));
    const auto adapter = model->create_adapter({});
    const std::vector<int32_t> tokens = {1, 2, 3, 4, 5, 6, 7, 8}, cu = {0, 8};
    const std::vector<uint8_t> mask = {0, 1, 1, 1, 1, 1, 1, 1};
    Batch batch;
    batch.tokens = tokens, batch.cu_seqlens = cu, batch.loss_mask = mask;
    const double loss = adapter->accumulate_sft(batch, 7, nullptr).loss_sum / 7;
    // Near log V, that of no knowledge: logits of deviation about 1 add half a unit.
    CHECK(loss > 0.7 * std::log(256.0));
    CHECK(loss < 1.5 * std::log(256.0));
  }
}

TEST_CASE("a shape or type that is not there is refused by name") {
  CHECK_THROWS_WITH_AS(find_shape("9b"), doctest::Contains("got 9b"), Error);
  CHECK_THROWS_WITH_AS(RandomGguf(find_shape("tiny"), "Q2_K", 1), doctest::Contains("got Q2_K"), Error);
}
