// LoRA's two products with dy (M, out) in one pass over it: dy B, which becomes du, and dyᵀ u, which is added to dB.
// Each of them alone takes the time of reading dy.
//
// A block has a strip of kStrip columns and a run of rows. It brings dy to shared memory a few rows at a time, in a
// ring of asynchronous copies, and takes both products of what is there. A warp has kOwn columns: their part of B and
// of dB stays in its registers. What its columns give to du is added to what the other warps' give, in shared memory,
// and goes to scratch; dB goes there at the end. A second kernel adds the strips' du and the runs' dB: every sum has
// one order.
//
// Scratch in fp32 is written and read once: 4 R / kStrip and 4 R / (rows of a run) of dy's bytes, 12 % and 6 % for R =
// 16 at (4096, 14336) on 132 multiprocessors. With R above kMostRank that and the registers are too much.
#include <algorithm>

#include "cuda/cuda_backend.h"
#include "cuda/memory.h"
#include "cuda/runtime.h"
#include "cuda/tiles.h"
#include "cuda/vectors.h"

namespace spark::cuda {

namespace {

constexpr int kStrip = 512;                           // columns of a block
constexpr int kOwn = 64;                              // of a warp
constexpr int kColumnWarps = kStrip / kOwn;           // that share rows
constexpr int64_t kMostRank = 32;                     // whose accumulators fit in registers
constexpr int64_t kLeastRows = 256, kLeastOut = 256;  // below, starting two kernels is all that takes time
constexpr int64_t kLeastRun = 128;                    // rows of a block: their dB goes to scratch and back
constexpr int64_t kRunCost = 160;                     // what a run takes beside its rows, in rows: filling the ring, dB
constexpr unsigned kSumThreads = 256;

// How a block works on R up to 16 PAIRS: u and B have PAIRS pairs of tiles of eight columns, zeros from R on.
template <int PAIRS>
struct Block {
  static constexpr int kWide = 16 * PAIRS;
  static constexpr int kGroups = PAIRS == 1 ? 2 : 1;  // of warps with the same columns: registers allow for no more
  static constexpr int kStep = 16 * kGroups;          // rows at a time, 16 a group
  static constexpr int kWarps = kColumnWarps * kGroups;
  static constexpr int kThreads = kWarps * kWarp;
  static constexpr int kStages = 10 / kGroups;  // of the ring: 32 or 16 KiB of dy each
  static constexpr int kUWidth = 64;            // of u's tile, the least that a Tile may have
  static constexpr int kPartial = 16 * kWide;   // values of a warp's du
  static constexpr size_t kStageValues = kStep * (kStrip + kUWidth);
  static constexpr size_t kShared = sizeof(Bf16) * kStages * kStageValues + sizeof(float) * 2 * kWarps * kPartial;
};
constexpr size_t kMostShared = std::max(Block<1>::kShared, Block<2>::kShared);

struct Pass {
  const Bf16 *dy, *u, *b;       // (M, out), (M, R), (out, R)
  int64_t dy_stride, u_stride;  // values from row to row
  float *du, *db;               // (strips, M, R), (runs, out, R)
  int64_t M, out, rows;         // rows of a run
  int R;
};

// Strips × runs of blocks.
struct Grid {
  int64_t strips, runs, rows;
  size_t values(int64_t M, int64_t out, int64_t R) const { return static_cast<size_t>((strips * M + runs * out) * R); }
};

// As many runs as make the slowest of `blocks` multiprocessors, one block at a time, ready first.
Grid grid_of(int64_t M, int64_t out, int64_t blocks) {
  const int64_t strips = (out + kStrip - 1) / kStrip;
  Grid best{};
  int64_t least = INT64_MAX;
  for (int64_t runs = 1; runs == 1 || (M / runs >= kLeastRun && strips * runs <= 4 * blocks); ++runs) {
    constexpr int64_t kWhole = Block<1>::kStep;
    const int64_t rows = ((M + runs - 1) / runs + kWhole - 1) / kWhole * kWhole;
    const int64_t cost = (strips * runs + blocks - 1) / blocks * (rows + kRunCost);
    if (cost < least) least = cost, best = {strips, (M + rows - 1) / rows, rows};
  }
  return best;
}

// b of 16 rows of B from `row` and 16 columns from `col`, as Tile::b_by_rows gives it
__device__ Fragment load_factor(const Pass& in, int64_t row, int col) {
  const int lane = threadIdx.x % kWarp;
  Fragment f;
  SPARK_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int64_t k = row + lane % 4 * 2 + i % 2 * 8;
    const int n = col + lane / 4 + i / 2 * 8;
    const bool there = k < in.out && n < in.R;  // out is even
    const Bf16* from = in.b + k * in.R + n;
    f.word[i] = there ? static_cast<uint32_t>(from[0].bits) | static_cast<uint32_t>(from[in.R].bits) << 16 : 0u;
  }
  return f;
}

template <int PAIRS>
__global__ __launch_bounds__(Block<PAIRS>::kThreads, 1) void both_products(Pass in) {
  using Own = Block<PAIRS>;
  constexpr int kTiles = 2 * PAIRS, kColumns = kOwn / 16;
  SPARK_DYNAMIC_SHARED(Bf16, shared);
  const auto dys = [&](int stage) { return Tile<Own::kStep, kStrip>{shared + stage * Own::kStageValues}; };
  const auto us = [&](int stage) { return Tile<Own::kStep, Own::kUWidth>{dys(stage).data + Own::kStep * kStrip}; };
  float* partial = reinterpret_cast<float*>(shared + Own::kStages * Own::kStageValues);  // (2, kWarps, kPartial)
  const auto partials = [&](int j) { return partial + (j & 1) * (Own::kWarps * Own::kPartial); };

  const int i = static_cast<int>(threadIdx.x), lane = i % kWarp, warp = i / kWarp;
  const int group = warp / kColumnWarps, row0 = group * 16, col0 = warp % kColumnWarps * kOwn;
  const int64_t first_col = int64_t{blockIdx.x} * kStrip, first_row = int64_t{blockIdx.y} * in.rows;
  const int64_t left = in.M - first_row;
  const int rows = static_cast<int>(left < in.rows ? left : in.rows), steps = (rows + Own::kStep - 1) / Own::kStep;

  // This thread's part of a step: eight values of every kAtOnce-th row of dy; the first threads have eight of u, too.
  // What is beyond either's end becomes zero and its address, which may lie outside, is not read. To be called for
  // every step in turn.
  constexpr int kAtOnce = Own::kThreads / (kStrip / 8), kEights = Own::kWide / 8;
  const int dy_row = i / (kStrip / 8), dy_col = i % (kStrip / 8) * 8, u_row = i / kEights, u_col = i % kEights * 8;
  const bool dy_there = first_col + dy_col < in.out, u_there = u_col < in.R;
  const Bf16* dy = in.dy + (first_row + dy_row) * in.dy_stride + first_col + dy_col;
  const Bf16* u = in.u + (first_row + u_row) * in.u_stride + u_col;
  int rest = rows;
  const auto load = [&](int stage) {
    SPARK_UNROLL
    for (int r = 0; r < Own::kStep; r += kAtOnce, dy += kAtOnce * in.dy_stride) {
      copy_16_bytes(dys(stage).eight(dy_row + r, dy_col), dy, dy_there && dy_row + r < rest);
    }
    if (i < Own::kStep * kEights) copy_16_bytes(us(stage).eight(u_row, u_col), u, u_there && u_row < rest);
    u += Own::kStep * in.u_stride, rest -= Own::kStep;
  };
  // du of the strip for the rows of step j: a thread adds what the warps of a group have at the same place of each pair
  // of tiles, where values lie as accumulators do. To be called for every step in turn.
  constexpr int kPair = 256;
  const int place = i % kPair, sum_group = i / kPair;
  const int sum_row = sum_group * 16 + place / 4 % kWarp / 4 + place % 4 / 2 * 8;
  const int sum_col = place / (4 * kWarp) * 8 + place / 4 % 4 * 2 + place % 2;
  float* du_to = in.du + (int64_t{blockIdx.x} * in.M + first_row + sum_row) * in.R + sum_col;
  const auto add_partials = [&](int j) {
    const float* from = partials(j) + sum_group * kColumnWarps * Own::kPartial + place;
    SPARK_UNROLL
    for (int p = 0; p < PAIRS; ++p) {
      float sum = 0;
      SPARK_UNROLL
      for (int w = 0; w < kColumnWarps; ++w) sum += from[w * Own::kPartial + p * kPair];
      if (j * Own::kStep + sum_row < rows && sum_col + 16 * p < in.R) du_to[16 * p] = sum;
    }
    du_to += Own::kStep * in.R;
  };

  for (int stage = 0; stage < Own::kStages - 1; ++stage) {
    if (stage < steps) load(stage);
    commit_copies();
  }
  Fragment factor[kColumns][PAIRS];
  Accumulator db[kColumns][kTiles] = {};
  SPARK_UNROLL
  for (int k = 0; k < kColumns; ++k) {
    SPARK_UNROLL
    for (int p = 0; p < PAIRS; ++p) factor[k][p] = load_factor(in, first_col + col0 + 16 * k, 16 * p);
  }
  int stage = 0, before = Own::kStages - 1;
  for (int j = 0; j < steps; ++j) {
    wait_for_copies<Own::kStages - 2>();
    __syncthreads();  // step j is there for all, and all are done with step j - 1: its stage and its partial sums
    if (j + Own::kStages - 1 < steps) load(before);
    commit_copies();
    if (j > 0) add_partials(j - 1);
    Fragment ub[PAIRS];
    SPARK_UNROLL
    for (int p = 0; p < PAIRS; ++p) ub[p] = us(stage).b_by_rows(row0, 16 * p);
    Accumulator du[kTiles] = {};
    SPARK_UNROLL
    for (int k = 0; k < kColumns; ++k) {
      multiply_row(du, dys(stage).a(row0, col0 + 16 * k), [&](int n) { return factor[k][n / 16]; });
      multiply_row(db[k], dys(stage).a_transposed(row0, col0 + 16 * k), [&](int n) { return ub[n / 16]; });
    }
    auto* to = reinterpret_cast<float4*>(partials(j) + warp * Own::kPartial);
    SPARK_UNROLL
    for (int tile = 0; tile < kTiles; ++tile) {
      to[tile * kWarp + lane] = {du[tile].at[0], du[tile].at[1], du[tile].at[2], du[tile].at[3]};
    }
    before = stage, stage = stage + 1 < Own::kStages ? stage + 1 : 0;
  }
  __syncthreads();  // the last partial sums; nobody reads the ring any more
  add_partials(steps - 1);

  if constexpr (Own::kGroups == 2) {  // dB of the other half of the rows
    auto* other = reinterpret_cast<float4*>(shared) + (warp % kColumnWarps * kColumns * kTiles) * kWarp + lane;
    SPARK_UNROLL
    for (int t = 0; t < kColumns * kTiles; ++t) {
      const Accumulator& c = db[t / kTiles][t % kTiles];
      if (group == 1) other[t * kWarp] = {c.at[0], c.at[1], c.at[2], c.at[3]};
    }
    __syncthreads();
    if (group == 1) return;
    SPARK_UNROLL
    for (int t = 0; t < kColumns * kTiles; ++t) {
      Accumulator& c = db[t / kTiles][t % kTiles];
      const float4 more = other[t * kWarp];
      c.at[0] += more.x, c.at[1] += more.y, c.at[2] += more.z, c.at[3] += more.w;
    }
  }
  float* to = in.db + int64_t{blockIdx.y} * in.out * in.R;
  SPARK_UNROLL
  for (int k = 0; k < kColumns; ++k) {
    SPARK_UNROLL
    for (int t = 0; t < 2 * kTiles; ++t) {
      const int64_t row = first_col + col0 + 16 * k + lane / 4 + t % 2 * 8;
      const int col = t / 2 * 8 + lane % 4 * 2;
      const Accumulator& c = db[k][t / 2];
      if (row < in.out && col < in.R) {
        *reinterpret_cast<float2*>(to + row * in.R + col) = {c.at[t % 2 * 2], c.at[t % 2 * 2 + 1]};
      }
    }
  }
}

// Σ parts[i · stride], i < count, in order; the loads of eight at a time
__device__ float sum_of(const float* parts, int64_t stride, int64_t count) {
  constexpr int kAtOnce = 8;
  float sum = 0;
  for (int64_t first = 0; first < count; first += kAtOnce) {
    float values[kAtOnce];
    SPARK_UNROLL
    for (int i = 0; i < kAtOnce; ++i) values[i] = first + i < count ? parts[(first + i) * stride] : 0.0f;
    SPARK_UNROLL
    for (int i = 0; i < kAtOnce; ++i) sum += values[i];
  }
  return sum;
}

// du (M, R) = scale times the strips' sum, dB (out, R) += the runs' sum: a thread a value, du's first
__global__ void add_blocks(Bf16* du, int64_t stride, float* db, float scale, Pass in, int64_t strips, int64_t runs) {
  const int64_t i = int64_t{blockIdx.x} * kSumThreads + threadIdx.x, dus = in.M * in.R, dbs = in.out * in.R;
  if (i < dus) {
    du[i / in.R * stride + i % in.R] = narrow(scale * sum_of(in.du + i, dus, strips));
  } else if (i - dus < dbs) {
    db[i - dus] += sum_of(in.db + (i - dus), dbs, runs);
  }
}

}  // namespace

int64_t CudaBackend::blocks_of_lora_pass() { return shared_bytes() >= kMostShared ? multiprocessors() : 0; }

size_t CudaBackend::lora_pass_bytes(int64_t M, int64_t out, int64_t R) const {
  if (lora_blocks_ == 0 || M < kLeastRows || out < kLeastOut || out % kVector || R % kVector || R > kMostRank) return 0;
  return grid_of(M, out, lora_blocks_).values(M, out, R) * sizeof(float);
}

bool CudaBackend::lora_pass(Activation* du, float* db, const Activation* dy, int64_t dy_stride, const Activation* u,
                            int64_t stride, const Activation* b, float scale, int64_t M, int64_t out, int64_t R) {
  const size_t bytes = lora_pass_bytes(M, out, R);
  if (bytes == 0 || !vectorizes(dy_stride, {dy, b}) || !vectorizes(stride, {u})) return false;
  const Grid grid = grid_of(M, out, lora_blocks_);
  auto* parts = static_cast<float*>(scratch(kRows, bytes));
  const Pass pass{bf16(dy), bf16(u), bf16(b),   dy_stride,          stride, parts, parts + grid.strips * M * R,
                  M,        out,     grid.rows, static_cast<int>(R)};
  const dim3 blocks(static_cast<unsigned>(grid.strips), static_cast<unsigned>(grid.runs));
  if (R <= Block<1>::kWide) {
    launch(both_products<1>, blocks, Block<1>::kThreads, Block<1>::kShared, stream_, pass);
  } else {
    launch(both_products<2>, blocks, Block<2>::kThreads, Block<2>::kShared, stream_, pass);
  }
  launch(add_blocks, dim3(blocks_for((M + out) * R, kSumThreads)), kSumThreads, 0, stream_, bf16(du), stride, db, scale,
         pass, grid.strips, grid.runs);
  return true;
}

}  // namespace spark::cuda
