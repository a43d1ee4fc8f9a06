/**
 * Rows compared over seeds: means with 95 % intervals, and differences on the same questions of the same runs. Nothing is
 * called a difference of one seed, whatever its p.
 */
import { millerMadowBits } from '../evaluate/entropy.js';
import { type McNemar, mcnemar } from '../evaluate/mcnemar.js';
import { type Draw, meanOf, type SeedInterval, seedInterval, tInterval } from '../evaluate/seedInterval.js';
import { type Answered, type StageEvaluation, summarize } from '../evaluate/summary.js';
import type { Seeded } from './experiment.js';
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
  /** Mean over seeds; null where nothing was trained or measured. */
  readonly trainingSeconds: number | null;
  /** Each seed's own numbers, with the Wilson interval of its accuracy; categories are in the runs' stages.json. */
  readonly perSeed: readonly ({ readonly seed: number } & Omit<
    StageEvaluation,
    'perCategory' | 'perCategoryEntropy'
  >)[];
}

export interface Difference {
  readonly row: string;
  readonly against: string;
  /** Row minus `against`. */
  readonly accuracy: Measured;
  readonly entropyBits: Measured | null;
  /** Of each seed alone: do the two differ on its questions? */
  readonly mcnemar: readonly ({ readonly seed: number } & McNemar)[];
}

export interface Comparison {
  readonly seeds: readonly number[];
  readonly rows: readonly ComparedRow[];
  readonly differences: readonly Difference[];
}

export function compare(rows: readonly Row[], collected: readonly Seeded<Answers>[]): Comparison {
  const grids = new Map(rows.map(({ name }) => [name, new Grid(collected.map((one) => one.collected.get(name)!))]));
  return {
    seeds: collected.map(({ seed }) => seed),
    rows: rows.map(({ name }) => comparedRow(name, grids.get(name)!, collected)),
    differences: rows.flatMap(({ name, against }) =>
      against.map((other) => difference([name, other], [grids.get(name)!, grids.get(other)!], collected)),
    ),
  };
}

/** The answers of a row as arrays, by seed and question: a bootstrap reads each a thousand times. */
class Grid {
  readonly ids: readonly number[];
  readonly actions: readonly string[];
  /** 1 right, 0 wrong, NaN not asked; [seed] (Q) */
  readonly correct: readonly Float64Array[];
  /** Steps by question and action; [seed] (Q, A) */
  readonly steps: readonly Float64Array[];

  constructor(seeds: readonly RowAnswers[]) {
    this.ids = [...new Set(seeds.flatMap(({ answers }) => [...answers.keys()]))].sort((a, b) => a - b);
    const taken = seeds.flatMap(({ answers }) => [...answers.values()].flatMap(({ steps }) => steps));
    this.actions = [...new Set([...seeds.flatMap(({ actions }) => actions), ...taken.map(({ action }) => action)])];
    this.correct = seeds.map(({ answers }) => Float64Array.from(this.ids, (id) => rightness(answers.get(id))));
    this.steps = seeds.map(({ answers }) => {
      const counts = new Float64Array(this.ids.length * this.actions.length);
      this.ids.forEach((id, q) => {
        for (const { action } of answers.get(id)?.steps ?? []) {
          counts[q * this.actions.length + this.actions.indexOf(action)]! += 1;
        }
      });
      return counts;
    });
  }

  accuracy = (seed: number, draw: Draw): number => meanOf(this.correct)(seed, draw);
  entropy = (seed: number, draw: Draw): number => millerMadowBits(this.#counts(seed, draw));

  share(action: string): (seed: number, draw: Draw) => number {
    const at = this.actions.indexOf(action);
    return (seed, draw) => {
      const counts = this.#counts(seed, draw);
      const steps = counts.reduce((sum, count) => sum + count, 0);
      return steps === 0 ? Number.NaN : at < 0 ? 0 : counts[at]! / steps;
    };
  }

  /** (A) */
  #counts(seed: number, draw: Draw): Float64Array {
    const width = this.actions.length;
    const steps = this.steps[seed]!;
    const counts = new Float64Array(width);
    for (let q = 0; q < draw.length; q++) {
      const times = draw[q]!;
      if (times === 0) continue;
      for (let a = 0; a < width; a++) counts[a]! += times * steps[q * width + a]!;
    }
    return counts;
  }
}

function rightness(answer: Answered | undefined): number {
  return answer === undefined ? Number.NaN : answer.correct ? 1 : 0;
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

function comparedRow(name: string, grid: Grid, collected: readonly Seeded<Answers>[]): ComparedRow {
  const size = { seeds: collected.length, questions: grid.ids.length };
  const most = Math.log2(grid.actions.length);
  const times = collected.flatMap((one) => one.collected.get(name)!.trainingSeconds ?? []);
  return {
    name,
    accuracy: measured(grid.accuracy, { ...size, within: [0, 1] })!,
    entropyBits: measured(grid.entropy, { ...size, within: [0, most] }),
    thinkShare: measured(grid.share('think'), { ...size, within: [0, 1] }),
    trainingSeconds: times.length === 0 ? null : times.reduce((sum, one) => sum + one, 0) / times.length,
    perSeed: collected.map(({ seed, collected: answers }) => {
      const { answers: given, actions } = answers.get(name)!;
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
  [first, second]: readonly [Grid, Grid],
  collected: readonly Seeded<Answers>[],
): Difference {
  const there = new Set(second.ids);
  const paired = first.ids.filter((id) => there.has(id));
  const size = { seeds: collected.length, questions: paired.length };
  const most = Math.log2(Math.max(first.actions.length, second.actions.length));
  // Both grids have the same questions in the same order unless one row leaves some out.
  const [a, b] = [first, second].map((grid) => positions(grid.ids, paired)) as [Uint32Array, Uint32Array];
  const minus = (x: Statistic, y: Statistic): Statistic => {
    return (seed, draw) => x(seed, spread(draw, a, first.ids.length)) - y(seed, spread(draw, b, second.ids.length));
  };
  return {
    row,
    against,
    accuracy: measured(minus(first.accuracy, second.accuracy), { ...size, within: [-1, 1] })!,
    entropyBits: measured(minus(first.entropy, second.entropy), { ...size, within: [-most, most] }),
    mcnemar: collected.map(({ seed, collected: answers }) => {
      const [x, y] = [answers.get(row)!.answers, answers.get(against)!.answers];
      const both = paired.filter((id) => x.has(id) && y.has(id));
      return { seed, ...mcnemar(both.map((id) => [x.get(id)!.correct, y.get(id)!.correct] as const)) };
    }),
  };
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
