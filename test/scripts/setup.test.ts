/**
 * The setup script in a root of its own, where the tools that take minutes (npm's packages, the C++ build, the TypeScript
 * build) are stand-ins of a few lines: what is tested here is which step runs when, and what is left behind when one
 * fails. The check of compiler and libraries is the real one. CI's fresh clone runs the whole of it.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let root: string;
const at = (...parts: string[]) => path.join(root, ...parts);

function write(file: string, text: string) {
  mkdirSync(path.dirname(at(file)), { recursive: true });
  writeFileSync(at(file), text);
}

/** A script that notes that it ran, then writes `output`. */
const standIn = (name: string, output: string) => `
  const fs = require('node:fs');
  fs.appendFileSync('ran.log', '${name}\\n');
  if (fs.existsSync('fail-${name}')) { console.error('a reason of ${name}'); process.exit(3); }
  fs.mkdirSync(require('node:path').dirname('${output}'), { recursive: true });
  fs.writeFileSync('${output}', 'built');`;

const lock = (version: string) => ({
  packages: {
    '': {},
    'node_modules/cmake-js': { version },
    'node_modules/other-platform': { version: '1.0.0', optional: true },
  },
});

beforeEach(() => {
  root = mkdtempSync(path.join(os.tmpdir(), 'spark-setup-'));
  cpSync('scripts/setup', at('scripts/setup'), { recursive: true });
  cpSync('scripts/setup.mjs', at('scripts/setup.mjs'));
  write('package.json', '{"name":"stand-in","version":"1.0.0"}');
  write('package-lock.json', JSON.stringify(lock('8.0.0')));
  write('native/a.cpp', 'int a;');
  write('src/cli/main.ts', 'export {};');
  write(
    'node_modules/.package-lock.json',
    JSON.stringify({ packages: { 'node_modules/cmake-js': { version: '8.0.0' } } }),
  );
  write('node_modules/cmake-js/package.json', '{}');
  write('node_modules/cmake-js/bin/cmake-js', standIn('addon', 'build/Release/spark_rl.node'));
  write('node_modules/typescript/bin/tsc', standIn('typescript', 'dist/cli/main.js'));
  // What npm_execpath points at stands for npm.
  write(
    'npm.js',
    `${standIn('npm', 'node_modules/installed')}\n fs.rmSync('node_modules/.spark-setup.json', { force: true });`,
  );
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function setup(goal = 'start', env: Record<string, string> = {}) {
  rmSync(at('ran.log'), { force: true });
  const args = [at('scripts/setup.mjs'), '--for', goal];
  const done = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, npm_execpath: at('npm.js'), ...env },
  });
  const ran = existsSync(at('ran.log')) ? readFileSync(at('ran.log'), 'utf8').trim().split('\n') : [];
  return { status: done.status, stderr: done.stderr, stdout: done.stdout, ran };
}

describe('setup', () => {
  it('does each step once, and a second run does and says nothing', () => {
    const first = setup();
    expect(first).toMatchObject({ status: 0, stdout: '', ran: ['addon', 'typescript'] });
    expect(first.stderr).toContain('already those of package-lock.json');
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
    // Same content, new dates: nothing to do.
    write('native/a.cpp', 'int b;');
    expect(setup().ran).toEqual([]);
  });

  it('installs when the lock file asks for something else, and does not forget what was built', () => {
    setup();
    write('package-lock.json', JSON.stringify(lock('8.0.1')));
    // The lock file is among the sources of the TypeScript build.
    expect(setup().ran).toEqual(['npm', 'typescript']);
    expect(setup().ran).toEqual([]);
  });

  it('installs where an installation was broken off', () => {
    rmSync(at('node_modules/.package-lock.json'));
    expect(setup().ran).toEqual(['npm', 'addon', 'typescript']);
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

  it('throws away a build folder of another place, or one that was never configured to the end', () => {
    for (const home of ['/somewhere/else', root]) {
      write('build/CMakeCache.txt', `CMAKE_HOME_DIRECTORY:INTERNAL=${home}\n`);
      write('build/old', '');
      write('native/a.cpp', `// ${home}`);
      expect(setup().ran).toContain('addon');
      expect(existsSync(at('build/old'))).toBe(false);
    }
    write('build/CMakeCache.txt', `CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`);
    write('build/build.ninja', '');
    write('build/old', '');
    write('native/a.cpp', '// another');
    setup();
    expect(existsSync(at('build/old'))).toBe(true);
  });

  it('removes what the compiler made of a source that is gone', () => {
    setup();
    write('dist/gone.js', '');
    write('dist/gone.d.ts', '');
    write('src/cli/main.ts', 'export const changed = 2;');
    setup();
    expect(existsSync(at('dist/gone.js'))).toBe(false);
    expect(existsSync(at('dist/gone.d.ts'))).toBe(false);
    expect(existsSync(at('dist/cli/main.js'))).toBe(true);
  });

  it('names the missing tool and the command that brings it', () => {
    const bare = at('bin');
    mkdirSync(bare);
    const noCmake = setup('test', { PATH: bare });
    expect(noCmake.status).toBe(1);
    expect(noCmake.stderr).toMatch(
      /expected cmake 3\.20 or newer, got none\. Install with\n.*apt-get install -y cmake/s,
    );
    expect(noCmake.stderr).toContain('[setup_cmake]');

    writeFileSync(path.join(bare, 'cmake'), '#!/bin/sh\necho cmake version 3.16.3\n', { mode: 0o755 });
    symlinkSync('/bin/sh', path.join(bare, 'sh'));
    expect(setup('test', { PATH: bare }).stderr).toContain('or newer, got 3.16');

    const noCompiler = setup('test', { CXX: at('no-such-compiler') });
    expect(noCompiler.stderr).toMatch(/expected a C\+\+20 compiler.*got none \(tried .*no-such-compiler\)/);
    expect(noCompiler.stderr).toContain('[setup_compiler]');
    expect(noCompiler.ran).toEqual([]);
  });

  it('waits for another setup, but not for one that was killed', () => {
    setup();
    write('native/a.cpp', 'int d;');
    const script = `
      import { withLock } from ${JSON.stringify(at('scripts/setup/lock.mjs'))};
      withLock(${JSON.stringify(root)}, async () => { process.kill(process.pid, 'SIGKILL'); });`;
    spawnSync(process.execPath, ['--input-type=module', '-e', script]);
    expect(setup()).toMatchObject({ status: 0, ran: ['addon'] });
  });

  it('exits with 2 when called the wrong way', () => {
    expect(setup('nothing')).toMatchObject({ status: 2, stderr: expect.stringContaining('expected --for start') });
  });
});
