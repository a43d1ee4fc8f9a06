# What is tested, a second time, under address and undefined-behaviour sanitizers. Not part of `all`: npm run
# test:sanitize builds the target `sanitized`.
# The kernels for this processor's level alone: three levels take a minute to compile with sanitizers, and only one of them
# would run.
set(SPARK_KERNELS_HERE ${SPARK_NATIVE_DIR}/cpu/kernels.cpp)
if(SPARK_KERNEL_FLAGS)
  set(SPARK_KERNELS_HERE ${CMAKE_CURRENT_BINARY_DIR}/kernels_here.cpp)
  file(CONFIGURE OUTPUT ${SPARK_KERNELS_HERE} CONTENT "#define HWY_COMPILE_ONLY_STATIC\n#include \"cpu/kernels.cpp\"\n")
endif()
spark_engine(spark_core_sanitized ${SPARK_KERNELS_HERE})
spark_emulated_device(spark_cuda_emulated_sanitized spark_core_sanitized)
spark_test_programs(spark_core_sanitized spark_cuda_emulated_sanitized _sanitized)
target_compile_definitions(spark_tests_sanitized PRIVATE SPARK_SANITIZED)
foreach(target spark_core spark_cuda_emulated spark_tests spark_cuda_runtime_tests)
  target_link_libraries(${target}_sanitized PUBLIC spark_sanitizers)
  set_target_properties(${target}_sanitized PROPERTIES EXCLUDE_FROM_ALL ON)
endforeach()
target_link_libraries(spark_core_sanitized_kernels PRIVATE spark_sanitizers)
set_target_properties(spark_core_sanitized_kernels PROPERTIES EXCLUDE_FROM_ALL ON)
add_custom_target(sanitized DEPENDS spark_tests_sanitized spark_cuda_runtime_tests_sanitized)

# That they are there: sanitized code reads past the end of an array, and must be caught.
add_executable(sanitizers_check EXCLUDE_FROM_ALL ${SPARK_TEST_DIR}/fake/overflow.cpp)
target_link_libraries(sanitizers_check PRIVATE spark_core_sanitized)
add_dependencies(sanitized sanitizers_check)
add_test(NAME sanitizers_check CONFIGURATIONS Sanitized COMMAND sanitizers_check)
set_tests_properties(sanitizers_check PROPERTIES LABELS sanitized PASS_REGULAR_EXPRESSION heap-buffer-overflow)
