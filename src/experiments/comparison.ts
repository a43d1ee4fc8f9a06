/**
 * Rows compared over seeds: means with 95 % intervals, and differences on the same questions of the same runs. Nothing is
 * called a difference of one seed, whatever its p.
 */
import { type McNemar, mcnemar } from '../evaluate/mcnemar.js';
import { type Draw, type SeedInterval, seedInterval, tInterval } from '../evaluate/seedInterval.js';
import { type StageEvaluation, summarize } from '../evaluate/summary.js';
import type { EvaluatedPart } from '../stages/evaluate.js';
import { AnswerGrid } from './answerGrid.js';
import type { Seeded } from './experiment.js';
import { PolicyGrid } from './policyGrid.js';
import type { Answers, Row, RowAnswers } from './rows.js';

export interface Measured {
  /** What other seeds and other questions would give: the interval that is shown. */
  readonly overSeedsAndQuestions: SeedInterval;
  /** What other seeds would give on these very questions: Student's t, of a difference the paired t-test. */
  readonly overSeeds: SeedInterval;
}

export interface ComparedRow {
  readonly name: string;
  readonly accuracy: Measured;
  /** Bits, Miller–Madow; null without actions. */
  readonly entropyBits: Measured | null;
  readonly thinkShare: Measured | null;
  /** Shares of the judged steps that are coherent, and whose action scored below τ; null where none was judged. */
  readonly coherentShare: Measured | null;
  readonly belowTauShare: Measured | null;
  readonly policy: PolicyChoices | null;
  /** Mean over seeds; null where nothing was trained or measured. */
  readonly trainingSeconds: number | null;
  /** Each seed's own numbers, with the Wilson interval of its accuracy; categories are in the runs' stages.json. */
  readonly perSeed: readonly ({ readonly seed: number } & Omit<
    StageEvaluation,
    'perCategory' | 'perCategoryEntropy'
  >)[];
}

/** What the policies would choose in the validation states (docs/metrics.md, The policy's choices). */
export interface PolicyChoices {
  readonly entropyBits: Measured | null;
  readonly belowTau: Measured | null;
  readonly rarestViable: Measured | null;
}

export interface Difference {
  readonly row: string;
  readonly against: string;
  /** Row minus `against`. */
  readonly accuracy: Measured;
  readonly entropyBits: Measured | null;
  readonly policy: PolicyChoices | null;
  /** Of each seed alone: do the two differ on its questions? */
  readonly mcnemar: readonly ({ readonly seed: number } & McNemar)[];
}

export interface Comparison {
  readonly seeds: readonly number[];
  /** Whose answers are compared. */
  readonly questions: EvaluatedPart;
  readonly rows: readonly ComparedRow[];
  readonly differences: readonly Difference[];
}

export function compare(
  rows: readonly Row[],
  collected: readonly Seeded<Answers>[],
  questions: EvaluatedPart,
): Comparison {
  const grids = new Map(rows.map(({ name }) => [name, gridsOf(collected.map((one) => one.collected.get(name)!))]));
  return {
    seeds: collected.map(({ seed }) => seed),
    questions,
    rows: rows.map(({ name }) => comparedRow(name, grids.get(name)!, collected)),
    differences: rows.flatMap(({ name, against }) =>
      against.map((other) => difference([name, other], [grids.get(name)!, grids.get(other)!], collected)),
    ),
  };
}

interface Grids {
  readonly answers: AnswerGrid;
  readonly policy: PolicyGrid | null;
}

function gridsOf(seeds: readonly RowAnswers[]): Grids {
  return { answers: new AnswerGrid(seeds), policy: PolicyGrid.of(seeds) };
}

type Statistic = (seed: number, draw: Draw) => number;

/** Null when no seed has a value. */
function measured(
  of: Statistic,
  { seeds, questions, within }: { seeds: number; questions: number; within: readonly [number, number] },
): Measured | null {
  if (questions === 0) return null;
  const overSeedsAndQuestions = seedInterval(of, { seeds, questions, within });
  if (overSeedsAndQuestions === null) return null;
  const all = new Uint32Array(questions).fill(1);
  const values = Array.from({ length: seeds }, (_, seed) => of(seed, all)).filter((value) => !Number.isNaN(value));
  return { overSeedsAndQuestions, overSeeds: tInterval(values, within)! };
}

/** Of one row, or of the difference of two. */
function policyChoices(
  of: Pick<PolicyGrid, 'entropyBits' | 'belowTau' | 'rarestViable'>,
  { least, actions, ...size }: { seeds: number; questions: number; least: 0 | -1; actions: number },
): PolicyChoices {
  const within = (most: number) => ({ ...size, within: [least * most, most] as const });
  return {
    entropyBits: measured(of.entropyBits, within(Math.log2(actions))),
    belowTau: measured(of.belowTau, within(1)),
    rarestViable: measured(of.rarestViable, within(1)),
  };
}

function comparedRow(name: string, { answers, policy }: Grids, collected: readonly Seeded<Answers>[]): ComparedRow {
  const size = { seeds: collected.length, questions: answers.ids.length };
  const share = { ...size, within: [0, 1] } as const;
  const times = collected.flatMap((one) => one.collected.get(name)!.trainingSeconds ?? []);
  return {
    name,
    accuracy: measured(answers.accuracy, share)!,
    entropyBits: measured(answers.entropy, { ...size, within: [0, Math.log2(answers.actions.length)] }),
    thinkShare: measured(answers.share('think'), share),
    coherentShare: measured(answers.coherentShare, share),
    belowTauShare: measured(answers.belowTauShare, share),
    policy:
      policy &&
      policyChoices(policy, { seeds: size.seeds, questions: policy.ids.length, least: 0, actions: policy.actions }),
    trainingSeconds: times.length === 0 ? null : times.reduce((sum, one) => sum + one, 0) / times.length,
    perSeed: collected.map(({ seed, collected: of }) => {
      const { answers: given, actions } = of.get(name)!;
      const {
        perCategory: _accuracy,
        perCategoryEntropy: _entropy,
        ...evaluation
      } = summarize([...given.values()], actions);
      return { seed, ...evaluation };
    }),
  };
}

function difference(
  [row, against]: readonly [string, string],
  [first, second]: readonly [Grids, Grids],
  collected: readonly Seeded<Answers>[],
): Difference {
  const [x, y] = [first.answers, second.answers];
  const { size, minus, paired } = pairing(x.ids, y.ids, collected.length);
  const most = Math.log2(Math.max(x.actions.length, y.actions.length));
  return {
    row,
    against,
    accuracy: measured(minus(x.accuracy, y.accuracy), { ...size, within: [-1, 1] })!,
    entropyBits: measured(minus(x.entropy, y.entropy), { ...size, within: [-most, most] }),
    policy: policyDifference(first.policy, second.policy, collected.length),
    mcnemar: collected.map(({ seed, collected: answers }) => {
      const [a, b] = [answers.get(row)!.answers, answers.get(against)!.answers];
      const both = paired.filter((id) => a.has(id) && b.has(id));
      return { seed, ...mcnemar(both.map((id) => [a.get(id)!.correct, b.get(id)!.correct] as const)) };
    }),
  };
}

function policyDifference(x: PolicyGrid | null, y: PolicyGrid | null, seeds: number): PolicyChoices | null {
  if (x === null || y === null) return null;
  const { size, minus } = pairing(x.ids, y.ids, seeds);
  const differences = {
    entropyBits: minus(x.entropyBits, y.entropyBits),
    belowTau: minus(x.belowTau, y.belowTau),
    rarestViable: minus(x.rarestViable, y.rarestViable),
  };
  return policyChoices(differences, { ...size, least: -1, actions: Math.max(x.actions, y.actions) });
}

/** The questions that both have, and the difference of two statistics over a draw of these. */
function pairing(first: readonly number[], second: readonly number[], seeds: number) {
  const there = new Set(second);
  const paired = first.filter((id) => there.has(id));
  // Both have the same questions in the same order unless one row leaves some out.
  const [a, b] = [positions(first, paired), positions(second, paired)];
  const minus = (x: Statistic, y: Statistic): Statistic => {
    return (seed, draw) => x(seed, spread(draw, a, first.length)) - y(seed, spread(draw, b, second.length));
  };
  return { size: { seeds, questions: paired.length }, minus, paired };
}

function positions(ids: readonly number[], wanted: readonly number[]): Uint32Array {
  const at = new Map(ids.map((id, index) => [id, index]));
  return Uint32Array.from(wanted, (id) => at.get(id)!);
}

/** A draw of the paired questions as one of all the grid's questions. */
function spread(draw: Draw, at: Uint32Array, questions: number): Draw {
  if (draw.length === questions) return draw;
  const whole = new Uint32Array(questions);
  for (let q = 0; q < draw.length; q++) whole[at[q]!] = draw[q]!;
  return whole;
}
