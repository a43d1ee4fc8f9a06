// cuBLASLt behind products.h. It is column-major: our row-major c (m, n) is its (n, m), so the factors change places
// and keep their transposes. Plans (descriptors and the chosen algorithm) are kept: asking for one costs more than
// running a small product.
#include "cuda/products.h"

#include <cublasLt.h>

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "core/error.h"
#include "cuda/memory.h"

namespace spark::cuda {

namespace {

void check_lt(cublasStatus_t status, const char* what, Stream stream) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  const std::string text = std::string(what) + ": " + cublasLtGetStatusString(status);
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw Error("out_of_memory", text);
  product_failed(text, stream);
}

cudaDataType_t type_of(Number number) {
  switch (number) {
    case Number::F32:
      return CUDA_R_32F;
    case Number::E4m3:
      return CUDA_R_8F_E4M3;
    default:
      return CUDA_R_16BF;
  }
}

// The matrix that cuBLASLt is to add to the product. Without an addend it is c itself times 0, which is not read.
const void* addend_of(const Product& p) { return p.addend ? p.addend : p.c; }

// The largest power of two, at most 256, that divides the address.
uint32_t alignment_of(const void* memory) {
  const auto address = reinterpret_cast<uintptr_t>(memory) | 256;
  return static_cast<uint32_t>(address & (~address + 1));
}

}  // namespace

struct Products::State {
  struct Plan {
    cublasLtMatmulDesc_t operation{};
    cublasLtMatrixLayout_t a{}, b{}, c{};
    cublasLtMatmulAlgo_t algorithm{};

    Plan() = default;
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;
    ~Plan() {
      if (operation) cublasLtMatmulDescDestroy(operation);
      for (const auto layout : {a, b, c}) {
        if (layout) cublasLtMatrixLayoutDestroy(layout);
      }
    }
  };
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, bool, bool, int, int, bool, uint32_t,
                         uint32_t, uint32_t, uint32_t>;

  explicit State(Stream own) : stream(own), workspace(device_allocate(kWorkspace)) {
    const cublasStatus_t status = cublasLtCreate(&handle);
    if (status == CUBLAS_STATUS_SUCCESS) return;
    device_release(workspace);
    check_lt(status, "cublasLtCreate", stream);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    plans.clear();
    cublasLtDestroy(handle);
    device_release(workspace);
  }
  const Plan& plan(const Product& p);
  void choose(Plan& plan, const Product& p);
  void set_scales(const Plan& plan, const Product& p);

  Stream stream;
  void* workspace;
  cublasLtHandle_t handle{};
  std::map<Key, std::unique_ptr<Plan>> plans;
};

void Products::State::set_scales(const Plan& plan, const Product& p) {
  const auto set = [&](cublasLtMatmulDescAttributes_t which, const float* scales) {
    check_lt(cublasLtMatmulDescSetAttribute(plan.operation, which, &scales, sizeof scales), "matmul scales", stream);
  };
  set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, p.b_scales);
  set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, p.a_scales);
}

void Products::State::choose(Plan& plan, const Product& p) {
  const auto attribute = [&](cublasLtMatmulDescAttributes_t which, const auto& value) {
    check_lt(cublasLtMatmulDescSetAttribute(plan.operation, which, &value, sizeof value), "matmul attribute", stream);
  };
  const auto layout = [&](cublasLtMatrixLayout_t& to, Number type, int64_t rows, int64_t cols, int64_t ld) {
    check_lt(
        cublasLtMatrixLayoutCreate(&to, type_of(type), static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), ld),
        "matrix layout", stream);
  };
  check_lt(cublasLtMatmulDescCreate(&plan.operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), "matmul descriptor", stream);
  attribute(CUBLASLT_MATMUL_DESC_TRANSA, p.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  attribute(CUBLASLT_MATMUL_DESC_TRANSB, p.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (p.inputs == Number::E4m3) {
    const int32_t mode =
        CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;  // c[i, j] is multiplied by both its factors' scales
    attribute(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, mode);
    attribute(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, mode);
    set_scales(plan, p);  // without any the choice below knows of none
  }
  layout(plan.a, p.inputs, p.b.transposed ? p.k : p.n, p.b.transposed ? p.n : p.k, p.b.stride);
  layout(plan.b, p.inputs, p.a.transposed ? p.m : p.k, p.a.transposed ? p.k : p.m, p.a.stride);
  layout(plan.c, p.output, p.n, p.m, p.stride);

  cublasLtMatmulPreference_t preference{};
  check_lt(cublasLtMatmulPreferenceCreate(&preference), "matmul preference", stream);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t which, const auto& value) {
    return cublasLtMatmulPreferenceSetAttribute(preference, which, &value, sizeof value);
  };
  const size_t most = kWorkspace;
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  const cublasStatus_t statuses[] = {prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most),
                                     prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(p.b.data)),
                                     prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(p.a.data)),
                                     prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(addend_of(p))),
                                     prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(p.c)),
                                     cublasLtMatmulAlgoGetHeuristic(handle, plan.operation, plan.a, plan.b, plan.c,
                                                                    plan.c, preference, 1, &found, &count)};
  cublasLtMatmulPreferenceDestroy(preference);
  for (const cublasStatus_t status : statuses) check_lt(status, "choice of a matmul algorithm", stream);
  if (count == 0) throw Error("internal", "cuBLASLt knows no algorithm for a product");
  plan.algorithm = found.algo;
}

const Products::State::Plan& Products::State::plan(const Product& p) {
  constexpr size_t kMostPlans = 4096;  // batches of many sizes would collect plans without end
  if (plans.size() >= kMostPlans) plans.clear();
  const Key key{p.m,
                p.n,
                p.k,
                p.a.stride,
                p.b.stride,
                p.stride,
                p.a.transposed,
                p.b.transposed,
                static_cast<int>(p.inputs),
                static_cast<int>(p.output),
                p.addend != nullptr,
                alignment_of(p.a.data),
                alignment_of(p.b.data),
                alignment_of(p.c),
                alignment_of(addend_of(p))};
  std::unique_ptr<Plan>& own = plans[key];
  if (own) return *own;
  auto made = std::make_unique<Plan>();
  choose(*made, p);
  own = std::move(made);
  return *own;
}

Products::Products(Stream stream) : state_(std::make_unique<State>(stream)) {}
Products::~Products() = default;

std::string Products::library() {
  const size_t v = cublasLtGetVersion();  // 130100 for 13.1.0
  return "cuBLASLt " + std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." + std::to_string(v % 100);
}

void Products::run(const Product& p) {
  if (p.m == 0 || p.n == 0) return;
  const State::Plan& plan = state_->plan(p);
  if (p.inputs == Number::E4m3) state_->set_scales(plan, p);
  const float alpha = p.scale, beta = p.addend ? 1.0f : 0.0f;
  check_lt(
      cublasLtMatmul(state_->handle, plan.operation, &alpha, p.b.data, plan.a, p.a.data, plan.b, &beta, addend_of(p),
                     plan.c, p.c, plan.c, &plan.algorithm, state_->workspace, kWorkspace, state_->stream),
      "cublasLtMatmul", state_->stream);
}

}  // namespace spark::cuda
