/**
 * Starts CPython (pyodide) in a realm of its own. Under Node pyodide would give Python access to `fs` and `child_process`,
 * so it is started in its shell mode: in a realm without `process` and `require`, which gets every file it needs from us,
 * without evaluation of strings and without dynamic `import`. No Node module can be reached from there.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type vm from 'node:vm';
import { createRealm, importInRealm, runInRealm } from './realm.js';

/** Limit of Python's heap; allocating more raises MemoryError in Python. */
const MAX_HEAP_MB = 512;
const FILES = ['pyodide.asm.wasm', 'python_stdlib.zip', 'pyodide-lock.json'];

/** What is used of pyodide's interface. */
export interface Pyodide {
  runPython(code: string): unknown;
  unregisterJsModule(name: string): void;
  makeMemorySnapshot(): Uint8Array;
  /** Python raises KeyboardInterrupt when it reads 2 at index 0, which it does every so many instructions. */
  setInterruptBuffer(buffer: { readonly 0: number }): void;
  readonly FS: { writeFile(path: string, data: Uint8Array): void };
  readonly _module: { readonly HEAPU8: Uint8Array };
}

/** The limit of Python's heap, in bytes, and whether it was met since it was set. */
export interface HeapLimit {
  set(bytes: number): void;
  met(): boolean;
}

/** An interpreter that has been started, with what belongs to it. */
export interface Started {
  readonly pyodide: Pyodide;
  readonly realm: vm.Context;
  readonly globals: Record<string, unknown>;
  readonly heap: HeapLimit;
}

/**
 * Takes away what is needed only for starting: to be called before any foreign code runs. Not before a snapshot is loaded:
 * it refers to JavaScript objects by their number.
 */
export function shut({ pyodide, realm, globals }: Started): void {
  for (const name of ['read', 'readbuffer', 'load', 'location']) {
    Reflect.deleteProperty(globals, name);
    runInRealm(realm, `delete globalThis.${name}`, 'cleanup');
  }
  pyodide.unregisterJsModule('js');
  pyodide.unregisterJsModule('pyodide_js');
  pyodide.runPython(FORGET_JS);
}

const FORGET_JS = `
import sys
for _name in list(sys.modules):
    if _name == 'js' or _name.split('.')[0] == 'pyodide_js': del sys.modules[_name]
`;

/** Starts an interpreter: from the snapshot, or from nothing to make one. */
export async function start(snapshot: Uint8Array | null): Promise<Started> {
  const folder = `${dirname(createRequire(import.meta.url).resolve('pyodide'))}/`;
  const globals = shellGlobals(folder);
  const realm = createRealm(globals);
  const heap = runInRealm(realm, HEAP_LIMIT, 'heap-limit') as HeapLimit;
  let loading = true;
  const grown = runInRealm(realm, GROWN, 'grown') as (bytes: number) => () => void;
  const asBefore = grown(snapshot?.length ?? 0);
  const module = await importInRealm(realm, join(folder, 'pyodide.mjs'), (specifier) =>
    loading && specifier.endsWith('/pyodide.asm.mjs') ? join(folder, 'pyodide.asm.mjs') : null,
  );
  const { loadPyodide } = module as { loadPyodide(options: object): Promise<Pyodide> };
  const pyodide = await loadPyodide({
    ...(snapshot === null ? { _makeSnapshot: true } : { _loadSnapshot: snapshot }),
    indexURL: folder,
    packageBaseUrl: folder,
    env: { HOME: '/home/pyodide', PYTHONHASHSEED: '0' },
    stdout: () => {},
    stderr: () => {},
    jsglobals: runInRealm(realm, 'Object.assign(Object.create(null), { Object })', 'jsglobals'),
  });
  loading = false;
  asBefore();
  return { pyodide, realm, globals, heap };
}

/**
 * Pyodide puts a snapshot into the memory that a new instance has, which is too small for that of a SymPy: it is enlarged
 * as soon as the instance is there.
 */
const GROWN = `((bytes) => {
  const { instantiate } = WebAssembly;
  WebAssembly.instantiate = async function (...given) {
    const made = await instantiate.apply(this, given);
    const memory = made.instance?.exports.memory;
    const lack = memory === undefined ? 0 : bytes - memory.buffer.byteLength;
    if (lack > 0) memory.grow(Math.ceil(lack / 65536));
    return made;
  };
  return () => { WebAssembly.instantiate = instantiate; };
})`;

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
