/**
 * Measures what a call of each built-in tool costs, and what preparing the next call costs.
 *
 *   npx vite-node bench/tools.ts [--calls 10] [--python PROGRAM] [--json]
 *
 * With `--python` only that interpreter is measured, in its sandbox; `cpu` is then what its process has used when it answers.
 *
 * `answer` is the time of a call on an idle tool, as in a rollout. `in a row` is the time of a call directly after
 * another, which also waits for the new process or image: one process answers 1000 / this number calls a second. `cpu`
 * is the processor time of a Python process that answers one call, from start to end (Linux).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { createBuiltinRegistry } from '../src/tools/registry.js';

const CASES: readonly (readonly [tool: string, kind: string, input: string])[] = [
  ['calculator', 'operators and functions', '3 km / 2 h to m/s'],
  ['calculator', 'draws numbers: new image', 'random() * 0 + 2'],
  ['python', 'plain: kept process', 'sum(n for n in range(100) if n % 3 == 0)'],
  ['python', 'new process', 'def f(n): return n % 3 == 0\nsum(filter(f, range(100)))'],
  ['algebra', 'new image', 'solve(2*x+3=11, x)'],
  ['logic', 'formulas', 'p -> q, p |- q'],
  ['logic', 'sets an option: new image', '(set-option :pp.decimal true)(declare-const x Int)(assert (> x 1))'],
  ['statistics', 'operators and functions', 'stdev(2, 4, 4, 4, 5, 5, 7, 9)'],
  ['chemistry', 'kept image', 'smiles CCO'],
  ['encyclopedia', 'index', 'Magna Carta'],
  ['search', 'index', 'year the Magna Carta was sealed'],
];

/** For `--python`: the processor time of the process until then, in seconds, is what each shows. */
const SPENT = 'import time\ntime.process_time()';
const OWN: typeof CASES = [
  ['python', 'own interpreter', SPENT],
  ...['numpy', 'scipy.stats', 'pandas', 'sympy'].map(
    (name) => ['python', `own, imports ${name}`, `import ${name}\n${SPENT}`] as const,
  ),
];

const { values: flags } = parseArgs({
  options: {
    calls: { type: 'string', default: '10' },
    python: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
const calls = Number(flags.calls);
const context = { timeoutMs: 60_000, maxObservationChars: 280 };
const own = flags.python;
const registry = createBuiltinRegistry(
  own === undefined ? {} : { tools: ['python'], python: { engine: 'system', path: own } },
);

/** What the last call showed. */
let observation = '';

/** Milliseconds of one call; the first call starts the child, and for Python may also make its snapshot. */
async function timed(tool: string, input: string): Promise<number> {
  const began = performance.now();
  const result = await registry.run(tool, input, context);
  if (!result.ok) throw new Error(`${tool}: ${result.observation}`);
  observation = result.observation;
  return performance.now() - began;
}

/** Processor time of all children that have ended and been waited for, in ms: fields 16 and 17, in ticks of 10 ms. */
function childrensCpu(): number {
  try {
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1]!.split(' ');
    return (Number(fields[13]) + Number(fields[14])) * 10;
  } catch {
    return Number.NaN;
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const results = [];
const warm = performance.now();
await registry.warm();
const warmMs = performance.now() - warm;
for (const [tool, kind, input] of own === undefined ? CASES : OWN) {
  const lacks = own === undefined ? '' : (await registry.run(tool, input, context)).observation;
  if (lacks.startsWith('ModuleNotFoundError')) continue;
  const idle: number[] = [];
  for (let i = 0; i < Math.min(calls, 5); i++) {
    await timed(tool, input);
    await rest(2000);
    idle.push(await timed(tool, input));
  }
  const before = childrensCpu();
  const began = performance.now();
  for (let i = 0; i < calls; i++) await timed(tool, input);
  const rowMs = (performance.now() - began) / calls;
  // Processor time is counted only for ended processes, and only these end after each call.
  const ended = kind === 'new process' ? (childrensCpu() - before) / calls : undefined;
  const cpuMs = own === undefined ? ended : Number(observation) * 1000;
  results.push({ tool, kind, answerMs: median(idle), rowMs, ...(cpuMs === undefined ? {} : { cpuMs }) });
}
await registry.dispose();

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
const machine = { processor: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version, commit };
if (flags.json) process.stdout.write(`${JSON.stringify({ machine, calls, warmMs, results }, null, 2)}\n`);
else {
  const lines = results.map(({ tool, kind, answerMs, rowMs, cpuMs }) => {
    const cpu = cpuMs === undefined ? '' : `  cpu ${cpuMs.toFixed(0)}`;
    return `${tool.padEnd(13)}${kind.padEnd(28)}answer ${answerMs.toFixed(0).padStart(5)}  in a row ${rowMs.toFixed(0).padStart(5)}${cpu}`;
  });
  process.stdout.write(
    `${JSON.stringify(machine)}\nall ready after ${warmMs.toFixed(0)} ms; ms a call:\n${lines.join('\n')}\n`,
  );
}
