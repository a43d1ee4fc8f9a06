#!/usr/bin/env bash
# Everything there is to know about the CUDA backend on this machine's GPU: builds it with plain CMake (no Node), runs
# the native tests on it, checks them with compute-sanitizer, times each op against its floor and whole training steps
# beside PyTorch + transformers + PEFT, and prints a table.
#
#   bench/gpu-check.sh [PART …]      parts: build tests sanitize ops train peers table   [all, about ten minutes]
#
# Needs nvcc, cuBLAS, cmake, ninja or make, a C++ compiler, oneDNN, nlohmann-json and doctest (headers); for the peers
# python3 with torch, transformers and peft. What is measured lands in $OUT (default bench/results/gpu), one JSON file per
# measurement and result.json in the end. A part that fails is reported and the others still run; the exit code is 1.
set -uo pipefail
cd "$(dirname "$0")/.."
OUT="${OUT:-bench/results/gpu}"
BUILD="${BUILD:-build-gpu}"
MODEL="${MODEL:-$BUILD/8b-bf16.gguf}"
LENGTHS="${LENGTHS:-2048 4096 8192}"
mkdir -p "$OUT"
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(build tests sanitize ops train peers table)
failed=0

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

build() {
  cmake -S native -B "$BUILD" -DCMAKE_BUILD_TYPE=Release -DSPARK_CUDA=ON > "$OUT/configure.log" 2>&1 &&
    cmake --build "$BUILD" -j "$(nproc)" > "$OUT/build.log" 2>&1
  local status=$?
  [ $status -eq 0 ] || tail -30 "$OUT/configure.log" "$OUT/build.log" 2>/dev/null
  return $status
}

# The sanitizer runs these alone: whole models would take it minutes.
ops_of_the_suite='*attention_test.cpp,*rmsnorm_test.cpp,*rope_test.cpp,*rows_test.cpp,*swiglu_test.cpp,*linear_test.cpp,*lora_test.cpp,*logprob_test.cpp,*policy_test.cpp,*value_head_test.cpp,*adamw_test.cpp'

tests() {
  ctest --test-dir "$BUILD" --output-on-failure -j 4 > "$OUT/tests.log" 2>&1
  local status=$?
  tail -4 "$OUT/tests.log"
  # Asked for by name, a backend that does not work is a failure, not a skip.
  SPARK_TEST_BACKENDS=cuda "$BUILD/spark_tests" --source-file="$ops_of_the_suite,*bf16_test.cpp" \
    > "$OUT/tests-cuda.log" 2>&1 || status=1
  tail -3 "$OUT/tests-cuda.log"
  return $status
}

sanitize() {
  command -v compute-sanitizer > /dev/null || { echo "compute-sanitizer is not on PATH: skipped"; return 0; }
  local status=0
  for tool in memcheck racecheck; do
    SPARK_TEST_BACKENDS=cuda timeout 120 compute-sanitizer --tool $tool --error-exitcode 9 \
      "$BUILD/spark_tests" --source-file="$ops_of_the_suite" > "$OUT/$tool.log" 2>&1 || status=1
    echo "$tool: $(tail -1 "$OUT/$tool.log")"
  done
  return $status
}

ops() {
  "$BUILD/bench_gpu" --json > "$OUT/ops.json" && "$BUILD/bench_gpu"
}

train() {
  local status=0
  [ -f "$MODEL" ] || "$BUILD/bench_model" 8b "$MODEL" --type bf16 || return 1
  for length in $LENGTHS; do
    "$BUILD/bench_train" "$MODEL" sft --backend cuda --tokens "$length" --length "$length" --loss all --rank 16 \
      --repeats 5 --warmup 2 > "$OUT/sft-$length.json" || status=1
  done
  return $status
}

peers() {
  local status=0
  python3 bench/peers/gpu_step.py --length 4096 > "$OUT/peer-eager.json" 2> "$OUT/peer-eager.log" || status=1
  python3 bench/peers/gpu_step.py --length 4096 --compile > "$OUT/peer-compiled.json" 2> "$OUT/peer-compiled.log" || status=1
  return $status
}

table() {
  python3 bench/gpu-table.py "$OUT"
}

for part in "${parts[@]}"; do
  case "$part" in
    build | tests | sanitize | ops | train | peers | table) ;;
    *) echo "no such part: $part" >&2; exit 2 ;;
  esac
  say "$part"
  "$part" || { echo "FAILED: $part"; failed=1; }
done
exit $failed
