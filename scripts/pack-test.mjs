#!/usr/bin/env node
/**
 * Does what a user does who installs the package: packs this clone, installs the tarball into an empty project with
 * install scripts disabled, reads the command from the error message, runs it, and prints log-probs of the shipped
 * model from a program and from the command line. They must be those of this clone's engine. Takes minutes, because the
 * C++ is compiled; the package registry must be reachable. Exit code 0 when everything worked.
 *
 *   node scripts/pack-test.mjs [--keep]      --keep: do not remove the project
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const TOKENS = [1, 15, 27, 9, 300, 42, 7, 512, 3, 88, 260, 31];
/** Both engines are compiled from the same sources on this machine; at most the order of a sum may differ. */
const TOLERANCE = 1e-5;

const PROGRAM = `
import { openModel, resolveConfig } from 'spark-rl';
const model = await openModel(resolveConfig().model.path, { backend: 'cpu' });
const tokens = Int32Array.from(${JSON.stringify(TOKENS)});
const batch = { tokens, cuSeqlens: Int32Array.of(0, tokens.length), lossMask: new Uint8Array(tokens.length).fill(1, 1) };
console.log(JSON.stringify([...(await model.logprobs(batch, null))].slice(1)));
model.dispose();
`;

/** Two calls that need the wheels of the package; the second imports them in a process of its own. */
const TOOLS = `
import { createBuiltinRegistry } from 'spark-rl/rollout';
const tools = createBuiltinRegistry({ tools: ['python', 'algebra'] });
const limits = { timeoutMs: 60_000, maxObservationChars: 400 };
const algebra = await tools.run('algebra', 'integrate(x*exp(x), x)', limits);
const python = await tools.run('python', 'import sympy\\nx = sympy.symbols("x")\\nsympy.solve(x**2 - 2, x)', limits);
console.log(JSON.stringify([algebra.observation, python.observation]));
await tools.dispose();
`;

/** @param {boolean} condition @param {string} otherwise @returns {asserts condition} */
function must(condition, otherwise) {
  if (!condition) throw new Error(otherwise);
}

/** @param {string} what @param {string} cwd @param {string[]} words @param {Record<string, string>} [env] */
function run(what, cwd, [command = '', ...args], env = {}) {
  const begun = Date.now();
  const done = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, ...env }, maxBuffer: 2 ** 26 });
  process.stdout.write(`${((Date.now() - begun) / 1000).toFixed(1).padStart(7)} s  ${what}\n`);
  if (done.error) throw done.error;
  return done;
}

/** @param {Parameters<typeof run>} call @returns {string} its stdout */
function succeed(...call) {
  const { status, stdout, stderr } = run(...call);
  must(status === 0, `${call[2].join(' ')}: expected exit code 0, got ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

/** @param {string} folder */
function install(folder) {
  const pack = ['npm', 'pack', '--silent', '--pack-destination', folder];
  const tarball = path.join(folder, succeed('npm pack', root, pack).trim().split('\n').at(-1) ?? '');
  process.stdout.write(`           ${path.basename(tarball)}: ${(statSync(tarball).size / 1e6).toFixed(2)} MB\n`);
  const project = path.join(folder, 'project');
  mkdirSync(project);
  writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
  writeFileSync(path.join(project, 'logprobs.mjs'), PROGRAM);
  writeFileSync(path.join(project, 'tokens.json'), JSON.stringify(TOKENS));
  const flags = ['--ignore-scripts', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'];
  succeed('npm install --ignore-scripts', project, ['npm', 'install', ...flags, tarball]);
  return project;
}

/** @param {string} project */
function setUp(project) {
  const before = run('a program, before setup', project, ['node', 'logprobs.mjs']);
  must(before.status !== 0, 'expected no engine before setup, got one');
  const command = /build it: (npx spark-rl setup)$/m.exec(before.stderr)?.[1];
  must(command !== undefined, `expected an error that names npx spark-rl setup, got\n${before.stderr}`);

  const first = JSON.parse(succeed(command, project, [...command.split(' '), '--json']));
  must(first.built && existsSync(first.addon), `expected a built engine, got ${JSON.stringify(first)}`);
  must(first.place === 'package', `expected it in the package, got ${first.addon}`);
  const left = readdirSync(path.join(path.dirname(first.addon), '..'))
    .sort()
    .join(' ');
  must(left === 'Release setup.json', `expected Release and setup.json in build/, got ${left}`);
  const second = JSON.parse(succeed(`${command}, again`, project, [...command.split(' '), '--json']));
  must(!second.built, 'expected the second setup to find the engine built');
}

/** SymPy comes with the package, and set-up has loaded it: the user's cache folder needs to hold no snapshot. @param {string} project */
function computeSymbols(project) {
  writeFileSync(path.join(project, 'tools.mjs'), TOOLS);
  const cache = path.join(project, 'cache');
  const said = run('algebra and import sympy', project, ['node', 'tools.mjs'], { XDG_CACHE_HOME: cache });
  const wanted = JSON.stringify(['(x - 1)*exp(x)\n+ C', '[-sqrt(2), sqrt(2)]']);
  must(said.stdout.trim() === wanted, `expected ${wanted}, got ${said.stdout}${said.stderr}`);
  const kept = existsSync(path.join(cache, 'spark-rl')) ? readdirSync(path.join(cache, 'spark-rl')) : [];
  must(
    !kept.some((name) => name.endsWith('.sympy')),
    'expected setup to have loaded SymPy, got another snapshot of it',
  );
}

/** @param {string} project */
function compare(project) {
  succeed('this clone’s engine', root, ['node', 'scripts/setup.mjs', '--for', 'start']);
  const here = PROGRAM.replace("'spark-rl'", JSON.stringify(path.join(root, 'dist/index.js')));
  /** @type {number[]} */
  const wanted = JSON.parse(succeed('its log-probs', root, ['node', '--input-type=module', '-e', here]));
  const logprobs = ['npx', 'spark-rl', 'logprobs', '--backend', 'cpu', '--tokens', 'tokens.json', '--json'];
  /** @type {Record<string, number[]>} */
  const got = {
    program: JSON.parse(succeed('a program, after setup', project, ['node', 'logprobs.mjs'])),
    command: JSON.parse(succeed('npx spark-rl logprobs', project, logprobs)).logprobs[0],
  };
  for (const [name, values] of Object.entries(got)) {
    process.stdout.write(`           ${name}: ${values.map((value) => value.toFixed(4)).join(' ')}\n`);
    const worst = Math.max(...wanted.map((value, i) => Math.abs(value - (values[i] ?? Number.NaN))));
    must(
      wanted.length === TOKENS.length - 1 && worst <= TOLERANCE,
      `${name}: expected this clone's log-probs ${wanted} within ${TOLERANCE}, got ${values} (worst ${worst})`,
    );
  }
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'spark-pack-'));
try {
  const project = install(folder);
  setUp(project);
  computeSymbols(project);
  compare(project);
  // Checks that models, corpus, sandboxed tools and their libraries are found when the package lies in node_modules.
  succeed('npx spark-rl doctor', project, ['npx', 'spark-rl', 'doctor', '--config', 'quickstart', '--json']);
  process.stdout.write('the package works\n');
} catch (error) {
  process.stderr.write(`pack-test: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
} finally {
  if (process.argv.includes('--keep')) process.stdout.write(`left in ${folder}\n`);
  else rmSync(folder, { recursive: true, force: true });
}
