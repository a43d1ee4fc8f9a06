/**
 * An experiment over seeds: each seed is a run of its own (run/sweepFolder.ts) and goes through the experiment's stages.
 * An interrupted sweep goes on where it stopped, stage by stage, and what is finished costs nothing: more seeds, or another
 * experiment of the same folder, only do what is new.
 */
import { type Config, type ConfigPatch, resolveConfig } from '../config/index.js';
import { SparkError } from '../errors.js';
import { type Log, silentLog } from '../log.js';
import { checkKeys, type KeysOf } from '../options.js';
import { renderTables } from '../report/tables.js';
import { announceDisk, type Work } from '../run/disk.js';
import { runRoot } from '../run/folder.js';
import { type Run, withRun } from '../run/run.js';
import { SweepFolder } from '../run/sweepFolder.js';
import type { UserParts } from '../run/userParts.js';
import { writeSealed, writeWhole } from '../sealed.js';
import { redactKnown } from '../secrets/redact.js';
import { perform, type Stage } from '../stages/stage.js';
import { tablesText } from './comparisonText.js';
import type { Experiment, Seeded } from './experiment.js';
import { type Provenance, provenance } from './provenance.js';

export interface SweepOptions {
  /** How many seeds: config.seed, config.seed + 1, … */
  readonly seeds: number;
  /** Path of the sweep's folder; default `runs/<config.name>`. */
  readonly folder?: string;
  readonly parts?: UserParts;
  readonly log?: Log;
  readonly signal?: AbortSignal;
  /** The command line, for the result file. */
  readonly command?: string;
}

const OPTIONS = {
  seeds: true,
  folder: true,
  parts: true,
  log: true,
  signal: true,
  command: true,
} as const satisfies KeysOf<SweepOptions>;

/** Plain data: what the result file holds. */
export interface SweepResult<Summary extends object> {
  readonly experiment: string;
  readonly seeds: readonly number[];
  /** Seconds that all stages of all seeds took, earlier calls and other experiments that share them included. */
  readonly stageSeconds: number;
  readonly from: Provenance;
  readonly config: Config;
  readonly summary: Summary;
}

export interface Swept<Summary extends object> extends SweepResult<Summary> {
  /** Paths of the result file and its page. */
  readonly file: string;
  readonly page: string;
}

/** Does what is left to do of the experiment in every seed's run, and writes its result. */
export async function runSweep<Collected, Summary extends object>(
  experiment: Experiment<Collected, Summary>,
  given: Config | ConfigPatch,
  options: SweepOptions,
): Promise<Swept<Summary>> {
  checkKeys(options, OPTIONS, 'runSweep: options');
  const config = resolveConfig(given as ConfigPatch);
  const seeds = seedsOf(config, options.seeds);
  const { folder = runRoot(config.name), log = silentLog, command = null } = options;
  const sweep = SweepFolder.at(folder);
  const [file, page] = [sweep.resultFile(experiment.name), sweep.pageFile(experiment.name)];
  await sweep.writeConfig(config);
  const collected: Seeded<Collected>[] = [];
  let stageSeconds = 0;
  for (const seed of seeds) {
    const opened = {
      ...pick(options),
      folder: sweep.runFolder(seed),
      log: seeds.length === 1 ? log : named(log, seed),
    };
    const part = await withRun(configOf(config, sweep, seed), opened, async (run) => {
      if (seed === seeds[0]) await announceDisk(run, times(workOf(experiment.stages), seeds.length));
      for (const stage of experiment.stages) await perform(run, stage);
      stageSeconds += secondsOf(run, experiment.stages);
      return experiment.collect(run);
    });
    collected.push({ seed, collected: part });
  }
  const summary = experiment.summarize(collected);
  const result = { experiment: experiment.name, seeds, stageSeconds, from: provenance(command), config, summary };
  await writeSealed(file, result);
  const notes = [...experiment.notes(summary), origin(result)];
  const title = `spark-rl ${experiment.name}: ${config.name}`;
  await writeWhole(page, redactKnown(renderTables({ title, tables: experiment.tables(summary), notes, config })));
  return { ...result, file, page };
}

/** What a terminal shows at the end. */
export function sweptText<Summary extends object>(
  experiment: Pick<Experiment<never, Summary>, 'tables' | 'notes'>,
  swept: Swept<Summary>,
): string {
  const { summary, file, page, stageSeconds } = swept;
  const minutes = `${(stageSeconds / 60).toFixed(1)} minutes in its stages`;
  const text = tablesText(experiment.tables(summary), experiment.notes(summary));
  return `${text}\nresult: ${file}   (${minutes})\npage: ${page}`;
}

/** The seeds of a sweep. Throws `invalid_argument` for a number that is no count of seeds. */
export function seedsOf({ seed }: Config, count: number): number[] {
  const last = seed + count - 1;
  if (Number.isInteger(count) && count >= 1 && last <= 0xffffffff) {
    return Array.from({ length: count }, (_, index) => seed + index);
  }
  throw new SparkError(
    'invalid_argument',
    `--seeds: expected a whole number from 1, of seeds from ${seed} to at most ${0xffffffff}, got ${count}`,
  );
}

/** The configuration of one seed's run. */
export function configOf(config: Config, sweep: SweepFolder, seed: number): Config {
  return { ...config, name: sweep.runFolder(seed), seed };
}

function pick({ parts, signal }: SweepOptions): Pick<SweepOptions, 'parts' | 'signal'> {
  return { ...(parts === undefined ? {} : { parts }), ...(signal === undefined ? {} : { signal }) };
}

function named(log: Log, seed: number): Log {
  const name = (say: (message: string) => void) => (message: string) => say(`seed ${seed}: ${message}`);
  return { info: name(log.info), warn: name(log.warn), progress: name(log.progress) };
}

/** How many rollout sets, trainings and evaluations there are among the stages. */
export function workOf(stages: readonly Stage<unknown>[]): Work {
  const countOf = (...kinds: string[]) => stages.filter(({ name }) => kinds.includes(name.split(' ')[0]!)).length;
  return {
    rolloutSets: countOf('generate'),
    trainings: countOf('train'),
    evaluations: countOf('evaluate', 'validate'),
    states: stages.filter(({ leavesState }) => leavesState === true).length,
  };
}

function times({ rolloutSets, trainings, evaluations, states = 0 }: Work, count: number): Work {
  return {
    rolloutSets: count * rolloutSets,
    trainings: count * trainings,
    evaluations: count * evaluations,
    states: count * states,
  };
}

function secondsOf({ records }: Run, stages: readonly Stage<unknown>[]): number {
  const all = records.all();
  return stages.reduce((sum, { name }) => sum + (all[name]?.finished?.pace?.seconds ?? 0), 0);
}

function origin({ from, stageSeconds }: SweepResult<object>): string {
  const { command, version, commit, changed, machine, written } = from;
  const code = commit === null ? version : `${commit.slice(0, 12)}${changed ? ' with changes' : ''}`;
  const time = `${(stageSeconds / 60).toFixed(1)} minutes in its stages`;
  return `${command ?? 'from a program'}; ${code}; ${machine.processor}, ${machine.cores} cores; ${time}; ${written}`;
}
