// Chooses a backend by name: the only place that knows them all.
#pragma once

#include <memory>
#include <string>

#include "ops/backend.h"

namespace spark {

// `name` auto, cpu or cuda; auto is cuda where that works and `compute` allows it. `compute` auto, f32, bf16 or fp8;
// auto is f32 on the CPU and bf16 on CUDA, which has no f32; fp8 is CUDA's alone, on Hopper. `device` is a GPU as CUDA
// counts them. auto falls back to the CPU only for device 0, the default: whoever names another wants that one. Throws
// backend_unavailable with the reason, unsupported_compute, and invalid_argument for another name.
std::unique_ptr<Backend> make_backend(const std::string& name, int threads, const std::string& compute = "auto",
                                      int device = 0);

// The CUDA backend of its shared library (factory_cuda.cpp), with bf16 or fp8. Throws backend_unavailable with the
// reason.
std::unique_ptr<Backend> make_cuda_backend(int device, Compute compute = Compute::Bf16);

}  // namespace spark
