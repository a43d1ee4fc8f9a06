#!/usr/bin/env bash
# Checks that the tests do not depend on what else runs on the machine: runs them beside stress-ng, with two busy
# processors and one process that keeps writing 2 GB. Tests of times or memory run twenty times, the whole suite twice.
#
#   scripts/under-load.sh [files] [suite]      no word: both, two to three hours on two cores
#
#   files   the tests that measure times or memory or wait for something, TIMES each (20); the native ones also as on a
#           processor without AVX-512
#   suite   npm test, twice
#   TESTS='memory_test lifecycle'   of `files` only those whose name contains one of these words
#
# Exit code 1 when anything failed even once; its output is then in build-under-load/.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/parts.sh

native=(memory_test)
files=(
  test/src/cli/interrupt.test.ts       # signals after a number of lines
  test/src/cli/verify.test.ts          # the share of an adapter's effect
  test/src/parity/saveAdapter.test.ts  # likewise
  test/src/judge/apiJudge.test.ts      # deadlines and pauses
  test/src/judge/budget.test.ts
  test/src/judge/cache.test.ts
  test/src/judge/verdict.test.ts       # processor time
  test/src/questions/extraction.test.ts
  test/src/evaluate/replay.test.ts
  test/src/inference/sequence.test.ts  # aborted in the middle
  test/src/inference/process.test.ts   # who ends whom
  test/src/inference/llamaCpp.test.ts
  test/src/rollout/run.test.ts         # the order in which rollouts end
  test/src/tools/lifecycle.test.ts     # children and their memory
  test/src/tools/sandbox.test.ts       # deadlines
  test/src/tools/registry.test.ts
  test/scripts/setup.test.ts           # a lock that another process holds
)

if ! command -v stress-ng > /dev/null; then
  echo "under-load: expected stress-ng, got none. Install it and run this again:" >&2
  echo "  Debian, Ubuntu:  sudo apt-get install -y stress-ng" >&2
  echo "  Fedora:          sudo dnf install -y stress-ng" >&2
  echo "  macOS:           brew install stress-ng" >&2
  exit 2
fi
wanted=("$@")
[ $# -gt 0 ] || wanted=(files suite)
for word in "${wanted[@]}"; do
  [[ $word == files || $word == suite ]] || { echo "under-load: expected files or suite, got $word" >&2; exit 2; }
done
logs=build-under-load
mkdir -p "$logs"

# Built before the load starts, because the build is not what is tested.
node scripts/setup.mjs --for test
npm run --silent build:tests

stress-ng --cpu 2 --vm 1 --vm-bytes 2G --quiet &
load=$!
trap 'kill "$load" 2> /dev/null || true; print_parts' EXIT
failed=0

# repeatedly TIMES NAME COMMAND …
repeatedly() {
  local times=$1 name=$2 passed=0 began=$SECONDS
  shift 2
  for ((i = 1; i <= times; i++)); do
    if "$@" > "$logs/$name.log" 2>&1; then passed=$((passed + 1)); else cp "$logs/$name.log" "$logs/$name.failed-$i.log"; fi
    echo "$((SECONDS - began)) s  $name: $passed of $i passed"
  done
  [ "$passed" -eq "$times" ] || failed=1
  parts+=("$(printf '%6d s  %s: %d of %d passed' "$((SECONDS - began))" "$name" "$passed" "$times")")
}

is_wanted() {
  [ -n "${TESTS:-}" ] || return 0
  for word in $TESTS; do [[ $1 != *$word* ]] || return 0; done
  return 1
}

# As ctest does: waiting threads sleep. If they spun, they would take the processor from the threads they wait for.
export OMP_WAIT_POLICY=passive

for word in "${wanted[@]}"; do
  if [ "$word" = suite ]; then
    repeatedly 2 suite npm test
    continue
  fi
  for name in "${native[@]}"; do
    is_wanted "$name" || continue
    repeatedly "${TIMES:-20}" "$name" build/native/spark_tests --source-file="*/$name.cpp"
    repeatedly "${TIMES:-20}" "$name-avx2" env ONEDNN_MAX_CPU_ISA=AVX2 build/native/spark_tests --source-file="*/$name.cpp"
  done
  # All files in one call, so that they also disturb each other.
  chosen=()
  for file in "${files[@]}"; do
    if is_wanted "$file"; then chosen+=("$file"); fi
  done
  [ ${#chosen[@]} -eq 0 ] || repeatedly "${TIMES:-20}" "${#chosen[@]} files" npx vitest run "${chosen[@]}"
done
exit "$failed"
