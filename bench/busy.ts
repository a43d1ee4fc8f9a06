/**
 * Measures how busy inference stays while judges and tools take their time, by how many questions are under way.
 *
 *   npx vite-node bench/busy.ts [--model models/spark-tiny.gguf] [--flight 16,48,128,256] [--sequences 16] [--each 150]
 *     [--judge-ms 2000] [--tool-ms 1000] [--deterministic] [--json]
 *
 * A real generation of `mini`: the oracle judges after `--judge-ms`, every tool answers after `--tool-ms` (with a text of no
 * use: tools are not measured), all at once, so no wait is for another wait. One row for each pair of `--flight` (questions
 * under way) and `--sequences` (places; 0: as many as are under way). `--each`: questions of each of 14 categories.
 * `--deterministic` adds a row in which each sequence is evaluated alone, with as many places as questions under way.
 *
 * `busy`: share of the time from the first token to the last in which llama.cpp was evaluating, the mean over its
 * contexts, counted in its process. The beginning, when all prompts wait for one, and the end, when few are left, are in
 * it: a row wants many times more questions than are under way. `again`: tokens evaluated once more because their
 * sequence had given its place away, by those written. With `--judge-ms 0 --tool-ms 0` the rows say what more in flight
 * costs where nobody waits. Rates hold only on an idle machine.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openLlamaCpp } from '../src/inference/llamaCpp.js';
import type { Judge } from '../src/judge/judge.js';
import { createOracle } from '../src/judge/oracle.js';
import { makeMini } from '../src/questions/mini.js';
import { isTrajectory } from '../src/rollout/rollout.js';
import { runRollouts } from '../src/rollout/run.js';
import type { RolloutSettings, Tools } from '../src/rollout/settings.js';
import { createBuiltinRegistry } from '../src/tools/registry.js';
import { writtenTokens } from '../src/trajectory/trajectory.js';
import { commit, describeMachine, load } from './harness/machine.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('../models/spark-tiny.gguf', import.meta.url)) },
    flight: { type: 'string', default: '16,48,128,256' },
    sequences: { type: 'string', default: '16' },
    each: { type: 'string', default: '150' },
    'judge-ms': { type: 'string', default: '2000' },
    'tool-ms': { type: 'string', default: '1000' },
    deterministic: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const numbers = (list: string): number[] => list.split(',').map(Number);
const wait = (ms: number) => (ms === 0 ? Promise.resolve() : new Promise<void>((done) => setTimeout(done, ms)));

const settings: RolloutSettings = {
  selection: 'min-score',
  tau: 6,
  maxSteps: 5,
  minSteps: 1,
  temperature: 0.7,
  maxThoughtTokens: 192,
  maxInputTokens: 256,
  maxAnswerTokens: 64,
  stepRetries: 0,
  toolTimeoutMs: 60_000,
  maxObservationChars: 400,
  example: true,
  answer: 'auto',
  seed: 1,
  attempt: 0,
};

const oracle = createOracle();
const judge: Judge = {
  id: oracle.id,
  judge: async (request, options) => {
    await wait(Number(flags['judge-ms']));
    return oracle.judge(request, options);
  },
};
const builtin = createBuiltinRegistry();
const tools: Tools = {
  actions: () => builtin.actions(),
  run: async () => {
    await wait(Number(flags['tool-ms']));
    return { ok: true, observation: 'nothing of use' };
  },
};
const questions = makeMini({ seed: 1, perCategory: Number(flags.each), split: 'train' });

interface Row {
  readonly inFlight: number;
  readonly sequences: number;
  readonly deterministic: boolean;
  readonly busy: number;
  readonly trajectoriesPerSecond: number;
  readonly tokensPerSecond: number;
  readonly again: number;
  readonly seconds: number;
  readonly stepsEach: number;
}

async function measure(inFlight: number, sequences: number, deterministic: boolean): Promise<Row> {
  const options = { modelPath: flags.model, sequences, inFlight, deterministic };
  const generator = await openLlamaCpp(options);
  const began = performance.now();
  let tokens = 0;
  let steps = 0;
  const { trajectories, skips } = await runRollouts(questions, { generator, judge, tools }, settings, (result) => {
    if (!isTrajectory(result)) return;
    tokens += writtenTokens(result);
    steps += result.steps.length;
  });
  if (skips > 0) throw new Error(`${skips} questions were skipped: the rates are of less work`);
  const seconds = (performance.now() - began) / 1000;
  const { busyMs, spanMs } = generator.decoding;
  const { again } = generator.prefixes;
  await generator.dispose();
  return {
    ...{ inFlight, sequences, deterministic },
    busy: busyMs / spanMs,
    trajectoriesPerSecond: trajectories / seconds,
    tokensPerSecond: tokens / seconds,
    again: again / tokens,
    seconds,
    stepsEach: steps / trajectories,
  };
}

const loadBefore = load();
const plan = numbers(flags.flight).flatMap((inFlight): [number, number, boolean][] => [
  ...numbers(flags.sequences).map(
    (count) => [inFlight, Math.min(count || inFlight, inFlight), false] as [number, number, boolean],
  ),
  ...(flags.deterministic ? [[inFlight, inFlight, true] as [number, number, boolean]] : []),
]);
const rows: Row[] = [];
if (!flags.json) console.log('in flight  sequences  busy   trajectories/s  tokens/s  again  seconds  steps');
for (const one of plan) {
  const row = await measure(...one);
  rows.push(row);
  if (flags.json) continue;
  const cells = [
    String(row.inFlight).padEnd(9),
    `${row.sequences}${row.deterministic ? ' alone' : ''}`.padEnd(9),
    `${(100 * row.busy).toFixed(1)} %`.padEnd(5),
    row.trajectoriesPerSecond.toFixed(2).padEnd(14),
    row.tokensPerSecond.toFixed(0).padEnd(8),
    row.again.toFixed(2).padEnd(5),
    row.seconds.toFixed(1).padEnd(7),
    row.stepsEach.toFixed(2),
  ];
  console.log(cells.join('  '));
}
await builtin.dispose();
if (flags.json) {
  const command = ['npx vite-node bench/busy.ts', ...process.argv.slice(2)].join(' ');
  const machine = describeMachine();
  const document = { date: new Date().toISOString(), commit: commit(), command, machine, loadBefore };
  console.log(JSON.stringify({ ...document, questions: questions.length, rows }, null, 1));
}
