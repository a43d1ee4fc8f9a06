/**
 * CPython (pyodide) in a realm of its own. Pyodide's Node build hands `fs` and `child_process` to whoever asks, so it is
 * started in its shell mode instead: a realm with no `process` and no `require`, where every file it needs is given to
 * it, string evaluation is off and dynamic `import` is refused. What Python can walk to from there holds no Node module.
 *
 * Everything in Python can be changed by what runs in it, so a process answers one call. Starting one is made cheap by a
 * picture of the memory of an interpreter that has loaded and run nothing but our driver (0.2 s instead of 2.1 s, beside what Node itself takes).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type vm from 'node:vm';
import { type Evaluate, EvaluationFailure } from '../hostProtocol.js';
import { DRIVER } from './pythonDriver.js';
import { createRealm, importInRealm, runInRealm } from './realm.js';

/** Python's heap; allocation beyond it is a MemoryError in Python. */
const MAX_HEAP_MB = 512;
const FILES = ['pyodide.asm.wasm', 'python_stdlib.zip', 'pyodide-lock.json'];

interface Pyodide {
  runPython(code: string): unknown;
  unregisterJsModule(name: string): void;
  makeMemorySnapshot(): Uint8Array;
}
type Runner = (source: string, maxChars: number) => unknown;

/** The memory of an interpreter that is ready for its first call. */
export async function makePythonSnapshot(): Promise<Uint8Array> {
  const { pyodide } = await start({ _makeSnapshot: true });
  pyodide.runPython(DRIVER);
  return pyodide.makeMemorySnapshot();
}

export async function createPython(snapshot: Uint8Array): Promise<Evaluate> {
  const { pyodide, realm, globals } = await start({ _loadSnapshot: snapshot });
  // Needed for the start only; gone before any foreign code runs.
  for (const name of ['read', 'readbuffer', 'load', 'location']) {
    Reflect.deleteProperty(globals, name);
    runInRealm(realm, `delete globalThis.${name}`, 'cleanup');
  }
  // The picture must have them: its objects of JavaScript are counted from the first.
  pyodide.unregisterJsModule('js');
  pyodide.unregisterJsModule('pyodide_js');
  const runner = pyodide.runPython(TAKE_DRIVER) as Runner;
  return (input, maxChars) => evaluate(runner, input, maxChars);
}

async function start(
  options: object,
): Promise<{ pyodide: Pyodide; realm: vm.Context; globals: Record<string, unknown> }> {
  const folder = `${dirname(createRequire(import.meta.url).resolve('pyodide'))}/`;
  const globals = shellGlobals(folder);
  const realm = createRealm(globals, false);
  runInRealm(realm, HEAP_LIMIT, 'heap-limit');
  let loading = true;
  const module = await importInRealm(realm, join(folder, 'pyodide.mjs'), (specifier) =>
    loading && specifier.endsWith('/pyodide.asm.mjs') ? join(folder, 'pyodide.asm.mjs') : null,
  );
  const { loadPyodide } = module as { loadPyodide(options: object): Promise<Pyodide> };
  const pyodide = await loadPyodide({
    ...options,
    indexURL: folder,
    packageBaseUrl: folder,
    env: { HOME: '/home/pyodide', PYTHONHASHSEED: '0' },
    stdout: () => {},
    stderr: () => {},
    jsglobals: runInRealm(realm, 'Object.assign(Object.create(null), { Object })', 'jsglobals'),
  });
  loading = false;
  return { pyodide, realm, globals };
}

const TAKE_DRIVER = `
import sys
for _name in list(sys.modules):
    if _name == 'js' or _name.split('.')[0] == 'pyodide_js': del sys.modules[_name]
_spark_run
`;

/** The driver answers `+` and the text, or `-` and what went wrong. */
function evaluate(runner: Runner, input: string, maxChars: number): string {
  let reply: unknown;
  try {
    reply = runner(input, maxChars);
  } catch {
    // The driver catches whatever Python raises: what arrives here broke the interpreter.
  }
  if (typeof reply !== 'string') throw new EvaluationFailure('the interpreter failed and was restarted', true);
  if (!reply.startsWith('+')) throw new Error(reply.slice(1));
  return reply.slice(1);
}

/** Growth goes through this one JavaScript call; refusing it makes malloc fail, which Python reports. */
const HEAP_LIMIT = `(() => {
  const grow = WebAssembly.Memory.prototype.grow;
  const pages = ${MAX_HEAP_MB} * 16;
  Object.defineProperty(WebAssembly.Memory.prototype, 'grow', {
    value: function (delta) {
      if (this.buffer.byteLength / 65536 + delta > pages) throw new RangeError('heap limit');
      return grow.call(this, delta);
    },
  });
})()`;

/** What pyodide's shell mode expects of its host. All of it pure, none of it reaches further. */
function shellGlobals(folder: string): Record<string, unknown> {
  const bytes = (file: string): Buffer => {
    const name = String(file).split('/').at(-1)!;
    if (!FILES.includes(name)) throw new Error(`no file ${name}`);
    return readFileSync(join(folder, name));
  };
  const nothing = () => {};
  return {
    read: (file: string) => bytes(file).toString('utf8'),
    readbuffer: (file: string) => new Uint8Array(bytes(file)).buffer,
    load: nothing,
    location: { href: 'file:///pyodide/' },
    os: { system: (_command: string, args: string[]) => notRandom(args) },
    console: { log: nothing, warn: nothing, error: nothing, info: nothing, debug: nothing },
    performance: { now: () => performance.now() },
    setTimeout: (callback: () => void, delay?: number) => Number(setTimeout(callback, delay)),
    clearTimeout: (id: number) => clearTimeout(id),
    ...{ TextDecoder, TextEncoder, URL, AbortController, AbortSignal, queueMicrotask },
  };
}

/** Pyodide asks `head -c N /dev/urandom | base64`. A rollout must be repeatable, so the bytes are always the same. */
function notRandom(args: readonly string[]): string {
  const count = Number(/-c\s*(\d+)/.exec(args.join(' '))?.[1] ?? 0);
  const out = Buffer.alloc(count);
  let state = 0x9e3779b9;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    out[i] = state & 0xff;
  }
  return out.toString('base64');
}
