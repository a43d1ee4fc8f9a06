/**
 * The tool `python`: CPython in a realm of its own (`pyodide.ts`).
 *
 * Code can change everything in the interpreter, so a process answers one call only, unless every source it was given is
 * plain (`pythonPlain.ts`). To start fast, it loads a snapshot of the memory of an interpreter that has run nothing but
 * our driver (0.2 s instead of 2.1 s, beside what Node itself takes).
 */
import { Declined, EvaluationFailure, type Image } from '../hostProtocol.js';
import { shut, start } from './pyodide.js';
import { DRIVER } from './pythonDriver.js';

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
export type Runner = (source: string, maxChars: number, used: boolean) => unknown;

/** The snapshot: the memory of an interpreter that is ready for its first call. */
export async function makePythonSnapshot(): Promise<Uint8Array> {
  const { pyodide } = await start(null);
  pyodide.runPython(DRIVER);
  return pyodide.makeMemorySnapshot();
}

/** The interpreter, as an image for all the calls of this process. */
export async function createPython(snapshot: Uint8Array): Promise<Image> {
  const started = await start(snapshot);
  const { pyodide, heap } = started;
  shut(started);
  const runner = pyodide.runPython('_spark_run') as Runner;
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
export function outcome(run: () => unknown): string | null {
  try {
    const reply = run();
    return typeof reply === 'string' ? reply : null;
  } catch {
    return null;
  }
}

export function onLessStack(runner: Runner): Runner {
  return (source, maxChars, used) => {
    const deep = (): unknown => runner(source, maxChars, used);
    const deeper = (): unknown => Reflect.apply(deep, undefined, BALLAST);
    return Reflect.apply(deeper, undefined, BALLAST);
  };
}
