// Writes a Llama GGUF of a named shape with seeded random weights: the model that the benchmarks, ours and the peers',
// run on. Streamed, so that its size is bounded by the disk.
//   bench_model SHAPE FILE.gguf [--type f32|bf16] [--seed 1]
//
// Values are uniform with deviation 1/√C_in, 1 for the norms: activations and logits keep the size they have in a
// trained model. The file depends on shape, type and seed alone.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/gguf.h"
#include "core/half.h"
#include "flags.h"
#include "random_values.h"
#include "shapes.h"

using namespace spark;
using namespace spark::bench;

namespace {

struct Options {
  std::string shape, file, type = "f32";
  int64_t seed = 1;
};

class Writer {
 public:
  explicit Writer(AtomicFile& file) : file_(file) {}
  void bytes(const void* data, size_t count) {
    file_.write(static_cast<const char*>(data), count);
    at_ += count;
  }
  template <class T>
  void value(T v) {
    bytes(&v, sizeof v);
  }
  void string(const std::string& text) {
    value<uint64_t>(text.size());
    bytes(text.data(), text.size());
  }
  void key(const std::string& name, uint32_t number) { string(name), value<uint32_t>(4), value(number); }
  void key(const std::string& name, float number) { string(name), value<uint32_t>(6), value(number); }
  void key(const std::string& name, const std::string& text) { string(name), value<uint32_t>(8), string(text); }
  void align() {
    const char zeros[32] = {};
    if (at_ % 32) bytes(zeros, 32 - at_ % 32);
  }

 private:
  AtomicFile& file_;
  uint64_t at_ = 0;
};

void write_metadata(Writer& out, const Shape& s) {
  const auto u32 = [](int64_t number) { return static_cast<uint32_t>(number); };
  out.key("general.architecture", std::string("llama"));
  out.key("general.name", std::string("random ") + s.name);
  out.key("llama.context_length", u32(s.context));
  out.key("llama.embedding_length", u32(s.C));
  out.key("llama.block_count", u32(s.L));
  out.key("llama.feed_forward_length", u32(s.F));
  out.key("llama.attention.head_count", u32(s.H));
  out.key("llama.attention.head_count_kv", u32(s.K));
  out.key("llama.attention.key_length", u32(s.D));
  out.key("llama.attention.value_length", u32(s.D));
  out.key("llama.rope.dimension_count", u32(s.D));
  out.key("llama.vocab_size", u32(s.V));
  out.key("llama.rope.freq_base", s.rope_base);
  out.key("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  out.key("tokenizer.ggml.model", std::string("none"));  // what is not said is refused
}
constexpr uint64_t kMetadata = 15;

void write_values(Writer& out, const ShapeTensor& tensor, bool bf16, uint64_t seed) {
  if (tensor.rows == 0) {
    const std::vector<float> ones(static_cast<size_t>(tensor.cols), 1.0f);
    return out.bytes(ones.data(), ones.size() * sizeof(float));
  }
  for (const char c : tensor.name) seed = mix(seed ^ static_cast<uint64_t>(c));
  const float length = std::sqrt(12.0f / static_cast<float>(tensor.cols));
  std::vector<float> row(static_cast<size_t>(tensor.cols));
  std::vector<uint16_t> half(row.size());
  for (int64_t r = 0; r < tensor.rows; ++r) {
    const uint64_t first = static_cast<uint64_t>(r * tensor.cols);
    for (size_t c = 0; c < row.size(); ++c) {
      row[c] = random_float(seed, first + c, length);
      half[c] = float_to_bf16(row[c]);
    }
    if (bf16) {
      out.bytes(half.data(), half.size() * sizeof(uint16_t));
    } else {
      out.bytes(row.data(), row.size() * sizeof(float));
    }
  }
}

void run(const Options& options) {
  const Shape& shape = find_shape(options.shape);
  const bool bf16 = options.type == "bf16";
  const std::vector<ShapeTensor> tensors = tensors_of(shape);

  AtomicFile file(options.file, true);
  Writer out(file);
  out.bytes("GGUF", 4);
  out.value<uint32_t>(3);
  out.value<uint64_t>(tensors.size());
  out.value<uint64_t>(kMetadata);
  write_metadata(out, shape);
  uint64_t offset = 0;
  for (const ShapeTensor& tensor : tensors) {
    const bool norm = tensor.rows == 0;
    const TensorType kind = bf16 && !norm ? TensorType::BF16 : TensorType::F32;
    out.string(tensor.name);
    out.value<uint32_t>(norm ? 1 : 2);
    out.value<uint64_t>(static_cast<uint64_t>(tensor.cols));  // innermost first
    if (!norm) out.value<uint64_t>(static_cast<uint64_t>(tensor.rows));
    out.value<uint32_t>(static_cast<uint32_t>(kind));
    out.value<uint64_t>(offset);
    offset += (tensor_bytes(kind, tensor.cols * (norm ? 1 : tensor.rows)) + 31) / 32 * 32;
  }
  for (const ShapeTensor& tensor : tensors) {
    out.align();
    write_values(out, tensor, bf16, static_cast<uint64_t>(options.seed));
  }
  out.align();
  file.commit();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  Flags flags("Writes a Llama GGUF of a named shape with seeded random weights");
  flags.word("SHAPE", options.shape, "tiny, 30m, 160m, 1b-layer, 8b (native/bench/shapes.h)");
  flags.word("FILE", options.file, "the GGUF; replaced when it exists");
  flags.text("--type", options.type, "of the weights", {"f32", "bf16"});
  flags.number("--seed", options.seed, 0, "of the values");
  return flags.run(argc, argv, [&] { return run(options), 0; });
}
