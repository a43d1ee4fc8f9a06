#include "attention_reference.h"

using namespace spark_test;
using attention::check;

OP_TEST_CASE("attention: the reference gradient agrees with differences, the op with both") {
  check(backend, tolerance, {{1}, 1, 1, 1}, true);
  check(backend, tolerance, {{3, 1, 5}, 4, 1, 3}, true);
  check(backend, tolerance, {{6, 2}, 2, 2, 16}, true);
}

OP_TEST_CASE("attention: tiles, odd lengths, grouped heads, several head sizes") {
  check(backend, tolerance, {{33, 1, 64, 65}, 4, 1, 16},
        false);                                            // 4:1; lengths around a tile of 32 queries and 64 keys
  check(backend, tolerance, {{131}, 2, 2, 64}, false);     // 1:1
  check(backend, tolerance, {{70, 31}, 3, 3, 20}, false);  // head size between vectors
  check(backend, tolerance, {{97, 2}, 8, 2, 128}, false);
}

OP_TEST_CASE("attention: a prefix that sequences share is keys of all of them, and queries once") {
  if (!backend.shares_prefix()) return;
  check(backend, tolerance, {{2, 1}, 2, 1, 3, 64}, true);
  check(backend, tolerance, {{70, 1, 33}, 4, 2, 16, 64}, false);
  check(backend, tolerance, {{5, 64, 3, 31, 9}, 3, 3, 20, 192}, false);
  check(backend, tolerance, {{17}, 8, 2, 128, 128}, false);
}
