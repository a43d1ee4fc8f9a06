/** Where the user's own Python cannot be sandboxed it is refused, with what is missing and what to do. Needs neither of the two. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { resolveConfig } from '../../../../src/config/index.js';
import type { Run } from '../../../../src/run/run.js';
import { actingFacts } from '../../../../src/stages/rolloutFacts.js';
import { createBuiltinRegistry } from '../../../../src/tools/registry.js';
import { askInterpreter } from '../../../../src/tools/system/interpreter.js';
import { describeSystemPython, openSystemPython } from '../../../../src/tools/system/python.js';
import { findSandbox, type Machine } from '../../../../src/tools/system/sandbox.js';

const root = mkdtempSync(path.join(tmpdir(), 'spark-own-python-'));
afterAll(() => rmSync(root, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

/** A folder of programs, each of which does what a line of shell says. */
function programs(lines: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(path.join(root, 'bin-'));
  for (const [name, line] of Object.entries(lines)) {
    const file = path.join(folder, name);
    writeFileSync(file, `#!/bin/sh\n${line}\n`);
    chmodSync(file, 0o755);
  }
  return folder;
}

const here = { platform: 'linux', architecture: 'x64' } as const;
const refused = (message: RegExp) => ({
  code: 'tool_unavailable',
  message: expect.stringMatching(new RegExp(`^tools\\.python\\.engine system: ${message.source}`)),
});

const PYTHON = {
  ...{
    executable: '/opt/own/bin/python3',
    implementation: 'cpython',
    version: '3.12.5',
    paths: ['/opt/own/lib/python3.12'],
  },
  ...{ reads: ['/opt/own/lib'], packages: { numpy: '2.2.0' } },
};
const python = (said: object) => `echo '${JSON.stringify(said)}'`;
const bwrap = (does: string) => `[ "$1" = --version ] && { echo bubblewrap 0.8.0; exit; }\n${does}`;

describe('no sandbox', () => {
  const CASES: readonly (readonly [what: string, Partial<Machine>, message: RegExp])[] = [
    ['on another system', { platform: 'darwin' }, /expected Linux, .*got darwin; set tools\.python\.engine to pyodide/],
    ['on another processor', { architecture: 'riscv64' }, /expected a processor of x64 or arm64.*got riscv64; set/],
    ['without bubblewrap', { programs: programs({}) }, /expected bubblewrap.*found none; install it \(apt-get/],
    [
      'of an old bubblewrap',
      { programs: programs({ bwrap: 'echo bubblewrap 0.6.1' }) },
      /.*0\.7 or newer.*got bubblewrap 0\.6\.1/,
    ],
    [
      'of what is no bubblewrap',
      { programs: programs({ bwrap: 'exit 3' }) },
      /.*0\.7 or newer.*got no version; install/,
    ],
    [
      'in a folder of a project',
      { programs: path.relative('.', programs({ bwrap: bwrap('') })) },
      /expected bubblewrap.*found none/,
    ],
  ];

  it.each(CASES)('%s', async (_, given, message) => {
    await expect(findSandbox({ ...here, programs: '', ...given })).rejects.toMatchObject(refused(message));
  });
});

describe('an interpreter', () => {
  const ask = (line: string, packages: readonly string[] = []) =>
    askInterpreter({ path: path.join(programs({ own: line }), 'own'), packages });

  it('that is not there, fails, is old, or is none of CPython', async () => {
    await expect(askInterpreter({ path: 'no-such-python' })).rejects.toMatchObject(
      refused(/expected Python at no-such-python, but there is no such program; name another with tools\.python\.path/),
    );
    await expect(ask('echo broken >&2; exit 1')).rejects.toMatchObject(
      refused(/expected Python at .*own, but broken; name/),
    );
    await expect(ask('echo \'{"old": "3.6.9"}\'')).rejects.toMatchObject(
      refused(/expected Python 3\.9 or newer .*got 3\.6\.9/),
    );
    await expect(ask('echo hello')).rejects.toMatchObject(refused(/expected Python at .*own, but it wrote 'hello'/));
    const other = python({ ...PYTHON, implementation: 'pypy' });
    await expect(ask(other)).rejects.toMatchObject(refused(/expected CPython at .*got pypy; name another/));
  });

  it('that lacks a package the model is told of', async () => {
    await expect(ask(python(PYTHON), ['numpy', 'pandas'])).rejects.toMatchObject(
      refused(/expected pandas of tools\.python\.packages in \/opt\/own\/bin\/python3, .*-m pip install/),
    );
    expect(await ask(python(PYTHON), ['numpy'])).toMatchObject({ version: '3.12.5', packages: { numpy: '2.2.0' } });
  });
});

describe.skipIf(process.platform !== 'linux')('a sandbox that does not start', () => {
  const open = (does: string) => {
    const folder = programs({ bwrap: bwrap(does), python3: python(PYTHON) });
    return openSystemPython({ path: path.join(folder, 'python3') }, { ...here, programs: folder });
  };

  it('because the kernel allows no namespaces', async () => {
    const said = 'bwrap: No permissions to create a new namespace, likely because the kernel does not allow it';
    await expect(open(`echo '${said}' >&2; exit 1`)).rejects.toMatchObject(
      refused(
        /expected a kernel that lets .*bwrap make namespaces, but .*Allow it: sysctl .*set tools\.python\.engine to pyodide/,
      ),
    );
  });

  it('because Python does not, or leaves a door open, or ends in silence', async () => {
    await expect(open("echo 'ImportError: libopenblas.so.0' >&2; exit 1")).rejects.toMatchObject(
      refused(
        /expected \/opt\/own\/bin\/python3 to start in the sandbox, but ImportError: libopenblas\.so\.0; name another/,
      ),
    );
    await expect(open("echo 'the sandbox leaves open: the network' >&2; exit 1")).rejects.toMatchObject(
      refused(/.*but the sandbox leaves open: the network/),
    );
    await expect(open('exit 139')).rejects.toMatchObject(
      refused(/.*but its process ended \(signal 11\); name another/),
    );
    await expect(open('echo hello; sleep 60')).rejects.toMatchObject(refused(/.*but its process ended \(SIGKILL\)/));
  });

  it('ends a call and the warming of tools as tool_unavailable, and is looked for again', async () => {
    vi.stubEnv('PATH', programs({}));
    await using registry = createBuiltinRegistry({ tools: ['python'], python: { engine: 'system' } });
    const call = () => registry.run('python', '1 + 1', { timeoutMs: 1000, maxObservationChars: 100 });
    await expect(registry.warm()).rejects.toMatchObject(refused(/expected bubblewrap/));
    await expect(call()).rejects.toMatchObject(refused(/expected bubblewrap/));
    vi.stubEnv('PATH', programs({ bwrap: 'echo bubblewrap 0.1.2' }));
    await expect(call()).rejects.toMatchObject(refused(/.*got bubblewrap 0\.1\.2/));
  });

  it('is where a run begins: what computes is a fact of rollouts, with its versions', async () => {
    const folder = programs({ bwrap: bwrap(`echo '{"ready": true}'; exec /bin/sleep 60`), python3: python(PYTHON) });
    const facts = async (tools: object) => {
      const parts = { mcpListings: () => [], actions: () => [] };
      const run = { config: resolveConfig({ tools }), parts, partsHash: null, signal: new AbortController().signal };
      return (await actingFacts(run as unknown as Run)).tools;
    };
    const own = { engine: 'system', path: path.join(folder, 'python3') };
    vi.stubEnv('PATH', folder);
    expect(await facts({ python: own })).toMatchObject({
      python: { engine: 'system', version: '3.12.5', numpy: '2.2.0' },
    });
    expect(await facts({ python: own, enabled: ['calculator'] })).not.toHaveProperty('python');
    expect(await facts({})).not.toHaveProperty('python');
    vi.stubEnv('PATH', '');
    await expect(facts({ python: own })).rejects.toMatchObject(refused(/expected bubblewrap/));
  });
});

describe('the settings', () => {
  it('are pyodide unless asked otherwise; a path is made absolute, a name is not', () => {
    expect(resolveConfig().tools.python).toEqual({ engine: 'pyodide', path: null, packages: [] });
    const of = (python: object) => resolveConfig({ tools: { python } }).tools.python;
    expect(of({ engine: 'system', path: '.venv/bin/python' }).path).toBe(path.resolve('.venv/bin/python'));
    expect(of({ path: 'python3.12' }).path).toBe('python3.12');
    expect(() => of({ engine: 'jupyter' })).toThrow(/tools\.python\.engine/);
    expect(() => of({ packages: ['scikit-learn'] })).toThrow(
      /tools\.python\.packages\.0: expected a name as import takes it/,
    );
    expect(() => createBuiltinRegistry({ python: { engine: 'jupyter' as never } })).toThrow(
      /pyodide or system, got 'jupyter'/,
    );
  });

  it('say in prompts what the model may import', () => {
    const [own] = createBuiltinRegistry({
      tools: ['python'],
      python: { engine: 'system', packages: ['numpy', 'scipy'] },
    }).actions();
    expect(own!.description).toMatch(/^Runs Python 3 \(standard library, numpy, scipy\) and shows/);
    expect(describeSystemPython({})).toMatch(/^Runs Python 3 \(standard library, and what else is installed\)/);
  });
});
