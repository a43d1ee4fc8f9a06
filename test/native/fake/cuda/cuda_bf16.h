// What cuda/device.h names of it; cuda_runtime_test calls none.
#pragma once

struct __nv_bfloat16 {};
struct __nv_bfloat162 {};
__nv_bfloat16 __float2bfloat16_rn(float);
unsigned short __bfloat16_as_ushort(__nv_bfloat16);
__nv_bfloat162 __floats2bfloat162_rn(float, float);
