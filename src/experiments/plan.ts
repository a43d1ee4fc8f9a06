/**
 * What an experiment would still have to do, and about how long and how dear that is (`--dry-run`): every cell is a stage
 * of a seed's run. Seconds are estimated from what like stages of these runs took on this machine, judge's tokens and
 * dollars from the settings and known prices. Writes nothing.
 */
import { type Config, type ConfigPatch, resolveConfig } from '../config/index.js';
import { SparkError } from '../errors.js';
import { checkKeys, type KeysOf } from '../options.js';
import { changes } from '../run/freshness.js';
import type { Finished, StageRecord } from '../run/records.js';
import { Run } from '../run/run.js';
import { leavesAnswers } from '../stages/regrade.js';
import { isIntact, type Stage } from '../stages/stage.js';

export interface Cell {
  /** `train sft`, without its kind `sft` */
  readonly stage: string;
  readonly seed: number;
  /** `begun`: some of its work is stored and will be gone on with. */
  readonly state: 'done' | 'begun' | 'to do';
  /** What is left; null when nothing like it has been measured. */
  readonly seconds: number | null;
  readonly judgeCalls: number;
  readonly judgeTokens: number;
  readonly dollars: number;
}

export interface Plan {
  readonly cells: readonly Cell[];
  /** Sums over the cells that are left. */
  readonly left: number;
  /** Of the cells that can be estimated. */
  readonly hours: number;
  /** Kinds of stages (`train`) of which nothing has been measured, so that `hours` is without them. */
  readonly unknown: readonly string[];
  readonly judgeCalls: number;
  readonly judgeTokens: number;
  readonly dollars: number;
  /** False when the judge costs nothing, or is the user's own, whose price is not known. */
  readonly paid: boolean;
}

export interface PlanOptions {
  /** The runs, one a seed: their configurations and folders, which need not exist. */
  readonly runs: readonly { readonly config: Config | ConfigPatch; readonly folder: string }[];
  readonly stages: readonly Stage<unknown>[];
  readonly signal?: AbortSignal;
}

const OPTIONS = { runs: true, stages: true, signal: true } as const satisfies KeysOf<PlanOptions>;

export async function planOf(options: PlanOptions): Promise<Plan> {
  checkKeys(options, OPTIONS, 'planOf: options');
  const { stages, signal } = options;
  const opened = await Promise.all(
    options.runs.map(async ({ config: given, folder }) => {
      const config = resolveConfig(given as ConfigPatch);
      const run = await Run.inspect(config, folder, signal === undefined ? {} : { signal });
      return { config, folder, run, records: run?.records.all() ?? {} };
    }),
  );
  const measured = new Paces(opened.map(({ records }) => records));
  const cells: Cell[] = [];
  let paid = false;
  for (const { config, folder, run, records } of opened) {
    for (const stage of stages) {
      const stored = run === null ? 'to do' : await stateOf(run, stage, records[stage.name]);
      const asked = stored === 'done' ? null : ((await stage.price?.(config, folder, stored === 'begun')) ?? null);
      paid ||= asked?.paid === true;
      const left = asked === null ? null : asked.questions - asked.already;
      // Rollouts are never complete; they are done when every question has one.
      const state = left === 0 ? 'done' : asked !== null && asked.already > 0 ? 'begun' : stored;
      cells.push({
        stage: stage.name,
        seed: config.seed,
        state,
        seconds: state === 'done' ? 0 : measured.estimate(stage.name, left),
        judgeCalls: asked?.calls ?? 0,
        judgeTokens: (asked?.inputTokens ?? 0) + (asked?.outputTokens ?? 0),
        dollars: asked?.dollars ?? 0,
      });
    }
    run?.close();
  }
  const left = cells.filter(({ state }) => state !== 'done');
  const sum = (of: (cell: Cell) => number) => left.reduce((total, cell) => total + of(cell), 0);
  return {
    cells,
    left: left.length,
    hours: sum(({ seconds }) => seconds ?? 0) / 3600,
    unknown: [...new Set(left.filter(({ seconds }) => seconds === null).map(({ stage }) => kindOf(stage)))],
    judgeCalls: sum(({ judgeCalls }) => judgeCalls),
    judgeTokens: sum(({ judgeTokens }) => judgeTokens),
    dollars: sum(({ dollars }) => dollars),
    paid,
  };
}

async function stateOf(run: Run, stage: Stage<unknown>, record: StageRecord | undefined): Promise<Cell['state']> {
  const { finished, begun } = record ?? { finished: null, begun: null };
  if (finished === null && begun === null) return 'to do';
  try {
    const facts = await stage.dependsOn(run);
    if (finished?.complete === true && changes(finished.dependsOn, facts).length === 0) {
      if (await isIntact(run, stage, finished)) return 'done';
    }
    const before = begun ?? finished!.dependsOn;
    return leavesAnswers(changes(before, facts)) ? 'begun' : 'to do';
  } catch (error) {
    // It depends on a stage that is still to do.
    if (error instanceof SparkError && error.code === 'no_data') return 'to do';
    throw error;
  }
}

const kindOf = (stage: string) => stage.split(' ')[0]!;

/** What stages of the same name or kind took. */
class Paces {
  readonly #all: readonly (readonly [name: string, finished: Finished])[];

  constructor(records: readonly Readonly<Record<string, StageRecord>>[]) {
    this.#all = records
      .flatMap((all) => Object.entries(all))
      .flatMap(([name, { finished }]) => (finished?.pace === undefined ? [] : [[name, finished] as const]));
  }

  /** Seconds of a stage; `units`: questions that are left, null where the measured stage's own count serves. */
  estimate(name: string, units: number | null): number | null {
    const same = this.#all.filter(([other]) => other === name);
    const like = same.length > 0 ? same : this.#all.filter(([other]) => kindOf(other) === kindOf(name));
    if (like.length === 0) return null;
    const seconds = like.map(([, finished]) => {
      const { pace, result } = finished;
      return (pace!.seconds / pace!.units) * (units ?? stepsOf(result) ?? pace!.units);
    });
    return seconds.reduce((sum, one) => sum + one, 0) / seconds.length;
  }
}

/** All optimizer steps of a training or questions of an evaluation, whose last try may have done a part. */
function stepsOf(result: unknown): number | undefined {
  const { metrics, questions } = result as { metrics?: { steps: number }; questions?: number };
  return metrics?.steps ?? questions;
}

/** What a terminal shows. */
export function planText({ cells, left, hours, unknown, judgeCalls, judgeTokens, dollars, paid }: Plan): string {
  const byStage = new Map<string, Cell[]>();
  for (const cell of cells) byStage.set(cell.stage, [...(byStage.get(cell.stage) ?? []), cell]);
  const lines = [...byStage].map(([stage, of]) => {
    const counts = (['done', 'begun', 'to do'] as const).flatMap((state) => {
      const count = of.filter((cell) => cell.state === state).length;
      return count === 0 ? [] : [`${count} ${state}`];
    });
    return `${stage.padEnd(30)} ${counts.join(', ')}`;
  });
  const measured = cells.some(({ state, seconds }) => state !== 'done' && seconds !== null);
  const missing =
    unknown.length === 0 ? '' : `, without ${unknown.join(', ')}, of which nothing has been measured here yet`;
  const known = hours < 0.1 ? `about ${(60 * hours).toFixed(1)} minutes` : `about ${hours.toFixed(1)} hours`;
  const time = measured ? `${known}${missing}` : 'of unknown length, as nothing like it is finished here yet';
  const money = paid
    ? `at most ${judgeCalls} judge calls, about ${(judgeTokens / 1e6).toFixed(2)} million tokens, $${dollars.toFixed(2)}`
    : 'no judge that is paid by the token';
  return [...lines, `${cells.length} cells, ${left} left${left === 0 ? '' : `, ${time}; ${money}`}`].join('\n');
}
