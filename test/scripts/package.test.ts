/**
 * The installed package, without minutes of installing and compiling (scripts/pack-test.mjs does that for real): what the
 * tarball holds, what the error names, and what `spark-rl setup` does when, with a stand-in for cmake-js that hands out
 * this clone's engine.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SetupOptions, SetupResult } from '../../src/cli/setupScript.js';
import { findAddon, remedy } from '../../src/engine/addonPlace.js';

it('names a command that works where it is typed', () => {
  expect(remedy(false)).toBe('npx spark-rl setup');
  expect(remedy(true)).toBe('npm start');
});

describe('the tarball', () => {
  // No scripts: what dist holds is left as it is.
  const done = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { encoding: 'utf8' });
  const [packed] = JSON.parse(done.stdout) as [{ files: { path: string; size: number }[] }];
  const files = packed.files.map((file) => file.path);

  it('holds what the program and its one command need', () => {
    expect(files).toEqual(
      expect.arrayContaining([
        ...['dist/index.js', 'dist/index.d.ts', 'dist/cli/main.js', 'dist/tools/hostChild.js'],
        ...['models/spark-tiny.gguf', 'configs/quickstart.yaml', 'LICENSE', 'THIRD_PARTY.md', 'README.md'],
        ...[
          'scripts/setup.mjs',
          'scripts/system.mjs',
          'scripts/wheels.mjs',
          'wheels/wheels.json',
          'CMakeLists.txt',
          'native/CMakeLists.txt',
          'native/cmake/cuda.cmake',
          'bindings/addon.cpp',
        ],
      ]),
    );
    for (const folder of ['data', 'configs', 'bindings', 'native/core', 'native/cpu', 'native/cuda']) {
      const here = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      expect(files).toEqual(expect.arrayContaining(here.map((entry) => path.join(entry.parentPath, entry.name))));
    }
  });

  it('holds no sources, tests, maps, benchmarks or build records', () => {
    expect(
      files.filter((file) =>
        /^(src|test|bench|build|runs|native\/bench)\/|\.map$|tsbuildinfo|^dist\/\.setup/.test(file),
      ),
    ).toEqual([]);
    // The lock file is how a clone is told from a package.
    expect(files).not.toContain('package-lock.json');
    const size = (wheels: boolean) =>
      packed.files.reduce((sum, file) => sum + (file.path.endsWith('.whl') === wheels ? file.size : 0), 0);
    expect(size(false)).toBeLessThan(8e6);
    expect(size(true)).toBeLessThan(7e6);
  });
});

describe('spark-rl setup', () => {
  let home: string;
  const at = (...parts: string[]) => path.join(home, ...parts);
  const root = () => at('node_modules/spark-rl');
  const cache = () => at('cache/spark-rl/1');
  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(at(file)), { recursive: true });
    writeFileSync(at(file), text);
  };
  const builds = () => (existsSync(at('ran.log')) ? readFileSync(at('ran.log'), 'utf8').trim().split('\n') : []);

  beforeEach(() => {
    home = mkdtempSync(path.join(os.tmpdir(), 'spark-package-'));
    copyFileSync(findAddon(), at('engine.node'));
    write('node_modules/spark-rl/package.json', '{ "name": "spark-rl", "version": "1.0.0" }');
    for (const file of ['native/a.cpp', 'bindings/a.cpp', 'CMakeLists.txt']) write(`node_modules/spark-rl/${file}`, '');
    write('node_modules/spark-rl/wheels/wheels.json', '[]');
    for (const name of ['setup.mjs', 'system.mjs', 'wheels.mjs']) {
      cpSync(`scripts/${name}`, path.join(root(), 'scripts', name));
    }
    write('node_modules/node-addon-api/package.json', '{ "version": "8.0.0" }');
    write('node_modules/cmake-js/package.json', '{ "version": "8.0.0" }');
    write(
      'node_modules/cmake-js/bin/cmake-js',
      `const fs = require('node:fs');
       const out = process.argv[process.argv.indexOf('--out') + 1];
       fs.appendFileSync('${at('ran.log')}', process.argv.at(-1) + '\\n');
       fs.mkdirSync(out + '/Release', { recursive: true });
       if (fs.existsSync('${at('hang')}')) setInterval(() => {}, 1000);
       else if (fs.existsSync('${at('fail')}')) { console.error('a reason'); process.exit(3); }
       else fs.copyFileSync('${at('engine.node')}', out + '/Release/spark_rl.node');
       console.log('-- Without the CUDA backend: no nvcc');`,
    );
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  async function setup(options: Partial<SetupOptions> = {}): Promise<SetupResult> {
    const script = pathToFileURL(path.join(root(), 'scripts/setup.mjs')).href;
    return (await import(/* @vite-ignore */ script)).setUpPackage({ ...settings(), quiet: true, ...options });
  }
  const settings = () => ({ root: root(), cache: cache(), cuda: 'auto', force: false });
  const left = () => readdirSync(path.join(root(), 'build')).sort();

  it('builds once, in the package, and again when the sources are others or the engine does not load', async () => {
    const addon = path.join(root(), 'build/Release/spark_rl.node');
    const first = { addon, place: 'package', built: true, cuda: false, noCuda: 'no nvcc' };
    expect(await setup()).toEqual(first);
    expect(left()).toEqual(['Release', 'setup.json']);
    expect(await setup()).toEqual({ ...first, built: false });
    write('node_modules/spark-rl/native/a.cpp', 'int b;');
    expect((await setup()).built).toBe(true);
    writeFileSync(addon, 'no library');
    expect((await setup()).built).toBe(true);
    expect((await setup({ force: true })).built).toBe(true);
    expect(builds()).toEqual(Array(4).fill('--CDSPARK_CUDA=AUTO'));
  });

  it('asks for CUDA what it was asked', async () => {
    await setup({ cuda: 'off' });
    expect((await setup({ cuda: 'off' })).built).toBe(false);
    expect((await setup({ cuda: 'auto' })).built).toBe(true);
    expect((await setup({ cuda: 'off' })).built).toBe(false);
    expect((await setup({ cuda: 'on' })).built).toBe(true);
    expect(builds()).toEqual(['OFF', 'AUTO', 'ON'].map((value) => `--CDSPARK_CUDA=${value}`));
  });

  it('a failed build leaves the engine that was there, and nothing else', async () => {
    write('fail', '');
    await expect(setup()).rejects.toMatchObject({ code: 'setup_addon', message: expect.stringContaining('a reason') });
    expect(existsSync(path.join(root(), 'build'))).toBe(false);
    rmSync(at('fail'));
    await setup();
    write('fail', '');
    await expect(setup({ force: true, cuda: 'on' })).rejects.toMatchObject({ code: 'setup_cuda' });
    expect(left()).toEqual(['Release', 'setup.json']);
    expect((await setup()).built).toBe(false);
  });

  it('an interrupted build ends with its processes and leaves no draft', async () => {
    write('hang', '');
    const controller = new AbortController();
    const running = setup({ signal: controller.signal });
    while (builds().length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    controller.abort();
    await expect(running).rejects.toMatchObject({ name: 'AbortError' });
    expect(existsSync(path.join(root(), 'build'))).toBe(false);
  });

  it('two at once build once', async () => {
    const results = await Promise.all([setup(), setup()]);
    expect(results.map((result) => result.built).sort()).toEqual([false, true]);
    expect(builds()).toHaveLength(1);
  });

  it('says which package is missing beside it', async () => {
    rmSync(at('node_modules/node-addon-api'), { recursive: true });
    await expect(setup()).rejects.toMatchObject({ code: 'setup_npm', message: /node-addon-api.*install again/ });
  });

  it('builds into the cache where the package is read-only, and says so', () => {
    chmodSync(root(), 0o555);
    // Nothing is read-only to root: another user tries. All they may write to is the cache and the stand-in's record.
    chmodSync(home, 0o755);
    for (const open of ['cache', 'ran.log']) {
      if (open === 'cache') mkdirSync(at(open));
      else write(open, '');
      chmodSync(at(open), 0o777);
    }
    const script = `
      import { setUpPackage } from ${JSON.stringify(path.join(root(), 'scripts/setup.mjs'))};
      console.log(JSON.stringify(await setUpPackage(${JSON.stringify(settings())})));`;
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: home,
      encoding: 'utf8',
      ...(process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}),
    });
    chmodSync(root(), 0o755);
    expect(done.stderr).toContain(`is read-only: the engine goes to ${cache()}`);
    expect(JSON.parse(done.stdout)).toMatchObject({
      place: 'cache',
      built: true,
      addon: path.join(cache(), 'Release/spark_rl.node'),
    });
  });
});
