/**
 * The tool `logic`: z3 through its string API (SMT-LIB 2), with one context per call. Options that a script sets are
 * global to z3 and outlive its context, so after such a script the next call gets a new instance with new memory and
 * threads (0.1 s; the code is compiled once).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { EvaluationFailure, type MakeImage } from '../hostProtocol.js';
import { answerFormulas } from './logicAnswer.js';
import { plainNumber, type Run } from './logicModels.js';
import { unwrapped } from './normalize.js';

interface Z3 {
  mk_config(): unknown;
  del_config(config: unknown): void;
  mk_context(config: unknown): unknown;
  del_context(context: unknown): void;
  global_param_set(name: string, value: string): void;
}

/** z3's emscripten module. Its memory has a fixed size, so `HEAPU8` stays valid. */
interface Emscripten {
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
  _free(pointer: number): void;
  _async_Z3_eval_smtlib2_string(context: unknown, script: number): void;
  readonly PThread: { terminateAllThreads(): void };
  async_call(start: (...args: never[]) => void, ...args: unknown[]): Promise<string>;
}

/** TypeScript declares WebAssembly only in its library for browsers. */
const wasm = (
  globalThis as unknown as {
    WebAssembly: {
      compile(bytes: Uint8Array): Promise<object>;
      instantiate(code: object, imports: object): Promise<object>;
    };
  }
).WebAssembly;

/** z3 gives up with `memout` beyond this, well before the process limit. */
const MEMORY_MB = 512;

export async function logicImages(): Promise<MakeImage> {
  const require = createRequire(import.meta.url);
  const { init } = require('z3-solver') as { init(overrides: object): Promise<{ Z3: Z3; em: Emscripten }> };
  const code = await wasm.compile(readFileSync(join(dirname(require.resolve('z3-solver')), 'z3-built.wasm')));
  const instantiateWasm = (imports: object, done: (instance: object, module: object) => void): object => {
    void wasm.instantiate(code, imports).then((instance) => done(instance, code));
    return {};
  };
  return async () => {
    const { Z3, em } = await init({ instantiateWasm });
    Z3.global_param_set('memory_max_size', String(MEMORY_MB));
    const session = async (work: (run: Run) => Promise<string>): Promise<string> => {
      const config = Z3.mk_config();
      const context = Z3.mk_context(config);
      Z3.del_config(config);
      try {
        return await work(async (script) => checked(await evalString(em, context, script)));
      } finally {
        Z3.del_context(context);
      }
    };
    // The first query starts z3's worker threads; done here, before the child reports that it is ready.
    await session((run) => run('(declare-const x Int)(assert (> x 1))(check-sat)'));
    const logic = (input: string) => {
      const text = unwrapped(input, 'logic');
      return session((run) => (isScript(text) ? script(text, run) : answerFormulas(input, run)));
    };
    // One after another, because z3 answers one query at a time.
    const look = async () => [await logic(CONTROLS[0]), await logic(CONTROLS[1])].join('\n');
    const asNew = await look();
    let last = '';
    return {
      tools: {
        logic: (input) => {
          last = unwrapped(input, 'logic');
          return logic(input);
        },
      },
      intact: async () => !(isScript(last) && SETS_OPTIONS.test(last)) && (await look()) === asNew,
      dispose: () => em.PThread.terminateAllThreads(),
    };
  };
}

/** An SMT-LIB script starts with a list whose head is a command. */
function isScript(input: string): boolean {
  return /^\s*(;|\(\s*(declare|define|assert|check|set|get|push|pop|reset|echo|minimize|maximize|eval|simplify|exit|help|display|include|labels|model|query|rule|apply|block)[\w-]*[\s)])/.test(
    input,
  );
}

/** Matches scripts that may set options or reset z3, by words that plain formulas and assertions do not need. */
const SETS_OPTIONS = /:|set-|exit|reset|include|tactic|help|apply/i;

const CONTROLS = ['p -> q, q |- p', '(declare-const x Real)(assert (= (* 3 x) 1))'] as const;

/**
 * Replaces `Z3.eval_smtlib2_string`, which passes the worker thread a string on the main thread's stack. The string is
 * gone when the call returns, so under load z3 reads a cut or overwritten script: 5 of 1500 calls on a busy machine
 * ended with "unexpected end of file". Here the script stays on the heap until the answer has come; none failed.
 */
async function evalString(em: Emscripten, context: unknown, script: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${script.replaceAll('\0', '')}\0`);
  const pointer = em._malloc(bytes.length);
  if (pointer === 0) throw new EvaluationFailure('out of memory', true);
  em.HEAPU8.set(bytes, pointer);
  try {
    return await em.async_call(em._async_Z3_eval_smtlib2_string, context, pointer);
  } finally {
    em._free(pointer);
  }
}

async function script(input: string, run: Run): Promise<string> {
  if (input.includes('(check-sat')) return tidy(await run(input)) || 'no output';
  const printed = tidy(await run(input));
  const verdict = tidy(await run('(check-sat)'));
  const model = verdict === 'sat' ? readModel(await run('(get-model)')) : '';
  const answer = withModel(verdict, model);
  return printed === '' ? answer : `${printed}\n${answer}`;
}

function withModel(verdict: string, model: string): string {
  return model === '' ? verdict : `${verdict}: ${model}`;
}

/** z3 writes errors into its output and goes on; the first of them is thrown. */
function checked(output: string): string {
  const error = /\(error "((?:[^"]|"")*)"\)/.exec(output);
  if (error !== null) throw new Error(error[1]!.replaceAll('""', '"'));
  return output;
}

function tidy(output: string): string {
  return output.trim().replace(/\n\s+/g, ' ').replace(/\( \(/g, '((').replace(/\) \)/g, '))');
}

/** `(define-fun x () Int (- 3))` → `x = -3`; functions and arrays stay as z3 prints them. */
function readModel(output: string): string {
  const body = tidy(output);
  if (/^\(\s*\)$/.test(body)) return '';
  const simple = [
    ...body.matchAll(/\(define-fun (\|[^|]*\||\S+) \(\) (\w+) ((?:\((?:[^()]|\([^()]*\))*\))|[^()\s]+)\)/g),
  ];
  if (simple.length === 0 || simple.length !== (body.match(/\(define-fun /g) ?? []).length) return body;
  return simple
    .map((match) => [match[1]!.replaceAll('|', ''), plainNumber(match[3]!) ?? match[3]!] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name} = ${value}`)
    .join(', ');
}
