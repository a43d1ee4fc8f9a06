// Frozen projection: y = x Wᵀ, dx = dy W. W stays as the file has it. What the product cannot read (a quantised or half
// type; anything but bf16 when products run in bf16) is unpacked a panel of rows at a time into scratch, and the panel
// is multiplied while it is in cache: a second copy of the weights never exists. Unpacking a value costs about as much
// as multiplying it with 100 rows of x, so it pays off from a few hundred tokens on.
#include <omp.h>

#include <algorithm>

#include "cpu/bf16.h"
#include "cpu/cpu_backend.h"
#include "cpu/kernels.h"

namespace spark {

namespace {

constexpr int64_t kPanel = 1 << 20;  // values of a panel: 4 MB in fp32, so that two cores' second caches hold it

int64_t panel_rows(int64_t rows, int64_t cols) {
  return std::min(rows, std::max<int64_t>(kPanel / cols / 16 * 16, 16));
}

const std::byte* row_data(const Weight& w, int64_t row) {
  return w.data + static_cast<size_t>(row) * tensor_bytes(w.type, w.cols);
}

// A run of W's rows in the type the product reads: where they lie in the file, or unpacked into scratch.
template <class T>
struct Panel {
  const T* data;  // (rows, cols)
  int64_t first, rows;
};

// f(panel) for every panel of W; unpack(to, first, rows) fills scratch, which is null when W is used where it lies.
template <class T, class Unpack, class F>
void each_panel(const Weight& w, T* scratch, Unpack&& unpack, F&& f) {
  if (!scratch) return f(Panel<T>{reinterpret_cast<const T*>(w.data), 0, w.rows});
  const int64_t most = panel_rows(w.rows, w.cols);
  for (int64_t first = 0; first < w.rows; first += most) {
    const int64_t rows = std::min(most, w.rows - first);
    unpack(scratch, first, rows);
    f(Panel<T>{scratch, first, rows});
  }
}

}  // namespace

int64_t panel_values(int64_t rows, int64_t cols) { return panel_rows(rows, cols) * cols; }

float* CpuBackend::panel_scratch(const Weight& w) {
  return w.type == TensorType::F32 ? nullptr : shared_scratch(kPanelSlot, panel_values(w.rows, w.cols));
}

Bf16Bits* CpuBackend::bf16_panel_scratch(const Weight& w) {
  const bool in_place = w.type == TensorType::BF16 && reinterpret_cast<uintptr_t>(w.data) % alignof(Bf16Bits) == 0;
  if (in_place) return nullptr;
  for (int t = 0; t < threads_; ++t) scratch(t, w.cols);  // one row in fp32, before it is rounded
  return reinterpret_cast<Bf16Bits*>(shared_scratch(kPanelSlot, (panel_values(w.rows, w.cols) + 1) / 2));
}

// to (rows, cols) = W from row `first`
void CpuBackend::unpack(float* to, const Weight& w, int64_t first, int64_t rows) {
#pragma omp parallel for schedule(static) if (rows * w.cols > kParallelWork)
  for (int64_t r = 0; r < rows; ++r) dequantize(w.type, row_data(w, first + r), to + r * w.cols, w.cols);
}

void CpuBackend::unpack(Bf16Bits* to, const Weight& w, int64_t first, int64_t rows) {
#pragma omp parallel for schedule(static) if (rows * w.cols > kParallelWork)
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = reinterpret_cast<const float*>(row_data(w, first + r));  // (cols)
    if (w.type != TensorType::F32) {
      float* unpacked = scratch_[static_cast<size_t>(omp_get_thread_num())].data.get();
      dequantize(w.type, row_data(w, first + r), unpacked, w.cols);
      row = unpacked;
    }
    round_to_bf16(to + r * w.cols, row, w.cols);
  }
}

// y (M, out) = x Wᵀ, in fp32 or bf16
template <class T>
void CpuBackend::bf16_linear_forward(T* y, const Bf16Bits* x, const Weight& w, int64_t M) {
  const int64_t in = w.cols, out = w.rows;
  const auto fill = [&](Bf16Bits* to, int64_t first, int64_t rows) { unpack(to, w, first, rows); };
  each_panel<Bf16Bits>(w, bf16_panel_scratch(w), fill, [&](const Panel<Bf16Bits>& p) {
    bf16_->run(y + p.first, out, x, in, p.data, in, true, M, p.rows, in, false);
  });
}

// LoRA and the residual join after the product: a pass over y costs little beside it here.
void CpuBackend::linear_forward(Activation* y, const Activation* x, const Weight& w, const LowRank& lora,
                                const Activation* residual, int64_t M) {
  if (bf16_) {
    bf16_linear_forward(static_cast<Bf16Bits*>(y), static_cast<const Bf16Bits*>(x), w, M);
  } else {
    f32_linear_forward(static_cast<float*>(y), static_cast<const float*>(x), w, M);
  }
  if (lora.u) lora_up(y, lora, M, w.rows);
  if (residual) add_activations(y, residual, M * w.rows);
}

void CpuBackend::output_forward(float* logits, const Activation* x, const Weight& w, const LowRank& lora, int64_t M) {
  if (!bf16_) {
    f32_linear_forward(logits, static_cast<const float*>(x), w, M);
    if (lora.u) lora_up(logits, lora, M, w.rows);
    return;
  }
  bf16_linear_forward(logits, static_cast<const Bf16Bits*>(x), w, M);
  if (!lora.u) return;
  bf16_->run(logits, w.rows, static_cast<const Bf16Bits*>(lora.u), lora.stride,
             static_cast<const Bf16Bits*>(lora.factor), lora.R, true, M, w.rows, lora.R, true);
}

void CpuBackend::f32_linear_forward(float* y, const float* x, const Weight& w, int64_t M) {
  const int64_t in = w.cols, out = w.rows;
  const auto fill = [&](float* to, int64_t first, int64_t rows) { unpack(to, w, first, rows); };
  each_panel<float>(w, panel_scratch(w), fill, [&](const Panel<float>& p) {
    cpu_gemm(false, true, M, p.rows, in, 1.0f, x, in, p.data, in, 0.0f, y + p.first, out);
  });
}

// dy (M, out) with `stride` between its rows. Panels are summed in fp32 and rounded once: dozens of roundings of a
// growing sum would show.
void CpuBackend::bf16_linear_backward(Bf16Bits* dx, const Bf16Bits* dy, int64_t stride, const Weight& w, int64_t M,
                                      bool accumulate) {
  const int64_t in = w.cols, out = w.rows;
  Bf16Bits* panel = bf16_panel_scratch(w);
  if (!panel) {
    return bf16_->run(dx, in, dy, stride, reinterpret_cast<const Bf16Bits*>(w.data), in, false, M, in, out, accumulate);
  }
  float* sums = shared_scratch(kSumsSlot, M * in);  // (M, in)
  const auto fill = [&](Bf16Bits* to, int64_t first, int64_t rows) { unpack(to, w, first, rows); };
  each_panel<Bf16Bits>(w, panel, fill, [&](const Panel<Bf16Bits>& p) {
    bf16_->run(sums, in, dy + p.first, stride, p.data, in, false, M, in, p.rows, p.first > 0);
  });
#pragma omp parallel for schedule(static) if (M * in > kParallelWork)
  for (int64_t m = 0; m < M; ++m) {
    if (accumulate) kernels().add_widened(sums + m * in, dx + m * in, in);
    round_to_bf16(dx + m * in, sums + m * in, in);
  }
}

void CpuBackend::linear_backward(Activation* dx, const Activation* dy, const Weight& w, const LowRank& lora, int64_t M,
                                 bool accumulate) {
  if (bf16_) {
    bf16_linear_backward(static_cast<Bf16Bits*>(dx), static_cast<const Bf16Bits*>(dy), w.rows, w, M, accumulate);
  } else {
    f32_linear_backward(static_cast<float*>(dx), static_cast<const float*>(dy), w, M, accumulate);
  }
  if (lora.u) lora_input(dx, lora, M, w.cols);
}

void CpuBackend::f32_linear_backward(float* dx, const float* dy, const Weight& w, int64_t M, bool accumulate) {
  const int64_t in = w.cols, out = w.rows;
  const auto fill = [&](float* to, int64_t first, int64_t rows) { unpack(to, w, first, rows); };
  each_panel<float>(w, panel_scratch(w), fill, [&](const Panel<float>& p) {
    const float beta = accumulate || p.first > 0 ? 1.0f : 0.0f;
    cpu_gemm(false, false, M, in, p.rows, 1.0f, dy + p.first, out, p.data, in, beta, dx, in);
  });
}

void CpuBackend::output_backward(Activation* dx, const Activation* dlogits, const Weight& w, const LowRank& lora,
                                 int64_t M) {
  if (bf16_) {
    bf16_linear_backward(static_cast<Bf16Bits*>(dx), static_cast<const Bf16Bits*>(dlogits), dlogit_stride(w.rows), w, M,
                         false);
  } else {
    f32_linear_backward(static_cast<float*>(dx), static_cast<const float*>(dlogits), w, M, false);
  }
  if (lora.u) lora_input(dx, lora, M, w.cols);
}

void CpuBackend::add_bias(Activation* y, const Vector& bias, int64_t M) {
  const int64_t out = bias.size;
  with_activation_type(compute_, [&]<class T>(T) {
#pragma omp parallel for schedule(static) if (M * out > kParallelWork)
    for (int64_t m = 0; m < M; ++m) {
      T* row = static_cast<T*>(y) + m * out;  // (out)
#pragma omp simd
      for (int64_t j = 0; j < out; ++j) row[j] = narrow<T>(widen(row[j]) + bias.data[j]);
    }
  });
}

}  // namespace spark
