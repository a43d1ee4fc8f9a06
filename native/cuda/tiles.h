// Tiles of bf16 in shared memory and the tensor core's product of 16 × 8 × 16 (mma.sync; PTX ISA, "Matrix Fragments for
// mma.m16n8k16"). A fragment is spread over a warp; with g = lane / 4 and t = lane % 4 a lane holds
//
//   a (16, 16): rows g and g + 8; columns 2t, 2t + 1, 2t + 8 and 2t + 9
//
//   b (16, 8): rows 2t, 2t + 1, 2t + 8 and 2t + 9; column g
//
//   c (16, 8): c[0], c[1] in row g, columns 2t and 2t + 1; c[2], c[3] in row g + 8
#pragma once

#include "cuda/device.h"

namespace spark::cuda {

// The four words of a lane's a; or b of two neighbouring products, two words each.
struct Fragment {
  uint32_t word[4];
};

struct Accumulator {
  float at[4];
};

// Pairs of neighbours of two accumulators that lie side by side are an a fragment: the scores of one product become a
// factor of the next without leaving their registers.
__device__ inline Fragment as_fragment(const Accumulator& left, const Accumulator& right) {
  return {{narrow_pair(left.at[0], left.at[1]), narrow_pair(left.at[2], left.at[3]),
           narrow_pair(right.at[0], right.at[1]), narrow_pair(right.at[2], right.at[3])}};
}

#ifdef SPARK_CUDA_EMULATED

__device__ inline void multiply_add(Accumulator& c, const Fragment& a, uint32_t b0, uint32_t b1) {
  emulated::multiply_fragments(c.at, a.word, {b0, b1});
}

template <bool TRANSPOSE>
__device__ inline Fragment load_matrices(const Bf16* row) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  std::memcpy(emulated::own_words(), &row, sizeof row);
  emulated::wait_for_warp();
  const auto value = [rows = emulated::words_of_warp()](int matrix, int r, int c) {
    const Bf16* from;
    std::memcpy(&from, rows[8 * matrix + r], sizeof from);
    return static_cast<uint32_t>(from[c].bits);
  };
  Fragment f;
  for (int i = 0; i < 4; ++i) {
    const int g = lane / 4, t = lane % 4 * 2;
    f.word[i] = TRANSPOSE ? value(i, t, g) | value(i, t + 1, g) << 16 : value(i, g, t) | value(i, g, t + 1) << 16;
  }
  return f;
}

__device__ inline void copy_16_bytes(Bf16* to, const Bf16* from, bool wanted) {
  if (!wanted) from = nullptr;
  emulated::start(emulated::Async::Copies, [to, from] {
    if (from) {
      std::memcpy(to, from, 16);
    } else {
      std::memset(to, 0, 16);
    }
  });
}
__device__ inline void commit_copies() { emulated::commit(emulated::Async::Copies); }
template <int PENDING>
__device__ inline void wait_for_copies() {
  emulated::wait_for_groups(emulated::Async::Copies, PENDING);
}

#else

// c += a b
__device__ inline void multiply_add(Accumulator& c, const Fragment& a, uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};\n"
      : "+f"(c.at[0]), "+f"(c.at[1]), "+f"(c.at[2]), "+f"(c.at[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b0), "r"(b1));
}

__device__ inline uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

// Four 8 × 8 matrices; lane 8 i + r gives the address of row r of matrix i. Word i of a lane holds columns 2t and 2t +
// 1 of row g of matrix i, or with TRANSPOSE rows 2t and 2t + 1 of column g.
template <bool TRANSPOSE>
__device__ inline Fragment load_matrices(const Bf16* row) {
  Fragment f;
  if constexpr (TRANSPOSE) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(f.word[0]), "=r"(f.word[1]), "=r"(f.word[2]), "=r"(f.word[3])
                 : "r"(shared_address(row))
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(f.word[0]), "=r"(f.word[1]), "=r"(f.word[2]), "=r"(f.word[3])
                 : "r"(shared_address(row))
                 : "memory");
  }
  return f;
}

// Starts the copy and returns; writes zeros when not wanted.
__device__ inline void copy_16_bytes(Bf16* to, const Bf16* from, bool wanted) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(to)), "l"(from),
               "r"(wanted ? 16 : 0)
               : "memory");
}
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
// Until all but the last PENDING commits of this thread have arrived.
template <int PENDING>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(PENDING) : "memory");
}

#endif

// ROWS × WIDTH values in shared memory. Eight values, 16 bytes, stay together; their place in a row is turned by the
// row's number, so that the eight rows of a matrix lie in different banks.
template <int ROWS, int WIDTH>
struct Tile {
  static constexpr int kValues = ROWS * WIDTH;
  Bf16* data;

  __device__ Bf16* eight(int row, int col) const { return data + row * WIDTH + (((col / 8) ^ (row & 7)) * 8); }

  // From `rows` rows of D values that lie `stride` apart; what is beyond becomes zero. VECTOR: D and stride are
  // multiples of 8 and `from` is aligned. Copies are to be committed and waited for.
  template <bool VECTOR, int THREADS>
  __device__ void load(const Bf16* from, int64_t stride, int64_t rows, int D) const {
    static_assert(kValues / 8 % THREADS == 0);
    SPARK_UNROLL
    for (int at = 0; at < kValues / 8; at += THREADS) {
      const int i = at + static_cast<int>(threadIdx.x), row = i / (WIDTH / 8), col = i % (WIDTH / 8) * 8;
      Bf16* to = eight(row, col);
      if constexpr (VECTOR) {
        const bool wanted = row < rows && col < D;
        copy_16_bytes(to, wanted ? from + row * stride + col : from, wanted);
      } else {
        for (int j = 0; j < 8; ++j) {
          to[j] = row < rows && col + j < D ? from[row * stride + col + j] : Bf16{0};
        }
      }
    }
  }

  // a: rows from `row`, columns from `col`, 16 of each
  __device__ Fragment a(int row, int col) const {
    const int lane = threadIdx.x % kWarp;
    return load_matrices<false>(eight(row + lane % 16, col + lane / 16 * 8));
  }
  // a of the tile's transpose: its rows are the tile's columns from `col`, its columns the tile's rows from `row`
  __device__ Fragment a_transposed(int row, int col) const {
    const int lane = threadIdx.x % kWarp;
    return load_matrices<true>(eight(row + lane % 8 + lane / 16 * 8, col + lane / 8 % 2 * 8));
  }
  // b for rows k and columns n of the product, where the tile holds n as rows: words 0, 1 for n to n + 7, words 2, 3
  // for the next eight
  __device__ Fragment b_by_columns(int n, int k) const {
    const int lane = threadIdx.x % kWarp;
    return load_matrices<false>(eight(n + lane % 8 + lane / 16 * 8, k + lane / 8 % 2 * 8));
  }
  // the same where the tile holds k as rows
  __device__ Fragment b_by_rows(int k, int n) const {
    const int lane = threadIdx.x % kWarp;
    return load_matrices<true>(eight(k + lane % 16, n + lane / 16 * 8));
  }
};

// c (16, 8 TILES) += a (16, 16) times the b that f(tile) gives for columns 8 tile to 8 tile + 15
template <int TILES, class F>
__device__ inline void multiply_row(Accumulator (&c)[TILES], const Fragment& a, F&& f) {
  SPARK_UNROLL
  for (int tile = 0; tile < TILES; tile += 2) {
    const Fragment b = f(tile * 8);
    multiply_add(c[tile], a, b.word[0], b.word[1]);
    multiply_add(c[tile + 1], a, b.word[2], b.word[3]);
  }
}

}  // namespace spark::cuda
