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

# spark_library(TARGET HEADER LIBRARY PACKAGE IMPORTED WHAT …): header and library where the system keeps them, then the package
# file (an upstream build under <package>_DIR). This order because Debian's package file of oneDNN demands OpenCL headers
# that its package does not bring and that we do not use, and Highway's came late.
function(spark_library target header library package imported what)
  add_library(${target} INTERFACE)
  find_path(${target}_INCLUDE NAMES ${header})
  find_library(${target}_LIBRARY NAMES ${library})
  if(${target}_INCLUDE AND ${target}_LIBRARY)
    target_include_directories(${target} SYSTEM INTERFACE ${${target}_INCLUDE})
    target_link_libraries(${target} INTERFACE ${${target}_LIBRARY})
    return()
  endif()
  find_package(${package} CONFIG QUIET)
  if(NOT TARGET ${imported})
    spark_missing("${what}" ${ARGN})
  endif()
  target_link_libraries(${target} INTERFACE ${imported})
endfunction()
spark_library(spark_onednn dnnl.hpp dnnl dnnl DNNL::dnnl "oneDNN (dnnl.hpp and libdnnl)" libdnnl-dev onednn-devel onednn
              onednn)
spark_library(spark_highway hwy/highway.h hwy hwy hwy::hwy "Highway (hwy/highway.h and libhwy)" libhwy-dev
              highway-devel highway highway)

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
