/**
 * `ablate judge`: the states of SPaRK's rollouts, judged by other judges as well: would another have chosen otherwise? Every
 * judge of `ablate.judges` is compared with the run's own, whose verdicts are in the rollouts.
 */
import path from 'node:path';
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import { kappa, type StateAgreement, stateAgreement } from '../evaluate/agreement.js';
import { meanOf, type SeedInterval, seedInterval } from '../evaluate/seedInterval.js';
import type { Table } from '../report/tables.js';
import { oneLine } from '../report/text.js';
import type { Run } from '../run/run.js';
import { generateStage } from '../stages/generate.js';
import { chosenRollouts, readJudged, rejudgeStage } from '../stages/rejudge.js';
import type { Experiment, Seeded } from './experiment.js';

const MEASURES = ['spearman', 'distance', 'flippedMin', 'flippedMax', 'otherViable', 'sameCoherence'] as const;
type Measure = (typeof MEASURES)[number];
const RANGE: Readonly<Record<Measure, readonly [number, number]>> = {
  spearman: [-1, 1],
  distance: [0, 10],
  flippedMin: [0, 1],
  flippedMax: [0, 1],
  otherViable: [0, 1],
  sameCoherence: [0, 1],
};

interface JudgedState extends StateAgreement {
  readonly questionId: number;
  /** 1 when both say the same of the step's coherence, NaN when one says nothing. */
  readonly sameCoherence: number;
  /** The run's judge, then the other; null when one says nothing. */
  readonly coherent: readonly [boolean, boolean] | null;
}

/** By the names of the judges. */
type JudgedStates = ReadonlyMap<string, readonly JudgedState[]>;

export interface JudgeRow {
  readonly judge: string;
  /** States over all seeds, and in how many the judge or the run's own gave no score. */
  readonly states: number;
  readonly unscored: number;
  /** Means over seeds of means over questions; null when no state has a value. */
  readonly agreement: Readonly<Record<Measure, SeedInterval | null>>;
  /** Cohen's κ of coherence over all seeds' states; null when there is none. */
  readonly coherenceKappa: number | null;
}

export interface JudgeComparison {
  readonly seeds: readonly number[];
  /** The run's own judge. */
  readonly own: string;
  readonly tau: number;
  readonly judges: readonly JudgeRow[];
}

export function judgeExperiment(config: Config): Experiment<JudgedStates, JudgeComparison> {
  const { judges, judgeRollouts: rollouts } = config.ablate;
  const names = judges.map(({ name }) => name);
  if (names.length === 0) {
    throw new SparkError(
      'invalid_config',
      'ablate.judges: expected a judge or more to compare with the run’s own, got none; in the configuration file or by ' +
        '--set "ablate.judges=[{name: small, kind: api, model: gpt-4o-mini}]"',
    );
  }
  const { tau } = config.rollout;
  const set = { selection: 'min-score', tau } as const;
  const own = ownName(config.judge);
  return {
    name: 'ablate-judge',
    stages: [generateStage(set), ...judges.map((judge) => rejudgeStage({ judge, ...set, rollouts }))],
    collect: (run) => collectStates(run, names, { ...set, rollouts }),
    summarize: (collected) => ({
      seeds: collected.map(({ seed }) => seed),
      own,
      tau,
      judges: names.map((name) => judgeRow(name, collected)),
    }),
    tables: (comparison) => [judgeTable(comparison)],
    notes: ({ seeds }) => [
      `States of ${seeds.length === 1 ? 'one seed' : `${seeds.length} seeds`}; τ = ${tau}. Flipped: the other judge’s scores lead to another action; viable: an action is ` +
        'viable for one of the two only. Shares in per cent, with 95 % intervals over ' +
        `${seeds.length === 1 ? 'questions alone' : 'seeds and questions'}; κ: agreement on coherence beyond chance.`,
    ],
  };
}

function ownName({ kind, model }: Config['judge']): string {
  if (kind === 'local') return path.basename(model);
  return kind === 'api' ? model : kind;
}

async function collectStates(
  run: Run,
  names: readonly string[],
  chosen: Parameters<typeof chosenRollouts>[1],
): Promise<JudgedStates> {
  const rollouts = await chosenRollouts(run, chosen);
  const actions = run.parts.actions().map(({ name }) => name);
  const byJudge = new Map<string, readonly JudgedState[]>();
  for (const name of names) {
    const judged = await readJudged(run, name);
    const states = rollouts.flatMap(({ trajectory: { id, questionId, steps } }) =>
      steps.map(({ scores, processOk }, at): JudgedState => {
        const other = judged.get(id)!.steps[at]!;
        const coherent =
          processOk === null || other.processOk === null ? null : ([processOk, other.processOk] as const);
        const sameCoherence = coherent === null ? Number.NaN : coherent[0] === coherent[1] ? 1 : 0;
        return {
          questionId,
          sameCoherence,
          coherent,
          ...stateAgreement(actions, scores ?? {}, other.scores, chosen.tau),
        };
      }),
    );
    byJudge.set(name, states);
  }
  return byJudge;
}

function judgeRow(judge: string, collected: readonly Seeded<JudgedStates>[]): JudgeRow {
  const perSeed = collected.map((one) => one.collected.get(judge)!);
  const all = perSeed.flat();
  const ids = [...new Set(all.map(({ questionId }) => questionId))].sort((a, b) => a - b);
  const agreement = MEASURES.map((measure) => [measure, agreementOf(perSeed, ids, measure)] as const);
  const known = kappa(all.flatMap(({ coherent }) => (coherent === null ? [] : [coherent])));
  return {
    judge,
    states: all.length,
    unscored: all.filter(({ distance }) => Number.isNaN(distance)).length,
    agreement: Object.fromEntries(agreement) as JudgeRow['agreement'],
    coherenceKappa: Number.isNaN(known) ? null : known,
  };
}

function agreementOf(
  perSeed: readonly (readonly JudgedState[])[],
  ids: readonly number[],
  measure: Measure,
): SeedInterval | null {
  if (ids.length === 0) return null;
  const grid = perSeed.map((states) => {
    const values = new Map<number, number[]>();
    for (const state of states) {
      if (Number.isNaN(state[measure])) continue;
      values.set(state.questionId, [...(values.get(state.questionId) ?? []), state[measure]]);
    }
    return Float64Array.from(ids, (id) => {
      const of = values.get(id) ?? [];
      return of.reduce((sum, value) => sum + value, 0) / of.length;
    });
  });
  return seedInterval(meanOf(grid), { seeds: grid.length, questions: ids.length, within: RANGE[measure] });
}

function judgeTable({ own, judges }: JudgeComparison): Table {
  const heads = [
    'judge',
    'states',
    'Spearman',
    'flipped min',
    'flipped max',
    'viable',
    '|Δ score|',
    'coherence',
    'κ',
    'unscored',
  ];
  const rows = judges.map(({ judge, states, unscored, agreement, coherenceKappa }) => [
    oneLine(judge),
    String(states),
    cell(agreement.spearman, 1, 2),
    cell(agreement.flippedMin, 100, 1),
    cell(agreement.flippedMax, 100, 1),
    cell(agreement.otherViable, 100, 1),
    cell(agreement.distance, 1, 2),
    cell(agreement.sameCoherence, 100, 1),
    coherenceKappa === null ? '–' : coherenceKappa.toFixed(2),
    String(unscored),
  ]);
  return { title: `Judges against the run’s own (${oneLine(own)}) on the same states`, rows: [heads, ...rows] };
}

function cell(interval: SeedInterval | null, scale: number, digits: number): string {
  if (interval === null) return '–';
  const text = (value: number) => (scale * value).toFixed(digits);
  const { estimate, low, high } = interval;
  return low === null || high === null ? text(estimate) : `${text(estimate)} (${text(low)} … ${text(high)})`;
}
