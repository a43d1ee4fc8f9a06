import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isolation, permissionFlag, planLaunch } from '../../../src/tools/hostLaunch.js';
import type { HostKind } from '../../../src/tools/hostProtocol.js';
import { createBuiltinRegistry } from '../../../src/tools/registry.js';

const registry = createBuiltinRegistry({ tools: ['python', 'calculator', 'algebra'] });
const context = { timeoutMs: 20_000, maxObservationChars: 600 };
const python = (source: string, timeoutMs = context.timeoutMs) =>
  registry.run('python', source, { ...context, timeoutMs });

beforeAll(() => registry.warm());
afterAll(() => registry.dispose());

describe('from inside Python', () => {
  it('the JavaScript modules are gone', async () => {
    expect((await python('import js')).observation).toMatch(/^ModuleNotFoundError/);
    expect((await python('import pyodide_js')).observation).toMatch(/^ModuleNotFoundError/);
    expect((await python('from pyodide.code import run_js; run_js("1")')).ok).toBe(false);
  });

  it('JavaScript that can be reached cannot be made into code', async () => {
    const { observation } = await python(
      'from pyodide.ffi import to_js\nto_js([1]).constructor.constructor("return process")()',
    );
    expect(observation).toMatch(/Code generation from strings disallowed/);
  });

  it('no walk over JavaScript objects meets one of Node’s', async () => {
    // Everything that can be reached by properties and prototypes from objects that pyodide's Python modules hold.
    const { observation } = await python(WALK, 600_000);
    const { seen, found } = JSON.parse(observation.replaceAll("'", '"')) as { seen: number; found: string[] };
    expect(seen).toBeGreaterThan(500);
    expect(found).toEqual([]);
  });

  it('the machine’s files, programs, environment and network are out of reach', async () => {
    expect((await python('open("/etc/passwd").read()')).observation).toMatch(/^FileNotFoundError/);
    expect((await python('import os; os.system("id")')).observation).toBe('-1');
    expect((await python('import subprocess; subprocess.run(["id"])')).observation).toMatch(/^OSError/);
    expect((await python('import os; sorted(os.listdir("/"))')).observation).not.toMatch(/etc|root|work/);
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    let connections = 0;
    server.on('connection', () => {
      connections += 1;
    });
    const { port } = server.address() as { port: number };
    const connect = await python(`import socket; socket.create_connection(("127.0.0.1", ${port}), timeout=2)`);
    const fetch = await python(`import urllib.request; urllib.request.urlopen("http://127.0.0.1:${port}/").read()`);
    server.close();
    expect([connect.ok, fetch.ok, connections]).toEqual([false, false, 0]);
  });

  it('memory and recursion end in Python errors', async () => {
    expect((await python("len('a' * 10**10)")).observation).toMatch(/^(OverflowError|MemoryError)/);
    expect((await python("len('a' * 10**9)")).observation).toMatch(/^MemoryError/);
    expect((await python('def f(n): return f(n + 1)\nf(0)')).observation).toMatch(/^RecursionError/);
    expect((await python('1 + 1')).observation).toBe('2');
  });
});

const WALK = `
import sys
from pyodide.ffi import to_js, JsProxy
array = to_js([1]).constructor
function = array.constructor
Object = function.prototype.constructor.getPrototypeOf if False else to_js([1]).__proto__.__proto__.constructor
names, proto = Object.getOwnPropertyNames, Object.getPrototypeOf
signs = ('getBuiltinModule', 'binding', 'dlopen', 'readFileSync', 'execFileSync', 'createConnection', 'createRequire')
todo = [v for m in list(sys.modules.values()) for v in list(vars(m).values()) if isinstance(v, JsProxy)] + [array, function, Object]
seen, found = set(), []
while todo and len(seen) < 4000:
    value = todo.pop()
    if value.js_id in seen: continue
    seen.add(value.js_id)
    try: keys = list(names(value))
    except Exception: continue
    found += [k for k in keys if k in signs]
    for key in keys:
        try: child = Object.getOwnPropertyDescriptor(value, key).value
        except Exception: continue
        if isinstance(child, JsProxy): todo.append(child)
    try: parent = proto(value)
    except Exception: continue
    if isinstance(parent, JsProxy): todo.append(parent)
{'seen': len(seen), 'found': found}
`;

describe('at the deadline', () => {
  it('kills a loop and a computation that cannot be interrupted, and a fresh child answers', async () => {
    for (const source of ['while True: pass', 'sum(range(10**12))']) {
      const result = await python(source, 400);
      expect(result).toEqual({ ok: false, code: 'tool_timeout', observation: 'timed out after 0.4 s' });
    }
    expect((await python('40 + 2')).observation).toBe('42');
  });

  it('bounds the calculator: endless work ends, and the next call is answered', async () => {
    const run = (input: string, timeoutMs: number) => registry.run('calculator', input, { ...context, timeoutMs });
    const huge = await run('zeros(100000, 100000)', 400);
    expect(huge).toMatchObject({ ok: false, code: expect.stringMatching(/tool_timeout|tool_failed/) });
    expect((await run('1000000!', 20_000)).ok).toBe(false);
    expect((await run('1 + 1', 20_000)).observation).toBe('2');
  });
});

describe('a child as it is started', () => {
  const here = dirname(fileURLToPath(import.meta.url));

  async function probe(kind: HostKind, withLauncher: boolean): Promise<Record<string, string>> {
    const folder = await mkdtemp(join(tmpdir(), 'probe-'));
    const secret = join(folder, 'secret');
    await writeFile(secret, 'the secret');
    const server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')).listen(
      0,
      '127.0.0.1',
    );
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    try {
      const plan = await planLaunch(kind);
      const words = [plan.command, ...plan.args];
      const node = words.indexOf(process.execPath);
      const script = join(here, 'fixtures', 'probe.mjs');
      const compiled = dirname(words.at(-2)!);
      const [command, ...args] = [
        ...(withLauncher ? words.slice(0, node) : []),
        ...words.slice(node, -2),
        `--allow-fs-read=${script}`,
        ...[script, compiled, String(port), secret, String(process.pid)],
      ];
      const { stdout } = await promisify(execFile)(command!, args, { env: {}, cwd: '/' });
      return JSON.parse(stdout) as Record<string, string>;
    } finally {
      server.close();
      await rm(folder, { recursive: true });
    }
  }

  it.each([
    ['with', true],
    ['without', false],
  ])('has every door shut, %s the operating system’s help', async (_, withLauncher) => {
    const results = await probe('python', withLauncher);
    expect(Object.keys(results).length).toBeGreaterThanOrEqual(20);
    expect(Object.entries(results).filter(([, result]) => result !== 'shut')).toEqual([]);
  });

  it('may use worker threads in the logic host only', async () => {
    const open = Object.entries(await probe('logic', true)).filter(([, result]) => result !== 'shut');
    expect(open.map(([name]) => name)).toEqual(['worker']);
  });

  it('uses the permission flag that its Node knows', () => {
    const flags = ['20.19.0', '22.12.0', '22.13.0', '23.4.0', '23.5.0', '24.0.0', '25.1.0'].map(permissionFlag);
    const [old, stable] = ['--experimental-permission', '--permission'];
    expect(flags).toEqual([old, old, stable, old, stable, stable, stable]);
    expect(process.allowedNodeEnvironmentFlags.has(permissionFlag(process.versions.node))).toBe(true);
    expect(isolation().permissionModel).toBe(true);
  });
});
