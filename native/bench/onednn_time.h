// Time spent inside oneDNN, counted by standing in front of it: these two definitions take the calls that the library's
// code makes in this program, time them and pass them on to the shared library. Include it in one file of a program.
#pragma once

#include <dlfcn.h>

#include <dnnl.hpp>

#include "core/error.h"
#include "measure.h"

namespace spark::bench {

struct OnednnTime {
  double seconds = 0;
  int64_t calls = 0;
};
inline OnednnTime onednn_time;

template <class Function>
Function* next_onednn(const char* name) {
  auto* found = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
  if (!found) throw Error("internal", std::string("oneDNN's ") + name + " was not found; link it as a shared library");
  return found;
}

template <class Call>
dnnl_status_t timed(Call&& call) {
  const double start = now();
  const dnnl_status_t status = call();
  onednn_time.seconds += now() - start;
  ++onednn_time.calls;
  return status;
}

}  // namespace spark::bench

extern "C" dnnl_status_t DNNL_API dnnl_sgemm(char transa, char transb, dnnl_dim_t M, dnnl_dim_t N, dnnl_dim_t K,
                                             float alpha, const float* A, dnnl_dim_t lda, const float* B,
                                             dnnl_dim_t ldb, float beta, float* C, dnnl_dim_t ldc) {
  static auto* const next = spark::bench::next_onednn<decltype(dnnl_sgemm)>("dnnl_sgemm");
  return spark::bench::timed([&] { return next(transa, transb, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc); });
}

// Products in bf16 and the reorders of their weights; on a processor it returns when they are done.
extern "C" dnnl_status_t DNNL_API dnnl_primitive_execute(const_dnnl_primitive_t primitive, dnnl_stream_t stream,
                                                         int nargs, const dnnl_exec_arg_t* args) {
  static auto* const next = spark::bench::next_onednn<decltype(dnnl_primitive_execute)>("dnnl_primitive_execute");
  return spark::bench::timed([&] { return next(primitive, stream, nargs, args); });
}
