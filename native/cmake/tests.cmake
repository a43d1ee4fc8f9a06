# One test program, one ctest entry for each *_test.cpp in it; one benchmark program for each file of native/bench.
set(SPARK_TEST_DIR ${SPARK_NATIVE_DIR}/../test/native)
file(GLOB SPARK_TESTS CONFIGURE_DEPENDS ${SPARK_TEST_DIR}/*_test.cpp)
add_executable(spark_tests ${SPARK_TEST_DIR}/main.cpp ${SPARK_TESTS})
target_include_directories(spark_tests SYSTEM PRIVATE ${SPARK_DOCTEST_INCLUDE})
target_include_directories(spark_tests PRIVATE ${SPARK_TEST_DIR})
target_compile_definitions(spark_tests PRIVATE SPARK_FIXTURES="${SPARK_TEST_DIR}/../fixtures")
target_link_libraries(spark_tests PRIVATE spark_core nlohmann_json::nlohmann_json)
spark_warnings(spark_tests)

foreach(source ${SPARK_TESTS})
  get_filename_component(name ${source} NAME_WE)
  add_test(NAME ${name} COMMAND spark_tests --source-file=*/${name}.cpp)
  # A filter that matches nothing is a success to doctest; to us it is a failure.
  set_tests_properties(${name} PROPERTIES FAIL_REGULAR_EXPRESSION "test cases: +0 " TIMEOUT 120)
endforeach()

file(GLOB SPARK_BENCHMARKS CONFIGURE_DEPENDS ${SPARK_NATIVE_DIR}/bench/*.cpp)
foreach(source ${SPARK_BENCHMARKS})
  get_filename_component(name ${source} NAME_WE)
  add_executable(bench_${name} ${source})
  target_link_libraries(bench_${name} PRIVATE spark_core nlohmann_json::nlohmann_json)
  spark_warnings(bench_${name})
endforeach()
