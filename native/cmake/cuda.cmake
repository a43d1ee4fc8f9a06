# The CUDA backend: a shared library of its own, libspark_cuda.so, which factory_cuda.cpp opens at run time. Nothing else
# links CUDA. SPARK_CUDA: AUTO builds it where nvcc and cuBLAS are, ON demands them, OFF leaves it out.
set(SPARK_CUDA AUTO CACHE STRING "Build the CUDA backend: AUTO, ON or OFF")
set(SPARK_CUBLAS_ROOT "" CACHE PATH "Where cuBLAS is when the CUDA toolkit does not bring it: holds include and lib")
set(SPARK_CUDA_ARCHITECTURES "" CACHE STRING "CUDA architectures, as CMake names them; empty: Ampere, Hopper and PTX")
if(NOT SPARK_CUDA_ARCHITECTURES)
  set(SPARK_CUDA_ARCHITECTURES "80-real;90a-real;90-virtual")
endif()

# Both sides of the library carry this: one of another build is refused.
set(SPARK_CUDA_HEADERS ops/backend.h core/gguf.h core/tensor_types.inc core/error.h)
list(TRANSFORM SPARK_CUDA_HEADERS PREPEND ${SPARK_NATIVE_DIR}/)
set(hashes "")
foreach(header ${SPARK_CUDA_HEADERS})
  file(SHA256 ${header} hash)
  string(APPEND hashes ${hash})
endforeach()
string(SHA256 SPARK_CUDA_VERSION "${hashes}")
set_property(SOURCE ${SPARK_NATIVE_DIR}/factory_cuda.cpp ${SPARK_NATIVE_DIR}/cuda/entry.cu
             APPEND PROPERTY COMPILE_DEFINITIONS SPARK_CUDA_VERSION="${SPARK_CUDA_VERSION}")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${SPARK_CUDA_HEADERS})

set(SPARK_NO_CUDA "")  # the reason
if(SPARK_CUDA STREQUAL "OFF")
  set(SPARK_NO_CUDA "SPARK_CUDA is OFF")
else()
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that newer nvcc have C++20
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    find_package(CUDAToolkit QUIET)
    find_path(SPARK_CUBLAS_INCLUDE cublasLt.h HINTS ${SPARK_CUBLAS_ROOT}/include ${CUDAToolkit_INCLUDE_DIRS})
    find_library(SPARK_CUBLAS_LIBRARY NAMES cublasLt libcublasLt.so.13 libcublasLt.so.12
                 HINTS ${SPARK_CUBLAS_ROOT}/lib ${CUDAToolkit_LIBRARY_DIR})
    if(NOT SPARK_CUBLAS_INCLUDE OR NOT SPARK_CUBLAS_LIBRARY)
      set(SPARK_NO_CUDA "cuBLAS (cublasLt.h, libcublasLt) was not found: install it, or set SPARK_CUBLAS_ROOT")
    endif()
  else()
    set(SPARK_NO_CUDA "nvcc was not found: install the CUDA toolkit, or put its nvcc on PATH")
  endif()
endif()

if(SPARK_NO_CUDA)
  if(SPARK_CUDA STREQUAL "ON")
    message(FATAL_ERROR "SPARK_CUDA is ON, but ${SPARK_NO_CUDA}")
  endif()
  message(STATUS "Without the CUDA backend: ${SPARK_NO_CUDA}")
  return()
endif()

file(GLOB SPARK_CUDA_SOURCES CONFIGURE_DEPENDS ${SPARK_NATIVE_DIR}/cuda/*.cu)
# Hidden symbols: the library calls its own copies, whatever the program that opens it has.
function(spark_cuda_settings name)
  set_target_properties(${name} PROPERTIES
    CUDA_ARCHITECTURES "${SPARK_CUDA_ARCHITECTURES}"
    CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_RUNTIME_LIBRARY Static POSITION_INDEPENDENT_CODE ON
    CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr -lineinfo>)
  target_include_directories(${name} PRIVATE ${SPARK_NATIVE_DIR})
  target_include_directories(${name} SYSTEM PRIVATE ${SPARK_CUBLAS_INCLUDE} ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
endfunction()
set(SPARK_RING_SOURCES ${SPARK_CUDA_SOURCES})
list(FILTER SPARK_RING_SOURCES INCLUDE REGEX "/attention_(forward|backward)_hopper[.]cu$")
list(REMOVE_ITEM SPARK_CUDA_SOURCES ${SPARK_RING_SOURCES})
# Several in one go, as the headers alone take nvcc two seconds. CMake itself does this for CUDA from 3.31 on. Attention's
# are long enough alone, and entry.cu has a definition of its own.
if(SPARK_UNITY)
  set(batched ${SPARK_CUDA_SOURCES})
  list(FILTER batched EXCLUDE REGEX "/(attention_.*|entry)[.]cu$")
  list(REMOVE_ITEM SPARK_CUDA_SOURCES ${batched})
  while(batched)
    list(SUBLIST batched 0 6 batch)
    list(REMOVE_ITEM batched ${batch})
    list(TRANSFORM batch REPLACE "(.+)" "#include \"\\1\"\n")
    string(CONCAT text ${batch})
    list(LENGTH SPARK_CUDA_SOURCES number)
    set(file ${CMAKE_CURRENT_BINARY_DIR}/batches/${number}.cu)
    file(CONFIGURE OUTPUT ${file} CONTENT "${text}")
    list(APPEND SPARK_CUDA_SOURCES ${file})
  endwhile()
endif()
add_library(spark_cuda_objects OBJECT ${SPARK_CUDA_SOURCES} ${SPARK_NATIVE_DIR}/core/tensor_type.cpp
                                      ${SPARK_NATIVE_DIR}/core/dequantize.cpp)
spark_cuda_settings(spark_cuda_objects)
# The second one is for compute-sanitizer's racecheck, which does not see that a warp's first lane speaks for the others
# (cuda/ring.h): opened by SPARK_RL_CUDA, and by nothing else.
foreach(name spark_cuda spark_cuda_racecheck)
  add_library(${name} SHARED ${SPARK_RING_SOURCES} $<TARGET_OBJECTS:spark_cuda_objects>)
  spark_cuda_settings(${name})
  target_link_libraries(${name} PRIVATE ${SPARK_CUBLAS_LIBRARY})
endforeach()
target_compile_definitions(spark_cuda_racecheck PRIVATE SPARK_EVERY_READER_ARRIVES)
set_target_properties(spark_cuda_racecheck PROPERTIES EXCLUDE_FROM_ALL ON)

if(SPARK_BUILD_TESTS)  # not part of the backend: what the device's cuBLASLt has to offer
  add_executable(gpu_probe ${SPARK_NATIVE_DIR}/bench/gpu_probe.cu)
  set_target_properties(gpu_probe PROPERTIES CUDA_ARCHITECTURES "${SPARK_CUDA_ARCHITECTURES}"
    CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_RUNTIME_LIBRARY Static)
  target_include_directories(gpu_probe SYSTEM PRIVATE ${SPARK_CUBLAS_INCLUDE})
  target_link_libraries(gpu_probe PRIVATE ${SPARK_CUBLAS_LIBRARY})
  if(TARGET CUDA::cupti)  # when each kernel ran
    add_library(gpu_trace SHARED ${SPARK_NATIVE_DIR}/bench/cupti/trace.cpp)
    target_link_libraries(gpu_trace PRIVATE CUDA::cupti)
  endif()
endif()
