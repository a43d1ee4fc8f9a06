/**
 * The setup script in a root of its own, where everything that takes minutes or changes a machine is a stand-in of a few
 * lines: npm, the C++ build (it hands out this clone's engine), the TypeScript build, and, on machines that are a folder
 * of commands, compiler, package manager and sudo. What is tested is which step runs when, what is said before, and what
 * is left behind. CI's fresh clone runs the whole of it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findAddon } from '../../src/engine/addonPlace.js';
import { isAlive } from '../processes.js';

let root: string;
const at = (...parts: string[]) => path.join(root, ...parts);
const ADDON = 'build/Release/spark_rl.node';

function write(file: string, text: string, mode = 0o644) {
  mkdirSync(path.dirname(at(file)), { recursive: true });
  writeFileSync(at(file), text, { mode });
}

/** A script that notes that it ran, and then does `work`. */
const standIn = (name: string, work: string) => `#!/usr/bin/env node
  const fs = require('node:fs');
  const option = (name) => process.argv[process.argv.indexOf(name) + 1];
  fs.appendFileSync('ran.log', '${name}\\n');
  const end = () => {
    if (fs.existsSync('hang-${name}')) return setTimeout(end, 50);
    if (fs.existsSync('fail-${name}')) { console.error('a reason of ${name}'); process.exit(3); }
    ${work}
  };
  if (fs.existsSync('hang-${name}')) fs.writeFileSync('hang-${name}', String(process.pid));
  end();`;

const COMPILE = `fs.mkdirSync('dist/cli', { recursive: true });
  fs.writeFileSync('dist/cli/main.js', 'built');`;

const lock = (version: string) => ({
  packages: {
    '': {},
    'node_modules/cmake-js': { version },
    'node_modules/other-platform': { version: '1.0.0', optional: true },
  },
});

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'spark-setup-'));
  write('wheels/wheels.json', '[]');
  for (const name of ['setup.mjs', 'system.mjs', 'wheels.mjs']) cpSync(`scripts/${name}`, at('scripts', name));
  copyFileSync(findAddon(), at('engine.node'));
  for (const file of ['CMakeLists.txt', 'tsconfig.json', 'bindings/a.cpp', 'native/a.cpp', 'src/cli/main.ts']) {
    write(file, '// first');
  }
  write('package.json', '{"name":"stand-in","version":"1.0.0"}');
  write('package-lock.json', JSON.stringify(lock('8.0.0')));
  write(
    'node_modules/.package-lock.json',
    JSON.stringify({ packages: { 'node_modules/cmake-js': { version: '8.0.0' } } }),
  );
  write('node_modules/cmake-js/package.json', '{}');
  write(
    'node_modules/cmake-js/bin/cmake-js',
    standIn(
      'addon',
      `fs.mkdirSync(option('--out') + '/Release', { recursive: true });
       fs.copyFileSync('engine.node', option('--out') + '/Release/spark_rl.node');`,
    ),
  );
  write('node_modules/typescript-native/bin/tsc', standIn('typescript', COMPILE));
  write('bin/npm', standIn('npm', `fs.copyFileSync('package-lock.json', 'node_modules/.package-lock.json');`), 0o755);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const command = (goal: string) => [at('scripts/setup.mjs'), '--for', goal];
/** Nothing is ever installed on the machine that runs the tests. */
const environment = (env: NodeJS.ProcessEnv = {}) => ({
  ...process.env,
  PATH: `${at('bin')}:${process.env.PATH}`,
  SPARK_RL_NO_SYSTEM: '1',
  ...env,
});
const ran = () => (existsSync(at('ran.log')) ? readFileSync(at('ran.log'), 'utf8').trim().split('\n') : []);

function setup(goal = 'start', env: NodeJS.ProcessEnv = {}, user: { uid?: number; gid?: number } = {}) {
  rmSync(at('ran.log'), { force: true });
  const done = spawnSync(process.execPath, command(goal), {
    cwd: root,
    encoding: 'utf8',
    env: environment(env),
    ...user,
  });
  return { status: done.status, stderr: done.stderr, stdout: done.stdout, ran: ran() };
}

/** Resolves when `test` is true; the limit of the whole test catches a hang. */
async function until(test: () => boolean) {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A setup that goes on beside the test. */
function begin() {
  const child = spawn(process.execPath, command('start'), { cwd: root, env: environment() });
  const all = { child, stderr: '', ended: ended(child) };
  child.stderr.setEncoding('utf8').on('data', (text) => {
    all.stderr += text;
  });
  return all;
}

const ended = (child: ChildProcess) => new Promise<number | null>((resolve) => child.once('close', resolve));

describe('setup', () => {
  it('says first what it will do, does each step once, and a second run does and says nothing', () => {
    rmSync(at('node_modules/.package-lock.json'));
    const first = setup();
    expect(first).toMatchObject({ status: 0, stdout: '', ran: ['npm', 'typescript', 'addon'] });
    const said = first.stderr.split('\n').map((line) => line.replace(/^setup +[\d.]+ s {2}/, ''));
    expect(said.slice(0, 5)).toEqual([
      'not there yet, and made now, in this order:',
      expect.stringContaining('npm packages of package-lock.json'),
      expect.stringContaining('src/ into dist/'),
      expect.stringContaining('training engine'),
      'installing npm packages …',
    ]);
    expect(setup()).toMatchObject({ status: 0, stderr: '', ran: [] });
  });

  it('runs again what its sources ask for, and nothing else', () => {
    setup();
    write('native/a.cpp', 'int b;');
    expect(setup().ran).toEqual(['addon']);
    write('native/deep/new.cpp', 'int c;');
    expect(setup().ran).toEqual(['addon']);
    write('src/cli/main.ts', 'export const changed = 1;');
    expect(setup().ran).toEqual(['typescript']);
    rmSync(at('build'), { recursive: true });
    expect(setup().ran).toEqual(['addon']);
    writeFileSync(at(ADDON), 'no library');
    expect(setup().ran).toEqual(['addon']);
    // Same content, new dates: nothing to do.
    write('native/a.cpp', 'int b;');
    expect(setup().ran).toEqual([]);
    expect(setup('pack').ran).toEqual([]);
  });

  it('installs when the lock file asks for something else, and does not forget what was built', () => {
    setup();
    write('package-lock.json', JSON.stringify(lock('8.0.1')));
    // The lock file is among the sources of the TypeScript build.
    expect(setup().ran).toEqual(['npm', 'typescript']);
    expect(setup().ran).toEqual([]);
  });

  it.each([
    ['npm', 'setup_npm'],
    ['addon', 'setup_addon'],
    ['typescript', 'setup_typescript'],
  ])('a failure of %s is shown with its last lines, and not taken for done', (step, code) => {
    rmSync(at('node_modules/.package-lock.json'));
    write(`fail-${step}`, '');
    const failed = setup();
    expect(failed.status).toBe(1);
    expect(failed.stderr).toContain(`a reason of ${step}`);
    expect(failed.stderr).toContain(`[${code}]`);
    expect(failed.ran.at(-1)).toBe(step);
    rmSync(at(`fail-${step}`));
    const again = setup();
    expect(again.status).toBe(0);
    expect(again.ran[0]).toBe(step);
  });

  it('builds from scratch in a folder of another place, or where no build has ended well, and else goes on', () => {
    write('build/old', '');
    setup();
    expect(existsSync(at('build/old'))).toBe(false);
    write('build/old', '');
    write('native/a.cpp', '// another');
    setup();
    expect(existsSync(at('build/old'))).toBe(true);
    write(
      'build/setup.json',
      JSON.stringify({ ...JSON.parse(readFileSync(at('build/setup.json'), 'utf8')), root: '/' }),
    );
    write('native/a.cpp', '// and another');
    setup();
    expect(existsSync(at('build/old'))).toBe(false);
  });

  it('compiles what has changed, and from scratch where a source has gone', () => {
    write('src/gone.ts', '');
    setup();
    write('dist/gone.js', '');
    write('src/cli/main.ts', 'export const changed = 2;');
    expect(setup().ran).toEqual(['typescript']);
    expect(existsSync(at('dist/gone.js'))).toBe(true);
    rmSync(at('src/gone.ts'));
    expect(setup().ran).toEqual(['typescript']);
    expect(existsSync(at('dist/gone.js'))).toBe(false);
    expect(existsSync(at('dist/cli/main.js'))).toBe(true);
  });

  it('two at once build once', async () => {
    write('hang-addon', '');
    const first = begin();
    await until(() => ran().includes('addon'));
    const second = begin();
    await until(() => second.stderr.includes('waiting for another setup'));
    rmSync(at('hang-addon'));
    expect(await Promise.all([first.ended, second.ended])).toEqual([0, 0]);
    expect(ran()).toEqual(['typescript', 'addon']);
  });

  it('loads SymPy while the engine is being built', async () => {
    write('wheels/sympy.whl', 'a wheel');
    const sha256 = createHash('sha256').update('a wheel').digest('hex');
    write('wheels/wheels.json', JSON.stringify([{ file: 'sympy.whl', sha256 }]));
    write(
      'snapshots.js',
      `const fs = require('node:fs');
       exports.hasSympy = async () => fs.existsSync('loaded');
       exports.prepareSympy = async () => fs.writeFileSync('loaded', '');`,
    );
    write(
      'node_modules/typescript-native/bin/tsc',
      standIn(
        'typescript',
        `${COMPILE} fs.mkdirSync('dist/tools'); fs.copyFileSync('snapshots.js', 'dist/tools/pythonSnapshot.js');`,
      ),
    );
    write('hang-addon', '');
    const both = begin();
    await until(() => existsSync(at('loaded')) && ran().includes('addon'));
    expect(ran()).toEqual(['typescript', 'addon']);
    expect(existsSync(at(ADDON))).toBe(false);
    write('fail-addon', '');
    rmSync(at('hang-addon'));
    expect(await both.ended).toBe(1);
    expect(both.stderr).toContain('[setup_addon]');
    rmSync(at('fail-addon'));
    expect(setup()).toMatchObject({ status: 0, ran: ['addon'] });
    expect(setup()).toMatchObject({ status: 0, stderr: '' });
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'after %s in the middle the same command goes on',
    async (signal) => {
      write('hang-addon', '');
      const first = begin();
      await until(() => ran().length > 0 && Number(readFileSync(at('hang-addon'), 'utf8')) > 0);
      const builder = Number(readFileSync(at('hang-addon'), 'utf8'));
      first.child.kill(signal);
      expect(await first.ended).toBe(signal === 'SIGKILL' ? null : 130);
      if (signal === 'SIGKILL') process.kill(builder, 'SIGKILL');
      else expect(first.stderr).toContain('[setup_stopped]');
      await until(() => !isAlive(builder));
      rmSync(at('hang-addon'));
      expect(setup()).toMatchObject({ status: 0, ran: ['addon'] });
    },
  );

  it('exits with 2 when called the wrong way', () => {
    expect(setup('nothing')).toMatchObject({ status: 2, stderr: expect.stringContaining('expected --for start') });
  });
});

/** A machine is a folder of commands, the only one on the PATH. What its package manager "installs" appears in it. */
describe.skipIf(process.platform === 'darwin')('on a machine', () => {
  const isRoot = process.getuid?.() === 0;
  /** Root is nobody here; who is not root stays who they are. */
  const user = isRoot ? { uid: 65534, gid: 65534 } : {};
  const sh = (name: string, text: string) => write(`machine/${name}`, `#!/bin/sh\n${text}\n`, 0o755);
  const log = () => (existsSync(at('calls.log')) ? readFileSync(at('calls.log'), 'utf8').trim().split('\n') : []);
  const on = (env: NodeJS.ProcessEnv = {}, as: { uid?: number; gid?: number } = {}, goal = 'start') =>
    setup(goal, { PATH: at('machine'), CXX: undefined, SPARK_RL_NO_SYSTEM: undefined, ...env }, as);

  /** Its answers to --version are silent; everything else it notes, and then does `text`. */
  const manager = (name: string, text = '') =>
    sh(name, `[ "$1" = --version ] && exit 0\necho "${name} $*" >> ${at('calls.log')}\n${text}`);
  const install = () => `case "$*" in *install*|*-S*) ;; *) exit 0 ;; esac
    cp ${at('tools')}/* ${at('machine')}/`;
  const sudo = () => sh('sudo', `[ "$2" = true ] && exit 0\nshift\necho "sudo $1" >> ${at('calls.log')}\nexec "$@"`);

  beforeEach(() => {
    // Others than root work here, too.
    for (const folder of ['.', 'node_modules', 'bin', 'machine', 'tools']) {
      mkdirSync(at(folder), { recursive: true });
      chmodSync(at(folder), 0o777);
    }
    for (const file of ['calls.log', 'ran.log']) write(file, '', 0o666);
    for (const file of ['calls.log']) chmodSync(at(file), 0o666);
    for (const name of ['sh', 'env', 'cp', 'cat']) {
      symlinkSync(['/bin', '/usr/bin'].map((folder) => path.join(folder, name)).find(existsSync)!, at('machine', name));
    }
    symlinkSync(process.execPath, at('machine/node'));
    const tool = (name: string, text: string) => write(`tools/${name}`, `#!/bin/sh\n${text}\n`, 0o755);
    tool('cmake', 'echo cmake version 3.25.1');
    tool('make', 'true');
    tool('c++', 'cat > /dev/null; echo SPARK_YES');
  });

  it('without anything, the list comes first and then the system packages, as root or by sudo', () => {
    if (!isRoot) sudo();
    manager('apt-get', install());
    const done = on({}, {}, 'test');
    expect(done).toMatchObject({ status: 0, ran: ['typescript', 'addon'] });
    const packages = 'cmake make g++ libdnnl-dev libhwy-dev nlohmann-json3-dev doctest-dev libcli11-dev';
    expect(log().filter((line) => !line.startsWith('sudo'))).toEqual([
      `apt-get install -y ${packages} --no-install-recommends -o DPkg::Lock::Timeout=120`,
    ]);
    const list = done.stderr.indexOf(`system packages: ${packages}`);
    expect(list).toBeGreaterThan(0);
    expect(list).toBeLessThan(done.stderr.indexOf('installing cmake'));
    for (const why of [
      'a C++20 compiler (GCC 11, Clang 14, Xcode 15 or newer): ',
      'oneDNN (<dnnl.hpp>): matrix products',
    ]) {
      expect(done.stderr).toContain(why);
    }
    expect(on()).toMatchObject({ status: 0, stderr: '' });
  });

  it('by sudo where that asks for no password', () => {
    sudo();
    manager('apt-get', install());
    for (const folder of ['native', 'src']) chmodSync(at(folder), 0o755);
    expect(on({}, user)).toMatchObject({ status: 0 });
    expect(log()).toEqual(['sudo env', expect.stringMatching(/^apt-get install -y cmake /)]);
  });

  it('fetches the package lists of a fresh container, once', () => {
    if (!isRoot) sudo();
    manager('apt-get', `[ "$1" = update ] && : > ${at('lists')}\n[ -e ${at('lists')} ] || exit 100\n${install()}`);
    expect(on()).toMatchObject({ status: 0 });
    expect(log().flatMap((line) => /^apt-get (\w+)/.exec(line)?.[1] ?? [])).toEqual(['install', 'update', 'install']);
  });

  it.each([
    ['dnf', 'dnf install -y cmake make gcc-c++ onednn-devel highway-devel json-devel'],
    ['pacman', 'pacman -S --needed --noconfirm cmake make gcc onednn highway nlohmann-json'],
  ])('by %s', (name, expected) => {
    if (!isRoot) sudo();
    manager(name, install());
    expect(on()).toMatchObject({ status: 0 });
    expect(log()).toContain(expected);
  });

  it.each([
    ['SPARK_RL_NO_SYSTEM=1', { SPARK_RL_NO_SYSTEM: '1' }, {}, 'SPARK_RL_NO_SYSTEM is set', isRoot],
    ['somebody without sudo', {}, user, 'no sudo without a password', false],
  ])('%s: the command is named, and nothing touched', (_, env, as, reason, asRoot) => {
    manager('apt-get', install());
    // Where the system is not to be touched, it could be.
    sh('sudo', `exit ${'SPARK_RL_NO_SYSTEM' in env ? 0 : 1}`);
    const done = on(env, as);
    expect(done).toMatchObject({ status: 1, ran: [] });
    const words = `${asRoot ? '' : 'sudo '}apt-get install -y cmake make g++ libdnnl-dev libhwy-dev nlohmann-json3-dev`;
    expect(done.stderr).toContain(`Install with\n  ${words}\nand run this again`);
    expect(done.stderr).toContain('expected cmake 3.20 or newer, got none; make or ninja');
    expect(done.stderr).toContain(reason);
    expect(done.stderr).toContain('[setup_cmake]');
    expect(log()).toEqual(['']);
  });

  it('names what is too old or not found, each with its code', () => {
    cpSync(at('tools'), at('machine'), { recursive: true });
    const no = { SPARK_RL_NO_SYSTEM: '1' };
    sh('cmake', 'echo cmake version 3.16.3');
    expect(on(no).stderr).toMatch(/expected cmake 3\.20 or newer, got 3\.16\. Install with\n.*\[setup_cmake\]/s);
    cpSync(at('tools'), at('machine'), { recursive: true });
    expect(on({ ...no, CXX: 'nothing-here' }).stderr).toMatch(
      /expected a C\+\+20 compiler.*got none \(tried nothing-here\).*\[setup_compiler\]/s,
    );
    sh('c++', 'case "$(cat)" in *dnnl.hpp*) ;; *) echo SPARK_YES ;; esac');
    const library = on(no);
    expect(library.stderr).toMatch(/expected oneDNN \(<dnnl.hpp>\), got none\. Install with\n.*\[setup_packages\]/s);
    // No package manager that is known: the commands of all.
    for (const words of ['apt-get install -y libdnnl-dev', 'dnf install -y onednn-devel', '--noconfirm onednn']) {
      expect(library.stderr).toContain(words);
    }
    if (!isRoot) sudo();
    manager('apt-get');
    expect(on().stderr).toMatch(
      /got none\. Install with.*that has been done, and it still is not found.*\[setup_packages\]/s,
    );
    expect(ran()).toEqual([]);
  });
});
