#!/usr/bin/env bash
# Collects what bench/gpu-check.sh needs and a bare GPU machine without a network may lack, from a machine that has it:
# headers (doctest, nlohmann-json, CLI11, oneDNN, Highway), the libraries of the last two with what they need, and the Python
# packages of the peers.
#
#   bench/gpu-deps.sh FOLDER            about 10 MB; there: DEPS=FOLDER bench/gpu-check.sh
#   bench/gpu-deps.sh FOLDER --built    also the programs themselves, compiled here for CAPABILITY (default 90a) and for
#                                       any processor of the family: saves the GPU machine its compiling. Needs nvcc and
#                                       cuBLAS (or CUBLAS=FOLDER with its include and lib); takes minutes
#   bench/gpu-deps.sh FOLDER --node     about 55 MB: also Node, the package and an addon for any processor, for the part
#                                       `ladder`; needs node_modules (npm start brings them) and takes minutes
#
# PYTHON_THERE (default 3.12) is that machine's Python. Needs Linux with the same processor family on both.
set -euo pipefail
cd "$(dirname "$0")/.."
folder="${1:?expected a folder}"
python_there="${PYTHON_THERE:-3.12}"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT

# Every header that the compiler itself opens for these, at its path below the include folder.
headers() {
  mkdir -p "$stage/native/include"
  printf '#include <%s>\n' doctest/doctest.h nlohmann/json.hpp CLI/CLI.hpp dnnl.hpp |
    "${CXX:-c++}" -std=c++20 -x c++ -M - | tr ' \\' '\n\n' | grep -E '/include/(doctest|nlohmann|CLI|oneapi/dnnl|dnnl)' |
    while read -r header; do
      local below="${header#*/include/}"
      install -D -m 644 "$header" "$stage/native/include/$below"
    done
  # Highway opens others for each processor: all of them.
  local highway
  highway="$(printf '#include <hwy/base.h>\n' | "${CXX:-c++}" -std=c++20 -x c++ -M - | tr ' \\' '\n\n' | grep '/hwy/base.h$')"
  mkdir -p "$stage/native/include/hwy/ops"
  cp "${highway%/*}"/*.h "$stage/native/include/hwy/"
  cp "${highway%/*}"/ops/*.h "$stage/native/include/hwy/ops/"
  # What find_package(nlohmann_json CONFIG) reads: headers are all there is to it.
  mkdir -p "$stage/native/share/cmake/nlohmann_json"
  cat > "$stage/native/share/cmake/nlohmann_json/nlohmann_jsonConfig.cmake" <<'CMAKE'
if(NOT TARGET nlohmann_json::nlohmann_json)
  add_library(nlohmann_json::nlohmann_json INTERFACE IMPORTED)
  get_filename_component(prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
  set_target_properties(nlohmann_json::nlohmann_json PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${prefix}/include")
endif()
CMAKE
}

soname() { objdump -p "$1" | awk '$1 == "SONAME" { print $2 }'; }

# lib$1, and of what it needs all that a C++ compiler's machine does not have anyway; $2: Debian's package
library() {
  mkdir -p "$stage/native/lib"
  local found name
  found="$("${CXX:-c++}" -print-file-name="lib$1.so")"
  [ -f "$found" ] || { echo "lib$1.so was not found: install it (Debian: $2)" >&2; return 1; }
  name="$(soname "$found")"
  cp -L "$found" "$stage/native/lib/$name"
  ln -s "$name" "$stage/native/lib/lib$1.so"
  ldd "$found" | awk '$2 == "=>" { print $3 }' |
    { grep -vE '/(libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|libgomp)\.so' || true; } |  # none is fine
    while read -r need; do cp -L "$need" "$stage/native/lib/$(soname "$need")"; done
}

# PyTorch and transformers are that machine's own. Of the rest gpu-check.sh unpacks what is missing there.
wheels() {
  local versions
  versions="$(grep -E '^peft==' bench/peers/requirements.txt)"
  rm -rf "$folder/wheels"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version "$python_there" \
    --implementation cp --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 -d "$folder/wheels" \
    "$versions" accelerate psutil liger-kernel
}

# What gpu-check.sh runs, without what is of this machine: its processor, its paths, its cuBLAS.
built() {
  local build=build-travel-gpu cublas="${CUBLAS:-}"
  cmake -S native -B $build -DCMAKE_BUILD_TYPE=Release -DSPARK_NATIVE_ARCH=OFF -DSPARK_CUDA=ON \
    -DSPARK_CUDA_ARCHITECTURES="${CAPABILITY:-90a}-real" -DSPARK_FIXTURES_DIR=test/fixtures \
    -DCMAKE_BUILD_RPATH_USE_ORIGIN=ON ${cublas:+-DSPARK_CUBLAS_ROOT="$cublas"} > "$stage/built.log" 2>&1 &&
    cmake --build $build -j "$(nproc)" --target spark_tests bench_train bench_gpu bench_soak spark_cuda spark_cuda_racecheck gpu_probe gpu_trace \
      >> "$stage/built.log" 2>&1 || { tail -20 "$stage/built.log" >&2; return 1; }
  tar -C $build -czf "$folder/built.tar.gz" spark_tests bench_train bench_gpu bench_soak libspark_cuda.so libspark_cuda_racecheck.so gpu_probe libgpu_trace.so
}

# What running the ladder needs of node_modules, without what is for reading, for browsers or for other machines; of
# llama.cpp's builds for processors every second one, the next lower serves as well.
packages() {
  npm ls --omit=dev --all --parseable 2> /dev/null | grep /node_modules/ | sed "s|^$PWD/||" | sort -u |
    grep -vE '@node-llama-cpp/(mac|win|.*-(arm64|armv7l|cuda|cuda-ext|vulkan))|/(typescript|cmake-js|node-addon-api)(/|$)' |
    tar -cf - --exclude='*.ts' --exclude='*.mts' --exclude='*.cts' --exclude='*.map' --exclude='*.md' \
      --exclude=echarts/dist --exclude='*.bundle' --exclude=mathjs/lib/esm --exclude=llama/xpack --exclude='*.debug.js' \
      --exclude='libggml-cpu-'{piledriver,ivybridge,cannonlake,cascadelake,cooperlake,alderlake,zen4}'.so' -T -
}

# The addon is built anew for any processor of the family: the usual build is for the machine it is made on.
node_and_package() {
  local app="$stage/node"
  mkdir -p "$app/build/Release"
  npx tsc -p tsconfig.json --outDir "$app/dist"
  npx cmake-js build --out build-travel --CDSPARK_NATIVE_ARCH=OFF --CDSPARK_CUDA=OFF > "$stage/addon.log" 2>&1 ||
    { tail -20 "$stage/addon.log" >&2; return 1; }
  cp build-travel/Release/*.node "$app/build/Release/"
  cp -r configs data src scripts package.json "$app/"
  cp -L "$(command -v node)" "$app/node"
  strip "$app/node"
  packages | tar -xf - -C "$app"
}

headers
library dnnl libdnnl-dev
library hwy libhwy-dev
tar -C "$stage/native" -c include lib share | xz -9 -T0 > "$folder/native.tar.xz"
wheels
for extra in "${@:2}"; do
  case "$extra" in
    --built) built ;;
    --node)
      node_and_package
      tar -C "$stage/node" -c . | xz -9 -T0 > "$folder/node.tar.xz"
      ;;
    *) echo "expected --built or --node, got $extra" >&2; exit 2 ;;
  esac
done
du -sh --apparent-size "$folder"/* | sed "s|$folder/||"
