/**
 * The tool `python`: CPython (pyodide) in a realm of its own. Under Node pyodide would give Python access to `fs` and
 * `child_process`, so it is started in its shell mode: in a realm without `process` and `require`, which gets every
 * file it needs from us, without evaluation of strings and without dynamic `import`. No Node module can be reached from
 * there.
 *
 * Code can change everything in the interpreter, so a process answers one call only, unless every source it was given is
 * plain (`pythonPlain.ts`). To start fast, it loads a snapshot of the memory of an interpreter that has run nothing but
 * our driver (0.2 s instead of 2.1 s, beside what Node itself takes).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type vm from 'node:vm';
import { Declined, EvaluationFailure, type Image } from '../hostProtocol.js';
import { DRIVER } from './pythonDriver.js';
import { createRealm, importInRealm, runInRealm } from './realm.js';

/** Limit of Python's heap; allocating more raises MemoryError in Python. */
const MAX_HEAP_MB = 512;
/**
 * What the heap of a process that is kept may have grown by. A call that needs more is answered by a new process, so that
 * no MemoryError depends on what earlier calls left in the heap.
 */
const KEPT_GROWTH_MB = 48;
/**
 * Words put on the native stack below a call in a kept process: 640 of its 900 KB. A frame of WebAssembly is smaller once
 * V8 has optimised it, so depths at which a new process fails could succeed in a used one; with less than a third of the
 * stack they fail in both, and the new process has the last word.
 */
const BALLAST = new Array<undefined>(40_000).fill(undefined);
const FILES = ['pyodide.asm.wasm', 'python_stdlib.zip', 'pyodide-lock.json'];

interface Pyodide {
  runPython(code: string): unknown;
  unregisterJsModule(name: string): void;
  makeMemorySnapshot(): Uint8Array;
  readonly _module: { readonly HEAPU8: Uint8Array };
}
type Runner = (source: string, maxChars: number, used: boolean) => unknown;

/** The limit of Python's heap, in bytes, and whether it was met since it was set. */
interface HeapLimit {
  set(bytes: number): void;
  met(): boolean;
}

/** The snapshot: the memory of an interpreter that is ready for its first call. */
export async function makePythonSnapshot(): Promise<Uint8Array> {
  const { pyodide } = await start({ _makeSnapshot: true });
  pyodide.runPython(DRIVER);
  return pyodide.makeMemorySnapshot();
}

/** The interpreter, as an image for all the calls of this process. */
export async function createPython(snapshot: Uint8Array): Promise<Image> {
  const { pyodide, realm, globals, heap } = await start({ _loadSnapshot: snapshot });
  // Needed only for starting; removed before any foreign code runs.
  for (const name of ['read', 'readbuffer', 'load', 'location']) {
    Reflect.deleteProperty(globals, name);
    runInRealm(realm, `delete globalThis.${name}`, 'cleanup');
  }
  // Not before: the snapshot needs these modules, because it refers to JavaScript objects by their number.
  pyodide.unregisterJsModule('js');
  pyodide.unregisterJsModule('pyodide_js');
  const runner = pyodide.runPython(TAKE_DRIVER) as Runner;
  const unchanged = pyodide.runPython('_spark_intact') as () => unknown;
  if (unchanged() !== true) throw new Error('the interpreter could not be asked what it is like');
  const bytes = () => pyodide._module.HEAPU8.byteLength;
  const keptBytes = bytes() + KEPT_GROWTH_MB * 2 ** 20;
  let used = false;
  let spent = false;
  const evaluate = (input: string, maxChars: number): string => {
    // Whatever ends this without an answer uses the process up.
    spent = true;
    const run: Runner = used ? onLessStack(runner) : runner;
    const reply = outcome(() => run(input, maxChars, used));
    if (used && (reply === null || reply === '!' || heap.met())) throw new Declined();
    if (reply === null) throw new EvaluationFailure('the interpreter failed and was restarted', true);
    if (reply === '?') {
      spent = false;
      throw new Declined();
    }
    spent = !reply.startsWith('k') || bytes() > keptBytes;
    used = true;
    if (reply[1] !== '+') throw new Error(reply.slice(2));
    return reply.slice(2);
  };
  const intact = (): boolean => {
    heap.set(keptBytes);
    return outcome(() => String(unchanged())) === 'true' && !heap.met();
  };
  return { tools: { python: evaluate }, spent: () => spent, intact };
}

/** What the driver returns; null when it raises something, as it catches all errors unless the interpreter is broken. */
function outcome(run: () => unknown): string | null {
  try {
    const reply = run();
    return typeof reply === 'string' ? reply : null;
  } catch {
    return null;
  }
}

function onLessStack(runner: Runner): Runner {
  return (source, maxChars, used) => {
    const deep = (): unknown => runner(source, maxChars, used);
    const deeper = (): unknown => Reflect.apply(deep, undefined, BALLAST);
    return Reflect.apply(deeper, undefined, BALLAST);
  };
}

async function start(
  options: object,
): Promise<{ pyodide: Pyodide; realm: vm.Context; globals: Record<string, unknown>; heap: HeapLimit }> {
  const folder = `${dirname(createRequire(import.meta.url).resolve('pyodide'))}/`;
  const globals = shellGlobals(folder);
  const realm = createRealm(globals, false);
  const heap = runInRealm(realm, HEAP_LIMIT, 'heap-limit') as HeapLimit;
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
  return { pyodide, realm, globals, heap };
}

const TAKE_DRIVER = `
import sys
for _name in list(sys.modules):
    if _name == 'js' or _name.split('.')[0] == 'pyodide_js': del sys.modules[_name]
_spark_run
`;

/** All memory growth goes through this JavaScript function; when it throws, malloc fails, and Python raises MemoryError. */
const HEAP_LIMIT = `(() => {
  const grow = WebAssembly.Memory.prototype.grow;
  let bytes = ${MAX_HEAP_MB} * 2 ** 20;
  let met = false;
  Object.defineProperty(WebAssembly.Memory.prototype, 'grow', {
    value: function (delta) {
      if (this.buffer.byteLength + delta * 65536 > bytes) {
        met = true;
        throw new RangeError('heap limit');
      }
      return grow.call(this, delta);
    },
  });
  return { set: (limit) => { bytes = limit; met = false; }, met: () => met };
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
