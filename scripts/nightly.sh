#!/usr/bin/env bash
# Runs the checks that take too long for every change, once a night (CI_FULL=1 .ci/run runs it too). All parts run, even
# after a failure; at the end it prints the seconds of each part, and the exit code is 1 when one failed.
#
# These were moved here from .ci/run; the right column says what remains there:
#   Ampere and PTX code of the CUDA backend   one architecture compiles; the others differ in a few lines
#   sanitized: fp8 with offload             fp8 without; npm test has it unsanitized
#   sanitized: threads in descending order    ascending order; npm test runs both orders without sanitizers
#   sanitized: accumulate, two-pass critics   the processor; the one-pass critic and bf16_test show the same kernels
#     on the emulated device
#   verify parity: every tensor type          F32 and Q4_K; bindings/parityQuantised.test.ts compares all of them
#   run files cut in four places              in two
#   TensorBoard and MLflow themselves read    loopback servers and the bytes of files; all of it where PYTHON (python3) has
#     what a training shows them              both packages (test/requirements.txt)
#   chat templates and vocabularies of ten    test/src/rollout/prompt.test.ts, and the shipped model's own template
#     families, from llama.cpp's git bundle
#   300 plain sources in one Python process,  120, and every sixth
#     and every source and change that could
#     leave something behind
#   trajectories exported in the authors'     Hugging Face's chats and Parquet
#     form and imported again
#   mini: three questions of each template    one, and Python's inputs of every third
#   the cache of all runs: eight processes    two in one process, and what a killed one leaves; a few hundred
#     killed at random; a million verdicts
#   every poison of python, and 84 sources,   half of the poisons; refusals, hostile sources; all of it where bwrap works
#     in the user's own Python and in Pyodide
#   expressions against fractions of big        80 of 1,500, and every fourth
#     integers, calls against scipy
#   300 generated problems of algebra against   3
#     mathjs; 360 against SymPy in CPython      none
#   batches with lines missing or cancelled   with failed and expired ones
#   verify resume with the critic's own       with the actor's trunk and made-up trajectories; engine_test and
#     trunk, and on a run's own trajectories    shared_trunk_test resume both kinds, bit by bit
#   ablate tau, ablate heldout, a short form  ladder, rho, signal, online and judge
#   files of a finished run removed, as the   cut, and refused with what to remove
#     error says, and the run goes on
#   a real llama-server generates and judges  loopback servers in its shape
#   a soak of 2,000 questions, three kills      of 28, one kill
#   examples grpo.ts and own-parts.ts as      dpo.ts; GRPO's loss and gradients against PyTorch; test/src/run/parts.test.ts
#     they are run
set -uo pipefail
cd "$(dirname "$0")/.."
export SPARK_SHARED="${SPARK_SHARED:-$(cd .. && pwd)/shared}"
source scripts/parts.sh
failed=0

# there FILE COMMAND …: runs the command if the file exists
there() {
  local file=$1
  shift
  if [ -e "$file" ]; then part "$@" || failed=1; else skipped "$*" "there is no $file"; fi
}

there scripts/setup.mjs node scripts/setup.mjs --for test
if command -v nvcc > /dev/null; then
  part env SPARK_CUDA_ARCHITECTURES= npm run build:cuda || failed=1
else
  skipped "npm run build:cuda" "no nvcc"
fi
there node_modules/node-llama-cpp/llama/gitRelease.bundle node scripts/build-llama.mjs llama-server
part env SPARK_TEST_FULL=1 npm run test:sanitize || failed=1
part env SPARK_TEST_FULL=1 npx vitest run verify.test damage.test chatFamilies.test miniTools.test pythonPlain.test Forms.test tools/logic.test tools/algebra.test sharedVerdicts.test judge/batch.test trajectories.test inference/process.test llamaServer.test mcp/reference.test tools/system experiments/sweep.test objectives.test stages/soak.test || failed=1
peers=node_modules/.cache/python-peers
if python3 -m venv "$peers" && "$peers/bin/pip" install --quiet -r test/requirements.txt; then
  part env PYTHON="$PWD/$peers/bin/python" SPARK_TEST_FULL=1 npx vitest run test/src/tracking tools/algebraPeer.test || failed=1
else
  skipped "TensorBoard, MLflow and SymPy themselves" "no venv, or no registry that has them"
fi
there scripts/mutate-losses.mjs npm run test:mutations
there scripts/gguf-mutations.ts npx vite-node scripts/gguf-mutations.ts -- --count 1000
there scripts/pack-test.mjs node scripts/pack-test.mjs
there scripts/under-load.sh scripts/under-load.sh
exit "$failed"
