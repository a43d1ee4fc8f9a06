# One ctest entry for each *_test.cpp; one benchmark program for each file of native/bench. Everything that is tested
# exists twice, as it is shipped and sanitized, and two programs are linked from the same objects of tests:
#   spark_tests             with `all`; run by ctest
#   spark_tests_sanitized   with the target `sanitized`; run by ctest -C Sanitized -L sanitized
set(SPARK_TEST_DIR ${SPARK_NATIVE_DIR}/../test/native)
# A relative one is for a program that is carried elsewhere and started there from the repository's root.
set(SPARK_FIXTURES_DIR ${SPARK_TEST_DIR}/../fixtures CACHE STRING "Where the tests find their fixtures")
file(GLOB SPARK_TESTS CONFIGURE_DEPENDS ${SPARK_TEST_DIR}/*_test.cpp)

# The CUDA kernels on the host (test/native/emulated): each source is compiled as C++ under another name.
file(GLOB SPARK_KERNELS CONFIGURE_DEPENDS ${SPARK_NATIVE_DIR}/cuda/*.cu)
list(FILTER SPARK_KERNELS EXCLUDE REGEX "/(runtime|products|uploader|entry)[.]cu$")
set(SPARK_EMULATED_SOURCES ${SPARK_TEST_DIR}/emulated/device.cpp ${SPARK_TEST_DIR}/emulated/runtime.cpp
    ${SPARK_TEST_DIR}/emulated/streams.cpp)
foreach(source ${SPARK_KERNELS})
  get_filename_component(name ${source} NAME_WE)
  set(wrapper ${CMAKE_CURRENT_BINARY_DIR}/emulated/${name}.cpp)
  file(CONFIGURE OUTPUT ${wrapper} CONTENT "#include \"cuda/${name}.cu\"\n")
  list(APPEND SPARK_EMULATED_SOURCES ${wrapper})
  if(name MATCHES "^attention_")  # long enough alone, and they use the same names
    set_source_files_properties(${wrapper} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
endforeach()
add_library(spark_emulated_headers INTERFACE)
target_compile_definitions(spark_emulated_headers INTERFACE SPARK_CUDA_EMULATED="emulated/device.h")
target_include_directories(spark_emulated_headers INTERFACE ${SPARK_TEST_DIR})
target_link_libraries(spark_emulated_headers INTERFACE spark_headers)
function(spark_emulated_device name engine)
  add_library(${name} STATIC ${SPARK_EMULATED_SOURCES})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${SPARK_UNITY} UNITY_BUILD_BATCH_SIZE 6)
  target_compile_options(${name} PRIVATE -fno-strict-aliasing)
  target_link_libraries(${name} PUBLIC spark_emulated_headers ${engine})
  spark_warnings(${name})
endfunction()

# A CUDA library and what it needs, to be found by factory_cuda_test: without a run path, in a folder that no linker knows.
add_library(fake_cublaslt SHARED ${SPARK_TEST_DIR}/fake/cublaslt.cpp)
set(SPARK_FAKES ${CMAKE_CURRENT_BINARY_DIR}/fake)
set_target_properties(fake_cublaslt PROPERTIES OUTPUT_NAME cublasLt VERSION 99 SOVERSION 99
  LIBRARY_OUTPUT_DIRECTORY ${SPARK_FAKES}/env/lib/python3.12/site-packages/nvidia/cu99/lib)
add_library(fake_spark_cuda SHARED ${SPARK_TEST_DIR}/fake/spark_cuda.cpp)
set_target_properties(fake_spark_cuda PROPERTIES OUTPUT_NAME spark_cuda LIBRARY_OUTPUT_DIRECTORY ${SPARK_FAKES}
  SKIP_BUILD_RPATH ON)
target_compile_definitions(fake_spark_cuda PRIVATE SPARK_CUDA_VERSION="${SPARK_CUDA_VERSION}")
target_include_directories(fake_spark_cuda PRIVATE ${SPARK_NATIVE_DIR})
target_link_libraries(fake_spark_cuda PRIVATE fake_cublaslt)

# The tests' own files, never sanitized: that takes twice as long to compile, and their arrays are on the heap, where the
# sanitized code is watched as it uses them. They only have to be compiled soon. At -O1 GCC 12 sees strings written past
# their ends where none are.
add_library(spark_test_objects OBJECT ${SPARK_TEST_DIR}/main.cpp ${SPARK_TESTS})
target_compile_definitions(spark_test_objects PRIVATE SPARK_FIXTURES="${SPARK_FIXTURES_DIR}"
                                                      SPARK_FAKES="${SPARK_FAKES}")
target_link_libraries(spark_test_objects PRIVATE spark_emulated_headers nlohmann_json::nlohmann_json)
# A third of what most of them take to compile; main.cpp has doctest's own definitions.
target_precompile_headers(spark_test_objects PRIVATE <doctest/doctest.h> <functional> <map> <memory> <string> <vector>)
set_source_files_properties(${SPARK_TEST_DIR}/main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON)

# What the CUDA runtime's answers mean (cuda/runtime.cu), with a runtime that answers as told.
add_library(spark_cuda_runtime_test_objects OBJECT ${SPARK_TEST_DIR}/fake/cuda/runtime_test.cpp)
target_include_directories(spark_cuda_runtime_test_objects SYSTEM BEFORE PRIVATE ${SPARK_TEST_DIR}/fake/cuda)
target_compile_options(spark_cuda_runtime_test_objects PRIVATE -Wno-unknown-pragmas)
target_link_libraries(spark_cuda_runtime_test_objects PRIVATE spark_headers)

foreach(objects spark_test_objects spark_cuda_runtime_test_objects)
  target_include_directories(${objects} SYSTEM PRIVATE ${SPARK_DOCTEST_INCLUDE})
  target_compile_options(${objects} PRIVATE -O1 -Wno-array-bounds -Wno-stringop-overflow)
  spark_warnings(${objects})
endforeach()

# spark_test(NAME SUFFIX COMMAND …)
function(spark_test name suffix)
  if(suffix)  # a plain ctest leaves it out
    add_test(NAME ${name}${suffix} CONFIGURATIONS Sanitized ${ARGN})
    set_tests_properties(${name}${suffix} PROPERTIES LABELS sanitized)
  else()
    add_test(NAME ${name} ${ARGN})
  endif()
  # A filter that matches nothing is a success to doctest; to us it is a failure. The limit catches a hang, and judges no
  # speed: sanitized and beside other work a test may take minutes. Two run at a time: threads that wait give way.
  set_tests_properties(${name}${suffix} PROPERTIES FAIL_REGULAR_EXPRESSION "test cases: +0 " TIMEOUT 1200
                       ENVIRONMENT OMP_WAIT_POLICY=passive)
endfunction()

# spark_test_programs(engine device suffix): the two programs, and ctest's entries for them. What differs between them,
# the counter of the heap and whether there are sanitizers, is in heap_counter.cpp.
function(spark_test_programs engine device suffix)
  set(tests spark_tests${suffix})
  set(runtime_tests spark_cuda_runtime_tests${suffix})
  add_executable(${tests} ${SPARK_TEST_DIR}/heap_counter.cpp)
  target_include_directories(${tests} PRIVATE ${SPARK_TEST_DIR})
  target_link_libraries(${tests} PRIVATE spark_test_objects ${device} ${engine})
  add_dependencies(${tests} fake_spark_cuda)
  foreach(source ${SPARK_TESTS})
    get_filename_component(name ${source} NAME_WE)
    spark_test(${name} "${suffix}" COMMAND ${tests} --source-file=*/${name}.cpp)
  endforeach()
  add_executable(${runtime_tests})
  target_link_libraries(${runtime_tests} PRIVATE spark_cuda_runtime_test_objects ${engine})
  spark_test(cuda_runtime_test "${suffix}" COMMAND ${runtime_tests})
  # The long ones first, so that two at a time end together.
  foreach(name fp8_test bf16_test attention_hopper_test shared_trunk_test offload_test cuda_backend_test attention_test)
    set_tests_properties(${name}${suffix} PROPERTIES COST 10)
  endforeach()
endfunction()

spark_emulated_device(spark_cuda_emulated spark_core)
spark_test_programs(spark_core spark_cuda_emulated "")
include(${CMAKE_CURRENT_LIST_DIR}/sanitized.cmake)

# The ops on the processor's lower levels of vectors, by force: one run for each. A processor without it skips it.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(SPARK_OP_TESTS attention adamw choice linear logprob lora rmsnorm rope rows swiglu value_head)
  list(TRANSFORM SPARK_OP_TESTS REPLACE "(.+)" "*/\\1_test.cpp")
  list(JOIN SPARK_OP_TESTS "," SPARK_OP_TESTS)
  foreach(level sse4 avx2)
    foreach(compute f32 bf16)
      set(name ops_${level}_${compute}_test)
      spark_test(${name} "" COMMAND spark_tests --source-file=${SPARK_OP_TESTS})
      set_tests_properties(${name} PROPERTIES
        ENVIRONMENT "OMP_WAIT_POLICY=passive;SPARK_RL_CPU_LEVEL=${level};SPARK_TEST_BACKENDS=cpu ${compute}"
        SKIP_REGULAR_EXPRESSION "expected a level that this processor has;expected a processor with AVX-512 BF16")
    endforeach()
  endforeach()
endif()

add_library(spark_bench_flags STATIC ${SPARK_NATIVE_DIR}/bench/flags.cpp)
target_include_directories(spark_bench_flags SYSTEM PRIVATE ${SPARK_CLI11_INCLUDE})
target_link_libraries(spark_bench_flags PRIVATE spark_core)
target_compile_options(spark_bench_flags PRIVATE -O1)
spark_warnings(spark_bench_flags)
file(GLOB SPARK_BENCHMARKS CONFIGURE_DEPENDS ${SPARK_NATIVE_DIR}/bench/*.cpp)
list(FILTER SPARK_BENCHMARKS EXCLUDE REGEX "/flags[.]cpp$")
foreach(source ${SPARK_BENCHMARKS})
  get_filename_component(name ${source} NAME_WE)
  add_executable(bench_${name} ${source})
  target_link_libraries(bench_${name} PRIVATE spark_bench_flags spark_core nlohmann_json::nlohmann_json)
  # What is timed is in spark_core; the program's own file only has to be compiled soon.
  target_compile_options(bench_${name} PRIVATE -O1)
  spark_warnings(bench_${name})
endforeach()
target_link_libraries(bench_plan PRIVATE spark_cuda_emulated)
