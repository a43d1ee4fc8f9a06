/**
 * Python with SymPy and mpmath, for the tool `algebra` and for sources of the tool `python` that name one of the two. Its
 * snapshot has SymPy imported, which takes 15 s of processor time otherwise. The wheels, which are zip files, lie in the interpreter's
 * file system and are on its path: Python imports from zip files.
 *
 * After each call of `algebra` the interpreter's memory is made again what it was, byte for byte: whatever SymPy caches,
 * counts or keeps is in it. A source in Python uses the process up, as JavaScript's objects and files are not.
 */
import { Declined, EvaluationFailure, type Image } from '../hostProtocol.js';
import { parseAlgebra } from './algebra.js';
import { ALGEBRA } from './algebraDriver.js';
import { type Started, shut, start } from './pyodide.js';
import { onLessStack, outcome, type Runner } from './python.js';
import { DRIVER } from './pythonDriver.js';
import { runInRealm } from './realm.js';
import { type SympyPayload, unpacked } from './sympyPayload.js';

/** Where the wheels are in the interpreter's file system. */
const FOLDER = '/lib';
/**
 * How often the interpreter may look for an interrupt before it gets one. It looks each time it has run some number of
 * instructions, so this is the same on every machine, unlike a time; about 3 s on a processor of 2024.
 */
const PATIENCE = 400_000;

/** The snapshot of an interpreter that has imported SymPy and solved some problems, which loads modules and tables. */
export async function makeSympySnapshot(payload: Uint8Array): Promise<Uint8Array> {
  const started = await start(null);
  const { wheels } = unpacked(payload);
  addWheels(started, wheels);
  const paths = JSON.stringify(wheels.map(({ file }) => `${FOLDER}/${file}`));
  started.pyodide.runPython(`import sys\nsys.path.extend(${paths})`);
  started.pyodide.runPython(DRIVER);
  started.pyodide.runPython(ALGEBRA);
  return started.pyodide.makeMemorySnapshot();
}

function addWheels({ pyodide }: Started, wheels: SympyPayload['wheels']): void {
  for (const { file, bytes } of wheels) pyodide.FS.writeFile(`${FOLDER}/${file}`, bytes);
}

/** Answers both tools; see above for what becomes of the process. */
export async function createSympy(payload: Uint8Array): Promise<Image> {
  const { wheels, snapshot } = unpacked(payload);
  const started = await start(snapshot);
  addWheels(started, wheels);
  shut(started);
  const { pyodide, realm, heap } = started;
  const runSource = pyodide.runPython('_spark_run') as Runner;
  const solve = pyodide.runPython('_spark_algebra') as Runner;
  const patience = runInRealm(realm, PATIENCE_BUFFER, 'patience') as { readonly 0: number; set(polls: number): void };
  pyodide.setInterruptBuffer(patience);
  const asNew = pyodide._module.HEAPU8.slice();
  let calls = 0;
  let spent = false;

  const python = (input: string, maxChars: number): string => {
    if (calls++ > 0) throw new Declined();
    spent = true;
    const reply = outcome(() => runSource(input, maxChars, false));
    if (reply === null) throw new EvaluationFailure('the interpreter failed and was restarted', true);
    if (reply[1] !== '+') throw new Error(reply.slice(2));
    return reply.slice(2);
  };

  const algebra = (input: string, maxChars: number): string => {
    const problem = JSON.stringify(parseAlgebra(input));
    const used = calls++ > 0;
    // Whatever ends this without an answer uses the process up.
    spent = true;
    patience.set(PATIENCE);
    const run: Runner = used ? onLessStack(solve) : solve;
    const reply = outcome(() => run(problem, maxChars, used));
    patience.set(Number.POSITIVE_INFINITY);
    // '!': the stack or the memory ended, which in a used process may be for the calls before.
    if (used && (reply === null || reply === '!' || heap.met())) throw new Declined();
    if (reply === null) throw new EvaluationFailure('the interpreter failed and was restarted', true);
    if (reply === '!')
      throw new EvaluationFailure('too large a problem: memory or stack ended; ask for less at once', true);
    spent = false;
    if (reply[0] !== '+') throw new Error(reply.slice(1));
    return reply.slice(1);
  };

  const intact = (): boolean => {
    const memory = pyodide._module.HEAPU8;
    memory.set(asNew);
    memory.fill(0, asNew.length);
    return true;
  };
  return { tools: { python, algebra }, spent: () => spent, intact };
}

/** Made in the realm, as the interpreter reads it. Each interrupt grants the same patience again: to what is tried instead. */
const PATIENCE_BUFFER = `(() => {
  let granted = Infinity;
  let left = Infinity;
  return {
    get 0() {
      if (--left > 0) return 0;
      left = granted;
      return 2;
    },
    set 0(_value) {},
    set: (polls) => { granted = left = polls; },
  };
})()`;
