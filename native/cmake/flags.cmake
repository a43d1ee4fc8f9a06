# spark_flags: what every object of the library and its users must agree on. spark_warnings(): for our own code only.
include(CheckCXXCompilerFlag)

add_library(spark_flags INTERFACE)
target_compile_features(spark_flags INTERFACE cxx_std_20)

if(SPARK_NATIVE_ARCH)
  check_cxx_compiler_flag(-march=native SPARK_HAS_MARCH_NATIVE)
  if(SPARK_HAS_MARCH_NATIVE)
    target_compile_options(spark_flags INTERFACE -march=native)
  else()  # clang on Apple silicon
    check_cxx_compiler_flag(-mcpu=native SPARK_HAS_MCPU_NATIVE)
    if(SPARK_HAS_MCPU_NATIVE)
      target_compile_options(spark_flags INTERFACE -mcpu=native)
    endif()
  endif()
endif()

# For cpu/kernels.cpp, which is compiled for every level of vectors and chooses when it runs: the lowest level, in place of
# this machine's. Of what Highway counts to its SSE4, encryption is not used here.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(SPARK_KERNEL_FLAGS -march=x86-64-v2 -DHWY_DISABLE_PCLMUL_AES)
elseif(SPARK_HAS_MARCH_NATIVE AND CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(SPARK_KERNEL_FLAGS -march=armv8-a)
endif()

# Neither changes a result: they let the compiler vectorise sqrt and the like, whose errno and traps nobody reads.
target_compile_options(spark_flags INTERFACE -fno-math-errno -fno-trapping-math)

# For what is sanitized. -O1 and the lines alone of -g: compiling takes as long as the tests do, and a finding names its
# line all the same. The first finding ends the program.
add_library(spark_sanitizers INTERFACE)
target_compile_options(spark_sanitizers INTERFACE
  -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
target_link_options(spark_sanitizers INTERFACE -fsanitize=address,undefined)

function(spark_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow $<$<BOOL:${SPARK_WERROR}>:-Werror>)
endfunction()
