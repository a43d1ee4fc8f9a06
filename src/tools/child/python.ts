/**
 * The tool `python`: CPython (pyodide) in a realm of its own. Under Node pyodide would give Python access to `fs` and
 * `child_process`, so it is started in its shell mode: in a realm without `process` and `require`, which gets every
 * file it needs from us, without evaluation of strings and without dynamic `import`. No Node module can be reached from
 * there.
 *
 * Code can change everything in the interpreter, so a process answers one call only. To start fast, it loads a snapshot
 * of the memory of an interpreter that has run nothing but our driver (0.2 s instead of 2.1 s, beside what Node itself
 * takes).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type vm from 'node:vm';
import { type Evaluate, EvaluationFailure } from '../hostProtocol.js';
import { DRIVER } from './pythonDriver.js';
import { createRealm, importInRealm, runInRealm } from './realm.js';

/** Limit of Python's heap; allocating more raises MemoryError in Python. */
const MAX_HEAP_MB = 512;
const FILES = ['pyodide.asm.wasm', 'python_stdlib.zip', 'pyodide-lock.json'];

interface Pyodide {
  runPython(code: string): unknown;
  unregisterJsModule(name: string): void;
  makeMemorySnapshot(): Uint8Array;
}
type Runner = (source: string, maxChars: number) => unknown;

/** The snapshot: the memory of an interpreter that is ready for its first call. */
export async function makePythonSnapshot(): Promise<Uint8Array> {
  const { pyodide } = await start({ _makeSnapshot: true });
  pyodide.runPython(DRIVER);
  return pyodide.makeMemorySnapshot();
}

export async function createPython(snapshot: Uint8Array): Promise<Evaluate> {
  const { pyodide, realm, globals } = await start({ _loadSnapshot: snapshot });
  // Needed only for starting; removed before any foreign code runs.
  for (const name of ['read', 'readbuffer', 'load', 'location']) {
    Reflect.deleteProperty(globals, name);
    runInRealm(realm, `delete globalThis.${name}`, 'cleanup');
  }
  // Not before: the snapshot needs these modules, because it refers to JavaScript objects by their number.
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

/** The driver returns `+` and the output, or `-` and the error message. */
function evaluate(runner: Runner, input: string, maxChars: number): string {
  let reply: unknown;
  try {
    reply = runner(input, maxChars);
  } catch {
    // The driver catches everything that Python raises, so this error means that the interpreter is broken.
  }
  if (typeof reply !== 'string') throw new EvaluationFailure('the interpreter failed and was restarted', true);
  if (!reply.startsWith('+')) throw new Error(reply.slice(1));
  return reply.slice(1);
}

/** All memory growth goes through this JavaScript function; when it throws, malloc fails, and Python raises MemoryError. */
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

/** The globals that pyodide's shell mode needs; none of them gives access to anything else. */
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
    TextDecoder,
    TextEncoder,
    URL,
    AbortController,
    AbortSignal,
    queueMicrotask,
  };
}

/** Answers pyodide's `head -c N /dev/urandom | base64` with the same bytes always, because rollouts must be repeatable. */
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
