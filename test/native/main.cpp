// The test program's entry. `spark_tests --help` lists filters; ctest runs it once per file.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
