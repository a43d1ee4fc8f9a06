# One test program, one ctest entry for each *_test.cpp in it; one benchmark program for each file of native/bench.
set(SPARK_TEST_DIR ${SPARK_NATIVE_DIR}/../test/native)
# A relative one is for a program that is carried elsewhere and started there from the repository's root.
set(SPARK_FIXTURES_DIR ${SPARK_TEST_DIR}/../fixtures CACHE STRING "Where the tests find their fixtures")
file(GLOB SPARK_TESTS CONFIGURE_DEPENDS ${SPARK_TEST_DIR}/*_test.cpp)
add_executable(spark_tests ${SPARK_TEST_DIR}/main.cpp ${SPARK_TEST_DIR}/heap_counter.cpp ${SPARK_TESTS})
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
endforeach()
add_library(spark_cuda_emulated STATIC ${SPARK_EMULATED_SOURCES})
target_compile_definitions(spark_cuda_emulated PUBLIC SPARK_CUDA_EMULATED="emulated/device.h")
target_compile_options(spark_cuda_emulated PRIVATE -fno-strict-aliasing)
target_include_directories(spark_cuda_emulated PUBLIC ${SPARK_TEST_DIR})
target_link_libraries(spark_cuda_emulated PUBLIC spark_core)
spark_warnings(spark_cuda_emulated)

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
add_dependencies(spark_tests fake_spark_cuda)
target_compile_definitions(spark_tests PRIVATE SPARK_FAKES="${SPARK_FAKES}")

# What the CUDA runtime's answers mean (cuda/runtime.cu), with a runtime that answers as told.
add_executable(spark_cuda_runtime_tests ${SPARK_TEST_DIR}/fake/cuda/runtime_test.cpp)
target_include_directories(spark_cuda_runtime_tests SYSTEM BEFORE PRIVATE ${SPARK_TEST_DIR}/fake/cuda
  ${SPARK_DOCTEST_INCLUDE})
target_compile_options(spark_cuda_runtime_tests PRIVATE -Wno-unknown-pragmas)
target_link_libraries(spark_cuda_runtime_tests PRIVATE spark_core)
add_test(NAME cuda_runtime_test COMMAND spark_cuda_runtime_tests)
set_tests_properties(cuda_runtime_test PROPERTIES FAIL_REGULAR_EXPRESSION "test cases: +0 " TIMEOUT 120)

target_include_directories(spark_tests SYSTEM PRIVATE ${SPARK_DOCTEST_INCLUDE})
target_include_directories(spark_tests PRIVATE ${SPARK_TEST_DIR})
target_compile_definitions(spark_tests PRIVATE SPARK_FIXTURES="${SPARK_FIXTURES_DIR}")
target_link_libraries(spark_tests PRIVATE spark_cuda_emulated spark_core nlohmann_json::nlohmann_json)
spark_warnings(spark_tests)
# What is tested is compiled as it is shipped, or sanitized; the tests' own files only have to be compiled soon, which
# takes twice as long sanitized. Their arrays are on the heap, where the sanitized code is watched as it uses them. At -O1
# GCC 12 sees strings written past their ends where none are.
foreach(program spark_tests spark_cuda_runtime_tests)
  target_compile_options(${program} PRIVATE -Wno-array-bounds -Wno-stringop-overflow
    $<IF:$<BOOL:${SPARK_SANITIZE}>,-O0,-O1> $<$<BOOL:${SPARK_SANITIZE}>:-fno-sanitize=all>)
endforeach()
# A third of what most test files take to compile. main.cpp has doctest's own definitions, heap_counter.cpp has malloc's.
target_precompile_headers(spark_tests PRIVATE <doctest/doctest.h> <functional> <map> <memory> <string> <vector>)
set_source_files_properties(${SPARK_TEST_DIR}/main.cpp ${SPARK_TEST_DIR}/heap_counter.cpp
                            PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
if(SPARK_SANITIZE)  # its reference takes the gradient of thousands of numbers, one by one: 24 s at -O0
  set_source_files_properties(${SPARK_TEST_DIR}/lora_test.cpp PROPERTIES COMPILE_OPTIONS -O1 SKIP_PRECOMPILE_HEADERS ON)
endif()

foreach(source ${SPARK_TESTS})
  get_filename_component(name ${source} NAME_WE)
  add_test(NAME ${name} COMMAND spark_tests --source-file=*/${name}.cpp)
  # A filter that matches nothing is a success to doctest; to us it is a failure. The limit catches a hang, and judges no
  # speed: sanitized and beside other work a test may take minutes.
  set_tests_properties(${name} PROPERTIES FAIL_REGULAR_EXPRESSION "test cases: +0 " TIMEOUT 1200
                       ENVIRONMENT OMP_WAIT_POLICY=passive)  # two run at a time: threads that wait give way
endforeach()
# The long ones first, so that two at a time end together.
set_tests_properties(bf16_test attention_hopper_test shared_trunk_test offload_test cuda_backend_test attention_test
                     PROPERTIES COST 10)

if(SPARK_SANITIZE)  # nobody times a sanitized program
  return()
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
