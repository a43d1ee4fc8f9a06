/**
 * `npm run bench`: measures speed and memory of our engine beside PyTorch + transformers + PEFT, in one run.
 * `npm run bench -- --help` shows the options; bench/results/README.md explains every number.
 *
 * Exit code 1 when the two sides did not do the same work. A missed bar is a result, not a failure.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { createLog } from '../src/log.js';
import { type Alone, addonCalls, nativeOps, recompute, relative, scaling } from './harness/alone.js';
import { buildNative, pipLine, pythonProblem, root } from './harness/build.js';
import { type Comparison, compare, type Outcome } from './harness/comparison.js';
import { commit, describeMachine, load, machineSlug } from './harness/machine.js';
import { HELP, type Options, parseOptions } from './harness/options.js';
import { ppoComparisons, sftComparisons } from './harness/plan.js';
import { barText, type Standing, standing, standingText } from './harness/standing.js';

interface Entry {
  readonly comparison: Comparison;
  readonly outcomes: readonly Outcome[];
  readonly standing: Standing;
}

const log = createLog();

async function main(options: Options): Promise<boolean> {
  const started = { date: new Date().toISOString(), load: load(), seconds: performance.now() / 1e3 };
  if (started.load > 0.5)
    log.warn(`the machine is busy (load ${started.load.toFixed(1)}): the numbers will be too low`);
  log.info('building the native benchmarks');
  buildNative();
  const problem = options.peers ? pythonProblem(options.python) : undefined;
  if (problem !== undefined) log.warn(`our side alone, the peers cannot run (${problem}); they need: ${pipLine}`);
  const withPeers = options.peers && problem === undefined;

  const alone: Alone[] = [];
  for (const measure of aloneSections(options)) {
    alone.push(await measure());
    const { title, text, bars } = alone.at(-1)!;
    print([title, text, ...bars.map(barText)].join('\n'));
  }
  const entries: Entry[] = [];
  // The peers work on data that our program writes while it warms up, so compare() starts ours first.
  const sft = options.sections.has('sft') ? sftComparisons(options, withPeers) : [];
  const ppo = options.sections.has('ppo') ? ppoComparisons(options, withPeers) : [];
  for (const comparison of [...sft, ...ppo]) {
    const outcomes = await compare(comparison, log);
    entries.push({ comparison, outcomes, standing: standing(comparison, outcomes) });
    print([standingText(entries.at(-1)!.standing), ...remarks(outcomes)].join('\n'));
    save(options, started, alone, entries); // after each comparison, so that an interrupted run keeps its results
  }
  save(options, started, alone, entries);
  return entries.every(({ standing, outcomes }) => standing.disagreements.length === 0 && sound(outcomes[0]));
}

/**
 * False when ours has no numbers, as then nothing was compared; that the processor cannot compute in bf16 is no
 * failure.
 */
const sound = (ours: Outcome | undefined) =>
  ours?.measured !== undefined || ours?.failed?.includes('unsupported_compute') === true;

function aloneSections({ sections, threads, quick }: Options): (() => Promise<Alone>)[] {
  const all: [boolean, () => Promise<Alone>][] = [
    [sections.has('addon'), () => addonCalls(threads, quick ? 0.3 : 2)],
    [sections.has('ops'), () => nativeOps(threads)],
    [sections.has('scaling'), () => scaling(threads, quick)],
    [sections.has('memory') && !quick, () => recompute(threads)],
  ];
  return all.filter(([wanted]) => wanted).map(([, measure]) => measure);
}

/** Remarks: how much of our step is matrix products, and how many tokens nesting saves in PPO. */
function remarks(outcomes: readonly Outcome[]): string[] {
  const own = outcomes[0]?.measured;
  if (own?.products === undefined) return [];
  const { flops, share_of_rate, share_inside_onednn, sgemm_1024_flops, bf16_1024_flops } = own.products;
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  const giga = (value: number) => (value / 1e9).toFixed(0);
  const lines = [
    `  ours: ${giga(flops)} GFLOP/s of needed products, ${percent(share_of_rate)} of what a 1024³ product reaches here ` +
      `(fp32 ${giga(sgemm_1024_flops)}, bf16 ${giga(bf16_1024_flops)}); ${percent(share_inside_onednn)} of the time inside oneDNN`,
  ];
  if (own.stepwise_tokens !== undefined) {
    const times = (own.stepwise_tokens / own.tokens).toFixed(2);
    lines.push(`  step by step computes ${times} x our ${own.tokens} tokens, before padding; tokens/s count ours`);
  }
  return lines;
}

function save(
  options: Options,
  started: { date: string; load: number; seconds: number },
  alone: readonly Alone[],
  entries: readonly Entry[],
): void {
  if (options.quick && options.out === null) return;
  const file = path.resolve(options.out ?? path.join(root, 'bench', 'results', `${machineSlug()}.json`));
  const document = {
    date: started.date,
    commit: commit(),
    command: ['npm run bench --', ...process.argv.slice(2)].join(' ').replace(/ --$/, ''),
    machine: describeMachine(),
    loadBefore: started.load,
    seconds: Math.round(performance.now() / 1e3 - started.seconds),
    threads: options.threads,
    alone: alone.map(({ title, numbers, bars }) => ({ title, bars, numbers })),
    comparisons: entries.map(({ comparison, outcomes, standing }) => ({
      title: comparison.title,
      rounds: comparison.rounds,
      repeatsPerTurn: comparison.perTurn,
      bars: standing.bars,
      disagreements: standing.disagreements,
      rows: standing.rows,
      contenders: outcomes.map(({ name, command, measured, failed }) => ({
        name,
        command: command.map((word) => (path.isAbsolute(word) ? relative(word) : word)).join(' '),
        ...(measured ?? { failed }),
      })),
    })),
  };
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(document, withoutRoot, 1)}\n`);
}

/** Makes paths in this checkout relative, because where it lies is private. */
function withoutRoot(_key: string, value: unknown): unknown {
  return typeof value === 'string' && value.startsWith(root + path.sep) ? relative(value) : value;
}

function print(text: string): void {
  log.progress('');
  process.stdout.write(`\n${text}\n`);
}

function readOptions(): Options | 'help' | null {
  try {
    return parseOptions(process.argv.slice(2), cpus().length);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${HELP}`);
    return null;
  }
}

const options = readOptions();
if (options === 'help') process.stdout.write(HELP);
else if (options === null) process.exitCode = 2;
else if (!(await main(options))) process.exitCode = 1;
