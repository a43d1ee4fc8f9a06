// How a tensor is described to the copying unit (cuTensorMapEncodeTiled). It is the driver's: asked for at run time, so
// that the library opens without a driver.
#include "cuda/tile_map.h"

#include "core/error.h"
#include "cuda/runtime.h"

namespace spark::cuda {

#ifdef SPARK_CUDA_EMULATED

TileMap tile_map(const Bf16* x, int64_t tokens, int heads, int D, int rows) { return {x, tokens, heads, D, rows}; }

#else

namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

Encode find_encode() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  constexpr unsigned kSince = 12000;
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, kSince, cudaEnableDefault, &found),
        "cudaGetDriverEntryPointByVersion");
  if (found != cudaDriverEntryPointSuccess || !function) {
    throw Error("backend_unavailable", "backend cuda: the driver has no cuTensorMapEncodeTiled; update it");
  }
  return reinterpret_cast<Encode>(function);
}

}  // namespace

TileMap tile_map(const Bf16* x, int64_t tokens, int heads, int D, int rows) {
  static const Encode encode = find_encode();
  constexpr int kRank = 3;
  const cuuint64_t token_bytes = cuuint64_t{sizeof(Bf16)} * static_cast<cuuint64_t>(D);
  const cuuint64_t dims[kRank] = {static_cast<cuuint64_t>(D), static_cast<cuuint64_t>(heads),
                                  static_cast<cuuint64_t>(tokens)};
  const cuuint64_t strides[kRank - 1] = {token_bytes, token_bytes * static_cast<cuuint64_t>(heads)};
  const cuuint32_t box[kRank] = {64, 1, static_cast<cuuint32_t>(rows)};
  const cuuint32_t every[kRank] = {1, 1, 1};
  TileMap map;
  const CUresult status = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, kRank, const_cast<Bf16*>(x), dims, strides,
                                 box, every, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS) {
    throw Error("internal", "cuTensorMapEncodeTiled: error " + std::to_string(static_cast<int>(status)));
  }
  return map;
}

#endif

}  // namespace spark::cuda
