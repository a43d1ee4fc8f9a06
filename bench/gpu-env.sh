# What bench/gpu-check.sh finds on a machine and what it misses there. Sourced by it; BUILD, BACKEND and DEPS are its.

# Toolkits and profilers that were installed but not put on PATH, where their installers put them.
for folder in /usr/local/cuda/bin /usr/local/cuda/compute-sanitizer /opt/nvidia/nsight-compute/*; do
  [ ! -d "$folder" ] || PATH="$PATH:$folder"
done

# DEPS's libraries and headers, and of its Python packages those that this machine's python3 does not have: an older or
# newer one of its own goes with its own torch.
unpack_deps() {
  [ -n "${DEPS:-}" ] || return 0
  [ -f "$DEPS/native.tar.xz" ] || { echo "DEPS=$DEPS: no native.tar.xz there; bench/gpu-deps.sh makes it"; return 1; }
  local at="$BUILD/deps" wheel module
  mkdir -p "$at/site"
  at="$(cd "$at" && pwd)"
  # Python knows xz, which not every machine has a program for.
  [ -d "$at/include" ] || python3 -m tarfile -e "$DEPS/native.tar.xz" "$at" || return 1
  for wheel in "$DEPS"/wheels/*.whl; do
    [ -f "$wheel" ] || continue
    module="$(basename "$wheel")"
    module="${module%%-*}"
    python3 -c "import importlib.util, sys; sys.exit(not importlib.util.find_spec('$module'))" 2> /dev/null ||
      python3 -m zipfile -e "$wheel" "$at/site" || return 1
  done
  if [ -f "$DEPS/node.tar.xz" ] && [ ! -d "$at/node" ]; then
    mkdir -p "$at/node" && python3 -m tarfile -e "$DEPS/node.tar.xz" "$at/node" && ln -s "$PWD/models" "$at/node/models" ||
      return 1
  fi
  export CMAKE_PREFIX_PATH="$at${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}"
  # To find at run time, and when linking, what the libraries there need themselves.
  export LD_LIBRARY_PATH="$at/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export PYTHONPATH="$at/site${PYTHONPATH:+:$PYTHONPATH}"
}

# Programs that bench/gpu-deps.sh --built compiled elsewhere, where they run here: a minute and a half of the GPU's time
# for nothing but unpacking. They come without cuBLAS, which is taken from where PyTorch has it.
carried_build() {
  [ -n "${DEPS:-}" ] && [ -f "$DEPS/built.tar.gz" ] || return 1
  local root
  tar -C "$BUILD" -xzf "$DEPS/built.tar.gz" || return 1
  if root="$(python_cublas)"; then export LD_LIBRARY_PATH="$root/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"; fi
  "$BUILD/bench_train" --help > /dev/null && "$BUILD/spark_tests" --version > /dev/null && return 0
  rm -f "$BUILD"/{bench_train,spark_tests,bench_gpu,bench_soak,gpu_probe,libspark_cuda.so,libspark_cuda_racecheck.so}
  echo "the carried programs do not run here; building them"
  return 1
}

# cuBLAS of a Python package, as PyTorch brings it, for a toolkit without one.
python_cublas() {
  python3 - <<'PY' 2> /dev/null
import glob, os, sys
for base in sys.path:
    for header in glob.glob(os.path.join(base, "nvidia", "*", "include", "cublasLt.h")):
        print(os.path.dirname(os.path.dirname(header)))
        sys.exit()
sys.exit(1)
PY
}

toolkit_has_cublas() {
  local top
  top="$(nvcc --dryrun -x cu /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p')"
  ls "$top"/include/cublasLt.h "$top"/targets/*/include/cublasLt.h > /dev/null 2>&1
}

# CMake's settings for this machine: code for its own GPU alone, which is a third of the compiling.
cuda_settings() {
  [ "$BACKEND" = cuda ] || return 0
  local capability root
  # A machine without a driver answers with a sentence.
  capability="$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2> /dev/null | grep -m 1 -E '^[0-9]+[.][0-9]$' | tr -d .)"
  [ "$capability" != 90 ] || capability=90a
  capability="${CAPABILITY:-$capability}"
  [ -z "$capability" ] || printf -- '-DSPARK_CUDA_ARCHITECTURES=%s-real ' "$capability"
  printf -- '-DCMAKE_CUDA_COMPILER=%s ' "$(command -v nvcc)"
  toolkit_has_cublas || ! root="$(python_cublas)" || printf -- '-DSPARK_CUBLAS_ROOT=%s ' "$root"
}

# Every thing that is missing, not only the first.
need_for_build() {
  local status=0 tool header deps="${CMAKE_PREFIX_PATH:-}"
  deps="${deps%%:*}"
  miss() { echo "missing: $*"; status=1; }
  for tool in cmake c++; do command -v $tool > /dev/null || miss "$tool, on PATH"; done
  command -v ninja > /dev/null || command -v make > /dev/null || miss "ninja or make, on PATH"
  for header in doctest/doctest.h nlohmann/json.hpp CLI/CLI.hpp dnnl.hpp hwy/highway.h; do
    printf '#include <%s>\n' "$header" | c++ -std=c++20 ${deps:+-I"$deps/include"} -x c++ -E - > /dev/null 2>&1 ||
      miss "the header $header (doctest-dev, nlohmann-json3-dev, libcli11-dev, libdnnl-dev, libhwy-dev, or DEPS)"
  done
  printf 'int main() {}\n' | c++ -x c++ - ${deps:+-L"$deps/lib"} -ldnnl -lhwy -o /dev/null 2> /dev/null ||
    miss "the libraries dnnl and hwy, or something they need (libdnnl-dev, libhwy-dev, or DEPS)"
  printf 'int main() {}\n' | c++ -fopenmp -x c++ - -o /dev/null 2> /dev/null || miss "OpenMP for c++ (libgomp1)"
  [ "$BACKEND" = cuda ] || return $status
  command -v nvcc > /dev/null || miss "nvcc, on PATH or in /usr/local/cuda/bin"
  toolkit_has_cublas || python_cublas > /dev/null || miss "cublasLt.h, in the CUDA toolkit or a Python package nvidia-cublas"
  nvidia-smi > /dev/null 2>&1 || echo "nvidia-smi does not answer: it will build, but nothing can run"
  return $status
}

need_for_peers() {
  python3 -c 'import torch, transformers, peft' 2> "$logs/import.log" ||
    { echo "missing for the peers: $(tail -n 1 "$logs/import.log")"; return 1; }
}

# The folder of the built package: the carried one, or this one.
package_folder() {
  local carried="$BUILD/deps/node"
  if [ -x "$carried/node" ]; then echo "$carried"; else
    command -v node > /dev/null && [ -f dist/cli/main.js ] && echo .
  fi
}
