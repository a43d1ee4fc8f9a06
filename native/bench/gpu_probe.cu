// What cuBLASLt has to offer on this device for the products of a Llama-3.1-8B block, as one JSON document: for bf16
// the first algorithm that its heuristic names beside the best of eight, and whether it multiplies FP8 with a scale a
// row (CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F), with one a matrix, and how fast.
//
//   gpu_probe [tokens]      (a target of the CUDA build)
//
// Rates are of random data: a product of zeros draws less power and runs faster.
#include <cublasLt.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr size_t kWorkspace = size_t{64} << 20;
constexpr int kAlgorithms = 8;

#define CHECK(call)                                                                        \
  do {                                                                                     \
    const int status = static_cast<int>(call);                                             \
    if (status != 0) std::fprintf(stderr, "%s: status %d\n", #call, status), std::exit(1); \
  } while (0)

struct Shape {
  const char* name;
  int64_t m, n, k;
  bool transposed;  // the frozen matrix, as forward passes read it
};

// y (m, n) = x (m, k) W, as column-major cuBLASLt sees it: (n, m) = W' (n, k) x' (k, m).
struct Product {
  cublasLtMatmulDesc_t operation{};
  cublasLtMatrixLayout_t a{}, b{}, d{};
};

__global__ void fill_random(uint8_t* bytes, size_t count, bool fp8) {
  const size_t i = blockIdx.x * size_t{256} + threadIdx.x;
  if (i >= count) return;
  uint32_t x = static_cast<uint32_t>(i) * 2654435761u;
  x ^= x >> 15, x *= 2246822519u, x ^= x >> 13;
  // bf16, high byte: a sign and an exponent near that of 1/4; FP8 e4m3 likewise. No NaN.
  bytes[i] = fp8     ? static_cast<uint8_t>((x & 0x87) | 0x28)
             : i % 2 ? static_cast<uint8_t>((x & 0x80) | 0x3e)
                     : static_cast<uint8_t>(x);
}

__global__ void fill_ones(float* x, size_t count) {
  const size_t i = blockIdx.x * size_t{256} + threadIdx.x;
  if (i < count) x[i] = 1.0f;
}

struct Device {
  cublasLtHandle_t handle{};
  cudaStream_t stream{};
  uint8_t *x = nullptr, *w = nullptr, *y = nullptr, *workspace = nullptr;
  float* scales = nullptr;
  cudaEvent_t from{}, to{};
};

// Microseconds of each algorithm that the heuristic names, in its order; empty where it knows none.
std::vector<double> times(Device& device, Product& p, std::string& why) {
  cublasLtMatmulPreference_t preference{};
  CHECK(cublasLtMatmulPreferenceCreate(&preference));
  CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &kWorkspace,
                                             sizeof kWorkspace));
  cublasLtMatmulHeuristicResult_t found[kAlgorithms];
  int count = 0;
  const cublasStatus_t asked = cublasLtMatmulAlgoGetHeuristic(device.handle, p.operation, p.a, p.b, p.d, p.d,
                                                              preference, kAlgorithms, found, &count);
  cublasLtMatmulPreferenceDestroy(preference);
  if (asked != CUBLAS_STATUS_SUCCESS) why = cublasLtGetStatusString(asked), count = 0;
  std::vector<double> all;
  const float one = 1, zero = 0;
  for (int i = 0; i < count; ++i) {
    const auto run = [&] {
      return cublasLtMatmul(device.handle, p.operation, &one, device.w, p.a, device.x, p.b, &zero, device.y, p.d,
                            device.y, p.d, &found[i].algo, device.workspace, kWorkspace, device.stream);
    };
    if (run() != CUBLAS_STATUS_SUCCESS) continue;
    constexpr int kRuns = 8;
    std::vector<float> rounds;
    for (int round = 0; round < 3; ++round) {
      CHECK(cudaEventRecord(device.from, device.stream));
      for (int r = 0; r < kRuns; ++r) run();
      CHECK(cudaEventRecord(device.to, device.stream));
      CHECK(cudaEventSynchronize(device.to));
      float ms = 0;
      CHECK(cudaEventElapsedTime(&ms, device.from, device.to));
      rounds.push_back(ms / kRuns);
    }
    std::sort(rounds.begin(), rounds.end());
    all.push_back(rounds[1] * 1e3);
  }
  return all;
}

enum class Scale { None, Matrix, Row };

std::vector<double> measure(Device& device, const Shape& s, cudaDataType_t inputs, cudaDataType_t output, Scale scale,
                            std::string& why) {
  Product p;
  CHECK(cublasLtMatmulDescCreate(&p.operation, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  const auto set = [&](cublasLtMatmulDescAttributes_t which, const auto& value) {
    return cublasLtMatmulDescSetAttribute(p.operation, which, &value, sizeof value);
  };
  CHECK(set(CUBLASLT_MATMUL_DESC_TRANSA, s.transposed ? CUBLAS_OP_T : CUBLAS_OP_N));
  CHECK(set(CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N));
  if (scale != Scale::None) {
    const void* scales = device.scales;
    CHECK(set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, scales));
    CHECK(set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, scales));
    if (scale == Scale::Row) {
      const int32_t mode = CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;
      if (set(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, mode) != CUBLAS_STATUS_SUCCESS ||
          set(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, mode) != CUBLAS_STATUS_SUCCESS) {
        why = "the scale mode is not known to this cuBLASLt";
        return {};
      }
    }
  }
  const int64_t rows = s.transposed ? s.k : s.n, cols = s.transposed ? s.n : s.k;
  CHECK(cublasLtMatrixLayoutCreate(&p.a, inputs, rows, cols, rows));
  CHECK(cublasLtMatrixLayoutCreate(&p.b, inputs, s.k, s.m, s.k));
  CHECK(cublasLtMatrixLayoutCreate(&p.d, output, s.n, s.m, s.n));
  std::vector<double> all = times(device, p, why);
  for (const auto layout : {p.a, p.b, p.d}) cublasLtMatrixLayoutDestroy(layout);
  cublasLtMatmulDescDestroy(p.operation);
  return all;
}

void print(bool first, const Shape& s, const char* type, const std::vector<double>& all, const std::string& why) {
  std::printf("%s\n  {\"product\": \"%s\", \"type\": \"%s\", \"m\": %lld, \"n\": %lld, \"k\": %lld", first ? "" : ",",
              s.name, type, static_cast<long long>(s.m), static_cast<long long>(s.n), static_cast<long long>(s.k));
  if (all.empty()) {
    std::printf(", \"offered\": false, \"why\": \"%s\"}", why.c_str());
    return;
  }
  const double best = *std::min_element(all.begin(), all.end()), flop = 2.0 * s.m * s.n * s.k;
  std::printf(
      ", \"offered\": true, \"algorithms\": %zu, \"first_us\": %.1f, \"best_us\": %.1f, \"first_tflops\": %.0f, "
      "\"best_tflops\": %.0f}",
      all.size(), all[0], best, flop / all[0] * 1e-6, flop / best * 1e-6);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t tokens = argc > 1 ? std::atoll(argv[1]) : 4096, C = 4096, F = 14336, V = 128256;
  Device device;
  CHECK(cublasLtCreate(&device.handle));
  CHECK(cudaStreamCreate(&device.stream));
  CHECK(cudaEventCreate(&device.from));
  CHECK(cudaEventCreate(&device.to));
  const size_t x = 2 * std::max(tokens * 2 * F, int64_t{1024} * V), w = 2 * V * C, scales = std::max(tokens, V);
  CHECK(cudaMalloc(&device.x, x));
  CHECK(cudaMalloc(&device.w, w));
  CHECK(cudaMalloc(&device.y, 4 * std::max(tokens * 2 * F, int64_t{1024} * V)));
  CHECK(cudaMalloc(&device.workspace, kWorkspace));
  CHECK(cudaMalloc(&device.scales, scales * sizeof(float)));
  const auto blocks = [](size_t count) { return static_cast<unsigned>((count + 255) / 256); };
  const auto refill = [&](bool fp8) {
    fill_random<<<blocks(x), 256>>>(device.x, x, fp8);
    fill_random<<<blocks(w), 256>>>(device.w, w, fp8);
    fill_ones<<<blocks(scales), 256>>>(device.scales, scales);
    CHECK(cudaDeviceSynchronize());
  };
  // Forward (W read transposed) and backward of each matrix, as they are and as P4 would stack them; the output head at
  // several numbers of rows.
  std::vector<Shape> shapes = {
      {"q, o forward", tokens, C, C, true},
      {"q, o backward", tokens, C, C, false},
      {"k, v forward", tokens, 1024, C, true},
      {"k, v backward", tokens, C, 1024, false},
      {"q k v stacked forward", tokens, 6144, C, true},
      {"q k v stacked backward", tokens, C, 6144, false},
      {"gate, up forward", tokens, F, C, true},
      {"gate, up backward", tokens, C, F, false},
      {"gate up stacked forward", tokens, 2 * F, C, true},
      {"gate up stacked backward", tokens, C, 2 * F, false},
      {"down forward", tokens, C, F, true},
      {"down backward", tokens, F, C, false},
  };
  std::printf("{\"cublaslt\": %zu, \"products\": [", cublasLtGetVersion());
  bool first = true;
  refill(false);
  std::string why;
  for (const Shape& s : shapes) {
    print(first, s, "bf16", measure(device, s, CUDA_R_16BF, CUDA_R_16BF, Scale::None, why), why);
    first = false;
  }
  for (const int64_t rows : {523, 512, 768, 1024}) {
    print(false, {"output head forward", rows, V, C, true}, "bf16",
          measure(device, {"", rows, V, C, true}, CUDA_R_16BF, CUDA_R_32F, Scale::None, why), why);
    print(false, {"output head backward", rows, C, V, false}, "bf16",
          measure(device, {"", rows, C, V, false}, CUDA_R_16BF, CUDA_R_16BF, Scale::None, why), why);
  }
  refill(true);
  for (const Shape& s : shapes) {
    if (!s.transposed) continue;  // FP8 is multiplied in this form alone: backward passes read a copy of Wᵀ
    print(false, s, "fp8, a scale a row", measure(device, s, CUDA_R_8F_E4M3, CUDA_R_16BF, Scale::Row, why), why);
    print(false, s, "fp8, a scale a matrix", measure(device, s, CUDA_R_8F_E4M3, CUDA_R_16BF, Scale::Matrix, why), why);
  }
  std::printf("\n]}\n");
  return 0;
}
