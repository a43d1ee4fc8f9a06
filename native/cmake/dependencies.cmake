# Every outside library, and for each one that is missing the command that brings it.

function(spark_missing what debian fedora arch brew)
  message(FATAL_ERROR
    "${what} was not found. Install it and run this again:\n"
    "  Debian, Ubuntu:  sudo apt-get install -y ${debian}\n"
    "  Fedora:          sudo dnf install -y ${fedora}\n"
    "  Arch:            sudo pacman -S --needed ${arch}\n"
    "  macOS:           brew install ${brew}\n")
endfunction()

find_package(OpenMP COMPONENTS CXX QUIET)
if(NOT OpenMP_CXX_FOUND)
  spark_missing("OpenMP for this compiler" "g++ libgomp1" "gcc-c++ libgomp" "gcc" "libomp")
endif()

find_package(nlohmann_json CONFIG QUIET)
if(NOT nlohmann_json_FOUND)
  spark_missing("The nlohmann/json headers" "nlohmann-json3-dev" "json-devel" "nlohmann-json" "nlohmann-json")
endif()

# oneDNN: header and library where the system keeps them, then its package file (an upstream build under dnnl_DIR). This
# order because Debian's package file demands OpenCL headers that its package does not bring and that we do not use.
add_library(spark_onednn INTERFACE)
find_path(SPARK_DNNL_INCLUDE NAMES dnnl.hpp)
find_library(SPARK_DNNL_LIBRARY NAMES dnnl)
if(SPARK_DNNL_INCLUDE AND SPARK_DNNL_LIBRARY)
  target_include_directories(spark_onednn SYSTEM INTERFACE ${SPARK_DNNL_INCLUDE})
  target_link_libraries(spark_onednn INTERFACE ${SPARK_DNNL_LIBRARY})
else()
  find_package(dnnl CONFIG QUIET)
  if(NOT TARGET DNNL::dnnl)
    spark_missing("oneDNN (dnnl.hpp and libdnnl)" "libdnnl-dev" "onednn-devel" "onednn" "onednn")
  endif()
  target_link_libraries(spark_onednn INTERFACE DNNL::dnnl)
endif()

# Highway: vectors of every processor. Its package file came late, the library and its headers were always there.
add_library(spark_highway INTERFACE)
find_path(SPARK_HIGHWAY_INCLUDE NAMES hwy/highway.h)
find_library(SPARK_HIGHWAY_LIBRARY NAMES hwy)
if(SPARK_HIGHWAY_INCLUDE AND SPARK_HIGHWAY_LIBRARY)
  target_include_directories(spark_highway SYSTEM INTERFACE ${SPARK_HIGHWAY_INCLUDE})
  target_link_libraries(spark_highway INTERFACE ${SPARK_HIGHWAY_LIBRARY})
else()
  find_package(hwy CONFIG QUIET)
  if(NOT TARGET hwy::hwy)
    spark_missing("Highway (hwy/highway.h and libhwy)" "libhwy-dev" "highway-devel" "highway" "highway")
  endif()
  target_link_libraries(spark_highway INTERFACE hwy::hwy)
endif()

if(SPARK_BUILD_TESTS)
  find_path(SPARK_DOCTEST_INCLUDE NAMES doctest/doctest.h)
  if(NOT SPARK_DOCTEST_INCLUDE)
    spark_missing("The doctest header (needed for the native tests; -DSPARK_BUILD_TESTS=OFF builds without them)"
                  "doctest-dev" "doctest-devel" "doctest" "doctest")
  endif()
  find_path(SPARK_CLI11_INCLUDE NAMES CLI/CLI.hpp)
  if(NOT SPARK_CLI11_INCLUDE)
    spark_missing("The CLI11 headers (needed for the native benchmarks; -DSPARK_BUILD_TESTS=OFF builds without them)"
                  "libcli11-dev" "cli11-devel" "cli11" "cli11")
  endif()
endif()
