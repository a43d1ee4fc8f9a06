// Marks of functions that run on the host and in kernels alike.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define SPARK_HD __host__ __device__
#define SPARK_UNROLL _Pragma("unroll")
#else
#define SPARK_HD
#define SPARK_UNROLL
#endif
