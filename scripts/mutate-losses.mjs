/**
 * Mutation tests: puts each error of test/native/mutations.mjs into a copy of native/, builds the test program and runs
 * it; a test must fail. Prints a table; exits 1 when a mutant survives or does not compile. A mutation whose place is
 * no longer found in its file is reported before anything is built.
 *
 *   npm run test:mutations                      all of them
 *   npm run test:mutations -- cpu/policy.cpp    those in files whose names contain one of the words
 *
 * The copy is build-mutations/, kept between runs. With ccache on the PATH the unchanged files cost nothing.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutations } from '../test/native/mutations.mjs';
import { mutated } from './mutant.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const copy = path.join(root, 'build-mutations');
const build = path.join(copy, 'build');
const program = path.join(build, 'spark_tests');
// Some mutants loop or diverge. How long the suite takes without any is measured first.
let timeout = 3_600_000;
// Tests of files and memory, which take most of the suite's time and test nothing of what is mutated.
const WITHOUT = ['*/core_atomic_file_*', '*/core_gguf_*', '*/core_safetensors_*', '*/memory_*', '*/adapter_io_*'];

/**
 * Copies native/, test/native and the fixtures, laid out as the tests expect. Only files whose content differs are
 * written, so that unchanged files are not compiled again, and a file that an interrupted run left mutated is.
 */
function makeCopy() {
  for (const folder of ['native', 'test/native']) {
    const from = path.join(root, folder);
    const to = path.join(copy, folder);
    mkdirSync(to, { recursive: true });
    for (const name of readdirSync(to, { recursive: true })) {
      if (!existsSync(path.join(from, name))) rmSync(path.join(to, name), { recursive: true, force: true });
    }
    for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const source = path.join(entry.parentPath, entry.name);
      const target = path.join(to, path.relative(from, source));
      const bytes = readFileSync(source);
      if (existsSync(target) && bytes.equals(readFileSync(target))) continue;
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, bytes);
    }
  }
  const fixtures = path.join(copy, 'test/fixtures');
  if (!existsSync(fixtures)) symlinkSync(path.join(root, 'test/fixtures'), fixtures, 'dir');
}

function configure() {
  const ccache = spawnSync('ccache', ['--version']).status === 0;
  const launcher = ccache ? ['-DCMAKE_CXX_COMPILER_LAUNCHER=ccache'] : [];
  run('cmake', [
    '-S',
    path.join(copy, 'native'),
    '-B',
    build,
    '-DCMAKE_BUILD_TYPE=Release',
    '-DSPARK_UNITY=OFF',
    ...launcher,
  ]);
}

/** Runs a command and returns its output; throws with its output when it fails. */
function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${command} failed: ${result.stderr || result.stdout || result.error}`);
  return result.stdout;
}

const compile = () => run('cmake', ['--build', build, '--target', 'spark_tests', '-j', '2']);

const FP8 = 'cuda fp8 emulated';

const EMULATED = 'cuda emulated';
// Where copies arrive as late as they may: who does not wait for them shows here alone.
const REORDERED = `${EMULATED}, threads in descending order`;

/** The backends to test: mutants of CUDA kernels on the emulated device, all others on the CPU. */
function backendsOf(file) {
  if (!file.startsWith('cuda/')) return ['cpu f32'];
  return file.includes('fp8') ? [FP8] : [EMULATED, REORDERED, FP8];
}

/** The first test that fails on one of these backends; null when all pass. */
function failure(backends) {
  for (const backend of backends) {
    const failed = failureOn(backend);
    if (failed !== null) return failed;
  }
  return null;
}

function failureOn(backend) {
  // No other file's tests know the emulated device by its name with fp8.
  const files = backend === FP8 ? '--source-file=*fp8_test.cpp' : `--source-file-exclude=${WITHOUT.join(',')}`;
  const flags = ['--no-colors', '--no-intro', '--abort-after=1', files];
  const result = spawnSync(program, flags, {
    encoding: 'utf8',
    timeout,
    maxBuffer: 1 << 28,
    env: { ...process.env, OMP_WAIT_POLICY: 'passive', SPARK_TEST_BACKENDS: backend },
  });
  if (result.status === 0) return null;
  if (result.error?.code === 'ETIMEDOUT') return `not done after ${timeout / 1000} s`;
  // A section alone is no failure, as a skipped backend has one with the test's name too.
  const section = result.stdout.split(/^={20,}$/m).find((part) => part.includes(' ERROR: ')) ?? '';
  const file = /([^/\n]+_test)\.cpp:\d+:\nTEST CASE: {2}(.*)/.exec(section);
  return file ? `${file[1]}: ${file[2]}` : (result.signal ?? `exit ${result.status}`);
}

/** The file with the mutation in it; an error that names the mutation when its place is not found. */
function mutant({ file, what, ...mutation }) {
  try {
    return mutated(readFileSync(path.join(root, 'native', file), 'utf8'), mutation);
  } catch (error) {
    throw new Error(`native/${file}, "${what}": ${error.message}; write it anew in test/native/mutations.mjs`);
  }
}

/** Builds and tests one mutant: `killed` and by which test, or why it counts as a finding. */
function tryMutant(mutation) {
  const target = path.join(copy, 'native', mutation.file);
  const text = readFileSync(target, 'utf8');
  try {
    writeFileSync(target, mutant(mutation));
    compile();
    const failed = failure(backendsOf(mutation.file));
    if (failed === null) return { verdict: 'SURVIVED', detail: 'no test failed' };
    return { verdict: 'killed', detail: failed };
  } catch (error) {
    return {
      verdict: 'BUILD',
      detail: error.message.split('\n').find((line) => line.includes('error')) ?? error.message,
    };
  } finally {
    writeFileSync(target, text);
  }
}

const words = process.argv.slice(2);
const chosen = mutations.filter(({ file }) => words.length === 0 || words.some((word) => file.includes(word)));
if (chosen.length === 0) throw new Error(`no mutation is of a file named like ${words.join(' or ')}`);
for (const mutation of chosen) mutant(mutation);
makeCopy();
configure();
compile();
const began = Date.now();
const broken = failure([...new Set(chosen.flatMap(({ file }) => backendsOf(file)))]);
if (broken !== null) throw new Error(`a test fails without any mutation: ${broken}`);
timeout = Math.max(60_000, 5 * (Date.now() - began));

const counts = new Map();
for (const mutation of chosen) {
  const { verdict, detail } = tryMutant(mutation);
  counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  console.log(`${verdict.padEnd(9)} ${mutation.file.padEnd(26)} ${mutation.what.padEnd(48)} ${detail.slice(0, 90)}`);
}
console.log([...counts].map(([verdict, count]) => `${count} ${verdict}`).join(', '));
process.exitCode = counts.get('killed') === chosen.length ? 0 : 1;
