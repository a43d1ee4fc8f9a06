#!/usr/bin/env bash
# Everything there is to know about the CUDA backend on this machine's GPU: builds it with plain CMake (no Node), runs
# the native tests on it, checks them with compute-sanitizer, times each op against its floor and whole training steps
# beside PyTorch + transformers + PEFT, and prints a table.
#
#   bench/gpu-check.sh [PART …]       no part: all of them but `profile`
#
#   build      with nvcc for this GPU alone; says what is missing                    under 3 minutes on 16 cores
#   tests      the op suite and bf16 models on the device
#   device     models side by side, memory that runs out, resume, a fault
#   suite      every native test, on the CPU and with the kernels emulated on it
#   sanitize   the op suite under memcheck, racecheck and synccheck, side by side    4 minutes at most
#   ops        each op beside its floor
#   soak       500 steps of the 8B shape: finite, flat in memory and speed, resumed exactly       3 minutes
#   stalls     what the attention kernels wait for (ncu)
#   train      SFT, critic and PPO steps of the 8B shape, random weights             a quarter of a minute each
#   peers      the same steps in PyTorch, eager and compiled                         about 5 minutes
#   ladder     spark-rl ladder on the embedded default, GPU beside CPU; needs Node and the built package, else skipped
#   profile    the kernels of one step by their time (ncu), each alone
#   trace      the kernels of a whole step as they ran, and the gaps between them (CUPTI)
#   probe      what cuBLASLt offers for the products of a block: its first algorithm and its best, and FP8
#   table      runs at the end of every call
#
# Where a GPU is at hand for some minutes only, two calls, the most valuable first in each, of use when it is cut:
#   bench/gpu-check.sh first       420 s at most: build, tests, the SFT step at 4,096 tokens, ops, peers, probe
#   bench/gpu-check.sh second      240 s at most: the other steps, profile, attention under memcheck
#   python3 bench/gpu-table.py A/result.json B/result.json …    one table of them all
# With DEPS from `bench/gpu-deps.sh FOLDER --built` nothing is compiled there.
#
# Needs nvcc, cuBLAS, cmake, a C++ compiler, oneDNN, Highway, and the headers of nlohmann-json, doctest and CLI11; for the peers python3
# with torch, transformers and peft. DEPS=FOLDER brings what bench/gpu-deps.sh collected elsewhere.
#
# Settings, by environment:
#   OUT      result.json, table.txt and logs.tar.gz land here                        bench/results/gpu
#   BUILD    build folder; measurements gather in $BUILD/measured                     build-gpu
#   DEPS     folder of bench/gpu-deps.sh                                              none
#   RUNS     which runs of ops, train, peers and ladder, as shell patterns: 'sft-* peer-sft-*'     *
#   LENGTHS  2048 4096 8192    SHAPE 8b    LAYERS of that shape, 0: all    RANK 16    REPEATS 5
#   COMMIT   what is measured, where git does not say
#   BACKEND=cpu stands in where there is no GPU, to see that this script works:
#            BACKEND=cpu SHAPE=tiny FIRST_LENGTH=128 QUANTISED_LENGTH=128 PEER_LENGTH=128 LENGTHS="64 128" \
#              bench/gpu-check.sh first
#
# A part that fails is reported and the others still run; the exit code is 1. A part that misses its program returns 77
# and counts as skipped.
set -uo pipefail
cd "$(dirname "$0")/.."
OUT="${OUT:-bench/results/gpu}"
BUILD="${BUILD:-build-gpu}"
BACKEND="${BACKEND:-cuda}"
SHAPE="${SHAPE:-8b}"
LAYERS="${LAYERS:-0}"
LENGTHS="${LENGTHS:-2048 4096 8192}"
FIRST_LENGTH="${FIRST_LENGTH:-4096}"  # of `first`
RANK="${RANK:-16}"
REPEATS="${REPEATS:-5}"
RUNS="${RUNS:-*}"
measured="$BUILD/measured"
logs="$measured/logs"
mkdir -p "$OUT" "$logs"
known=(build tests device suite sanitize soak stalls ops train peers ladder profile trace probe memcheck first second table)
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(build tests suite sanitize ops train peers ladder)
export COMMIT="${COMMIT:-$(git describe --always --dirty 2> /dev/null || echo unknown)}"
# Asked once: each question to it takes a second on some machines.
export DEVICE="${DEVICE:-$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2> /dev/null | grep -m 1 , || echo 'no GPU')}"
failed=0

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

# shellcheck source=bench/gpu-env.sh
. bench/gpu-env.sh

# measure NAME SECONDS COMMAND …: its one JSON document becomes $measured/NAME.json. What failed leaves none behind, not
# an older one either.
measure() {
  local name="$1" limit="$2" began=$SECONDS
  shift 2
  wanted "$name" || return 0
  rm -f "$measured/$name.json"
  printf '%s\n' "$COMMIT" "$*" > "$measured/$name.command"
  timeout --foreground "$limit" "$@" > "$measured/$name.partial" 2> "$logs/$name.log"
  local status=$?
  if [ $status -eq 0 ]; then
    mv "$measured/$name.partial" "$measured/$name.json"
    echo "$name: $((SECONDS - began)) s"
    collect
    return 0
  fi
  rm -f "$measured/$name.partial"
  [ $status -ne 124 ] || echo "$name: not done after $limit s"
  echo "$name: failed; $(tail -n 3 "$logs/$name.log" | tr '\n' ' ')"
  return 1
}

# Whether RUNS asks for this run.
wanted() {
  local pattern
  set -f
  for pattern in $RUNS; do
    # shellcheck disable=SC2254
    case "$1" in $pattern) set +f; return 0 ;; esac
  done
  set +f
  return 1
}

build() {
  ! carried_build || { echo "compiled elsewhere"; return 0; }
  need_for_build || return 1
  local cuda=ON generator=()
  [ "$BACKEND" = cuda ] || cuda=OFF
  command -v ninja > /dev/null && generator=(-G Ninja)
  [ ! -f "$BUILD/CMakeCache.txt" ] || generator=()
  cmake -S native -B "$BUILD" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DSPARK_CUDA=$cuda $(cuda_settings) \
    > "$logs/configure.log" 2>&1 || { tail -30 "$logs/configure.log"; return 1; }
  local targets=(all)
  [ "$BACKEND" != cuda ] || targets+=(spark_cuda_racecheck)
  timeout --foreground 540 cmake --build "$BUILD" -j "$(nproc)" --target "${targets[@]}" > "$logs/build.log" 2>&1
  local status=$?
  [ $status -ne 124 ] || echo "not done after 540 s; it goes on from there when it is called again"
  [ $status -eq 0 ] ||
    { grep -E -A5 'error:|FAILED:|undefined|ptxas fatal' "$logs/build.log" || tail -n 5 "$logs/build.log"; } | head -40
  return $status
}

# All that runs on every backend, by the names of their files.
on_device='*attention_test.cpp,*rmsnorm_test.cpp,*rope_test.cpp,*rows_test.cpp,*swiglu_test.cpp,*linear_test.cpp,*lora_test.cpp,*logprob_test.cpp,*choice_test.cpp,*policy_test.cpp,*value_head_test.cpp,*adamw_test.cpp'

tested_backend() { [ "$BACKEND" = cuda ] && echo cuda || echo 'cpu f32'; }

tests() {
  # Asked for by name, a backend that does not work is a failure, not a skip.
  SPARK_TEST_BACKENDS="$(tested_backend)" timeout --foreground 300 "$BUILD/spark_tests" --source-file="$on_device,*bf16_test.cpp,*adapter_kinds_test.cpp" \
    > "$logs/tests.log" 2>&1
  local status=$? attention
  # Hopper's attention kernels by name, because a device on which they are wrong does without them; and the others.
  for attention in $(attention_kernels); do
    echo "attention kernels: $attention" >> "$logs/tests.log"
    SPARK_RL_ATTENTION=$attention SPARK_TEST_BACKENDS=cuda timeout --foreground 100 "$BUILD/spark_tests" \
      --source-file='*attention_test.cpp' >> "$logs/tests.log" 2>&1 || status=1
  done
  if has_fp8; then  # asked for by name, so that a device which lacks it fails
    SPARK_TEST_BACKENDS='cuda fp8' timeout --foreground 100 "$BUILD/spark_tests" --source-file='*fp8_test.cpp' \
      >> "$logs/tests.log" 2>&1 || status=1
  fi
  [ $status -eq 0 ] || grep -E 'ERROR|TEST CASE|values:|name :=|attention kernels:' "$logs/tests.log" | head -40
  grep -E '^\[doctest\] (test cases|assertions)' "$logs/tests.log"
  return $status
}

# Faults, memory that runs out, models side by side. A process of their own: the last one loses the device.
device() {
  SPARK_TEST_BACKENDS="$(tested_backend)" timeout --foreground 100 "$BUILD/spark_tests" --source-file='*/device_test.cpp' \
    > "$logs/device.log" 2>&1
  local status=$?
  grep -E 'ERROR|TEST CASE|values:|MESSAGE|^\[doctest\] (test cases|assertions)' "$logs/device.log" | head -40
  return $status
}

soak() {
  measure soak 240 "$BUILD/bench_soak" --shape "$SHAPE" --layers "$LAYERS" --backend "$BACKEND" --rank "$RANK" \
    --tokens "$FIRST_LENGTH" --length "$FIRST_LENGTH" --steps "${STEPS:-500}" --save-at "${SAVE_AT:-400}"
}

# Of this device, by the names that SPARK_RL_ATTENTION knows.
attention_kernels() {
  [ "$BACKEND" = cuda ] || return 0
  is_hopper && echo hopper
  echo ampere
}

is_hopper() {
  [ "$BACKEND" = cuda ] || return 1
  case "$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1)" in 9.*) return 0 ;; esac
  return 1
}
has_fp8() { is_hopper; }  # with a scale a row

suite() {
  OMP_NUM_THREADS=2 timeout --foreground 500 ctest --test-dir "$BUILD" --output-on-failure -j "$(nproc)" > "$logs/suite.log" 2>&1
  local status=$?
  tail -n 6 "$logs/suite.log"
  return $status
}

sanitize() {
  command -v compute-sanitizer > /dev/null || { echo "compute-sanitizer is not on PATH: skipped"; return 77; }
  local status=0 tool library waiting=() where
  where="$(cd "$BUILD" && pwd)"
  for tool in memcheck racecheck synccheck; do
    library="$where/libspark_cuda.so"
    if [ $tool = racecheck ]; then  # of the plain library it reports reads that are in order (native/cuda/ring.h)
      library="$where/libspark_cuda_racecheck.so"
      [ -f "$library" ] || { echo "racecheck: no $library, which the part build makes: skipped"; continue; }
    fi
    SPARK_RL_CUDA="$library" OMP_NUM_THREADS=4 SPARK_TEST_BACKENDS=cuda timeout --foreground 240 compute-sanitizer \
      --tool $tool --error-exitcode 9 --print-limit 20 "$BUILD/spark_tests" --source-file="$on_device" \
      > "$logs/$tool.log" 2>&1 &
    waiting+=("$tool:$!")
  done
  for tool in "${waiting[@]}"; do
    wait "${tool#*:}"
    local code=$?
    tool="${tool%:*}"
    [ $code -eq 0 ] || { status=1; grep -m 12 -E '=========|ERROR' "$logs/$tool.log"; }
    [ $code -ne 124 ] || echo "$tool: not done after 240 s"
    echo "$tool: exit $code; $(grep -E 'SUMMARY' "$logs/$tool.log" | tail -n 1)"
  done
  return $status
}

ops() {
  [ "$BACKEND" = cuda ] || { echo "each op of the CPU: bench_ops; skipped"; return 77; }
  local status=0
  measure ops 120 "$BUILD/bench_gpu" --json --rank "$RANK" || status=1
  SPARK_RL_ATTENTION=ampere measure ops-ampere 60 "$BUILD/bench_gpu" --json --only attention || status=1
  if has_fp8; then
    measure ops-fp8 60 "$BUILD/bench_gpu" --json --rank "$RANK" --compute fp8 --only products || status=1
  fi
  return $status
}

# train_run NAME TYPE KIND FLAGS …
train_run() {
  local name="$1" type="$2" kind="$3"
  shift 3
  measure "$name" 150 "$BUILD/bench_train" --shape "$SHAPE" --layers "$LAYERS" --type "$type" "$kind" \
    --backend "$BACKEND" --rank "$RANK" --repeats "$REPEATS" --warmup 2 "$@"
}

# The training step with the least memory, which the table compares with its target (bench/gpu-table.py); on a machine
# without enough pinned memory the next smallest. Rank 8, as in published figures.
lean() {
  local RANK=8
  train_run lean-Q4_K_M-4096 Q4_K_M sft --tokens 4096 --length 4096 --loss all --recompute offload ||
    train_run lean-Q4_K_M-4096 Q4_K_M sft --tokens 4096 --length 4096 --loss all --recompute block
}

train() {
  local status=0 length
  for length in $LENGTHS; do
    train_run "sft-bf16-$length" bf16 sft --tokens "$length" --length "$length" --loss all || status=1
  done
  for length in $LENGTHS; do
    has_fp8 || break
    train_run "sft-fp8-$length" bf16 sft --compute fp8 --tokens "$length" --length "$length" --loss all || status=1
  done
  for length in $LENGTHS; do
    train_run "critic-bf16-$length" bf16 critic --tokens "$length" --length "$length" || status=1
  done
  # Twelve trajectories of about 690 tokens are one packed pass of some 8,000.
  train_run ppo-bf16 bf16 ppo --trajectories "${TRAJECTORIES:-24}" --batch "${BATCH:-12}" || status=1
  train_run ppo-one-trunk-bf16 bf16 ppo --one-trunk --trajectories "${TRAJECTORIES:-24}" --batch "${BATCH:-12}" || status=1
  # As many packed tokens in a pass, which are fewer trajectories.
  train_run ppo-stepwise-bf16 bf16 ppo --stepwise --trajectories "${TRAJECTORIES:-24}" --batch "${STEPWISE_BATCH:-4}" || status=1
  for type in Q8_0 Q4_K; do
    train_run "sft-$type-${QUANTISED_LENGTH:-4096}" $type sft --tokens "${QUANTISED_LENGTH:-4096}" \
      --length "${QUANTISED_LENGTH:-4096}" --loss all || status=1
  done
  [ "$BACKEND" != cuda ] || lean || status=1
  return $status
}

peers() {
  need_for_peers || return 1
  local status=0 kind way length="${PEER_LENGTH:-4096}" where=()
  [ "$BACKEND" = cuda ] || where=(--device cpu --width tiny --layers 2)
  for kind in sft critic; do
    for way in eager liger compiled; do
      measure "peer-$kind-$way-$length" 280 python3 bench/peers/gpu_step.py --kind $kind --way $way \
        --length "$length" --rank "$RANK" "${where[@]}" || status=1
    done
  done
  return $status
}

# Side by side, each with its part of the cores: most of a ladder is inference on them.
ladder() {
  local app
  app="$(package_folder)" || { echo "no Node or no built package (npm start, or DEPS with --node): skipped"; return 77; }
  local status=0 way ways=(cpu-f32) node=node where threads waiting=()
  [ ! -x "$app/node" ] || node="$app/node"
  where="$(cd "$BUILD" && pwd)"
  [ "$BACKEND" = cpu ] || ways+=("$BACKEND-bf16")
  has_fp8 && ways+=("$BACKEND-fp8")
  threads=$(($(nproc) / ${#ways[@]}))
  for way in "${ways[@]}"; do
    rm -rf "$where/ladder-$way"
    SPARK_RL_CUDA="$where/libspark_cuda.so" measure "ladder-$way" "${LADDER_SECONDS:-280}" "$node" "$app/dist/cli/main.js" ladder \
      --config quickstart --backend "${way%-*}" --compute "${way#*-}" --threads $((threads > 0 ? threads : 1)) \
      --run "$where/ladder-$way" --json &
    waiting+=($!)
  done
  for way in "${waiting[@]}"; do wait "$way" || status=1; done
  return $status
}

# One step after a warm one, of four blocks: the kernels are those of the whole model.
profile() {
  command -v ncu > /dev/null || { echo "ncu is not on PATH: skipped"; return 77; }
  local compute name status=0
  for compute in bf16 fp8; do
    [ $compute = bf16 ] && name=kernels || name=kernels-$compute
    [ $compute = bf16 ] || has_fp8 || continue
    wanted $name || continue
    timeout --foreground 120 ncu --clock-control none --metrics gpu__time_duration.sum --csv --log-file "$measured/$name.csv" \
      "$BUILD/bench_train" --shape "$SHAPE" --layers 4 --type bf16 sft --backend cuda --compute $compute --rank "$RANK" \
      --tokens 4096 --length 4096 --loss all --repeats 1 --warmup 1 > /dev/null 2> "$logs/profile-$compute.log" ||
      { tail -n 5 "$logs/profile-$compute.log"; status=1; continue; }
    python3 bench/gpu-kernels.py "$measured/$name.csv" > "$measured/$name.json" && rm "$measured/$name.csv"
  done
  return $status
}

# Whole steps, one kernel behind the other at the clock that the power of all of them leaves.
trace() {
  [ -f "$BUILD/libgpu_trace.so" ] || { echo "no libgpu_trace.so, which the part build makes where there is CUPTI: skipped"; return 77; }
  local compute name status=0
  for compute in bf16 fp8; do
    name=trace-$compute
    [ $compute = bf16 ] || has_fp8 || continue
    wanted $name || continue
    LD_LIBRARY_PATH="$(cupti_folder):${LD_LIBRARY_PATH:-}" CUDA_INJECTION64_PATH="$(cd "$BUILD" && pwd)/libgpu_trace.so" \
      SPARK_TRACE="$measured/$name.csv" timeout --foreground 90 "$BUILD/bench_train" --shape "$SHAPE" --layers "$LAYERS" --type bf16 sft \
      --backend cuda --compute $compute --rank "$RANK" --tokens 4096 --length 4096 --loss all --repeats 5 --warmup 2 \
      > "$logs/$name.log" 2>&1 || { tail -n 5 "$logs/$name.log"; status=1; continue; }
    python3 bench/gpu-gaps.py "$measured/$name.csv" > "$measured/$name.json" || { rm -f "$measured/$name.json"; status=1; }
    rm "$measured/$name.csv"
  done
  return $status
}

# Where the toolkit or a Python package has it.
cupti_folder() {
  local found
  found="$(ls -d /usr/local/cuda*/targets/*/lib/libcupti.so.* /usr/local/cuda*/extras/CUPTI/lib64/libcupti.so.* 2> /dev/null | head -n 1)"
  [ -n "$found" ] || found="$(python3 -c 'import glob, site
print((glob.glob(site.getsitepackages()[0] + "/nvidia/*/lib/libcupti.so.*") or [""])[0])')"
  dirname "$found"
}

# ncu's own account of one launch of each backward kernel of attention.
stalls() {
  command -v ncu > /dev/null || { echo "ncu is not on PATH: skipped"; return 77; }
  timeout --foreground 120 ncu --clock-control none --kernel-name 'regex:keys_backward|queries_backward' --launch-skip 12 \
    --launch-count 2 --section SpeedOfLight --section WarpStateStats --section SchedulerStats --section Occupancy \
    --section ComputeWorkloadAnalysis --section MemoryWorkloadAnalysis --log-file "$logs/stalls.log" \
    "$BUILD/bench_gpu" --only attention > /dev/null 2> "$logs/stalls.err" || { tail -n 5 "$logs/stalls.err" "$logs/stalls.log"; return 1; }
  grep -E '^  [a-z].*\(|Duration|Compute \(SM\) Throughput|Issued Warp|No Eligible|Registers' "$logs/stalls.log" | head -40
}

probe() {
  [ "$BACKEND" = cuda ] || { echo "asks cuBLASLt: skipped"; return 77; }
  measure probe 60 "$BUILD/gpu_probe"
}

# What `sanitize` does in minutes, for the kernels with the most to go wrong.
memcheck() {
  command -v compute-sanitizer > /dev/null || { echo "compute-sanitizer is not on PATH: skipped"; return 77; }
  local attention status=0
  for attention in $(attention_kernels); do
    SPARK_RL_ATTENTION=$attention OMP_NUM_THREADS=4 SPARK_TEST_BACKENDS=cuda compute-sanitizer --tool memcheck \
      --error-exitcode 9 --print-limit 20 "$BUILD/spark_tests" --source-file='*attention_test.cpp' \
      > "$logs/memcheck-$attention.log" 2>&1 || { status=1; grep -m 12 -E '=========|ERROR' "$logs/memcheck-$attention.log"; }
    echo "$attention: $(grep -E 'SUMMARY' "$logs/memcheck-$attention.log" | tail -n 1)"
  done
  return $status
}

# within SECONDS RUNS PART …: those parts in a call of their own, which ends then or when the whole call has to.
within() {
  local limit="$1" runs="$2" left=$((deadline - SECONDS))
  shift 2
  [ $left -gt 5 ] || { echo "no time left for $*"; failed=1; return; }
  RUNS="$runs" QUIET=1 timeout $((limit < left ? limit : left)) "$0" "$@"
  case $? in
    0) ;;
    124) echo "cut after $((limit < left ? limit : left)) s: $*"; failed=1 ;;
    *) failed=1 ;;
  esac
}

# Temperature, clock and power beside the figures: a card that is slowed down shows.
watch_device() {
  [ "$BACKEND" = cuda ] || return 0
  nvidia-smi --query-gpu=name,clocks.sm,power.draw,temperature.gpu --format=csv -l 2 > "$OUT/smi-$1.csv" 2> /dev/null &
  trap "kill $! 2> /dev/null" EXIT
}

first() {
  local deadline=420
  watch_device first
  within 130 '*' build
  within 90 '*' tests
  LENGTHS="$FIRST_LENGTH" within 60 "sft-bf16-$FIRST_LENGTH" train
  LENGTHS="$FIRST_LENGTH" within 60 "sft-fp8-$FIRST_LENGTH" train
  within 60 'ops*' ops
  within 60 'peer-sft-eager-*' peers
  within 60 '*' probe
  within 60 'peer-sft-liger-*' peers
  within 140 'peer-sft-compiled-*' peers
  return $failed
}

second() {
  local deadline=240
  watch_device second
  within 130 '*' build
  within 110 "ppo-* lean-* sft-bf16-${LENGTHS##* } sft-Q4_K-*" train
  within 90 kernels profile
  within 60 '*' memcheck
  return $failed
}

# Everything measured so far to $OUT, after each measurement: a call that is cut off leaves what it had.
collect() {
  # Logs are for reading, not for keeping: the last two megabytes of each.
  local brief log
  brief="$(mktemp -d)"
  for log in "$logs"/*.log; do [ ! -f "$log" ] || tail -c 2000000 "$log" > "$brief/$(basename "$log")"; done
  tar -czf "$OUT/logs.tar.gz" -C "$brief" .
  rm -rf "$brief"
  python3 bench/gpu-table.py --out "$OUT/result.json" "$measured" > "$OUT/table.txt"
}

for part in "${parts[@]}"; do
  [[ " ${known[*]} " == *" $part "* ]] || { echo "no such part: $part; there are: ${known[*]}" >&2; exit 2; }
done
[ -n "${QUIET:-}" ] || say "setting up"
unpack_deps || exit 1
for part in "${parts[@]}"; do
  [ "$part" != table ] || continue
  say "$part"
  began=$SECONDS
  "$part"
  case $? in 0) outcome=passed ;; 77) outcome=skipped ;; *) outcome=FAILED failed=1 ;; esac
  echo "$outcome: $part ($((SECONDS - began)) s)"
  case "$part" in first | second) continue ;; esac  # their parts have said so themselves
  printf '{"part": "%s", "outcome": "%s", "seconds": %d}\n' "$part" "$outcome" $((SECONDS - began)) > "$measured/part-$part.json"
  collect
done
collect || failed=1
[ -n "${QUIET:-}" ] || { say table && cat "$OUT/table.txt"; }
exit $failed
