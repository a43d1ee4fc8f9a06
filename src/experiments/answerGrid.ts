/** The answers of a row as arrays, by seed and question: a bootstrap reads each a thousand times. */
import { millerMadowBits } from '../evaluate/entropy.js';
import { type Draw, meanOf } from '../evaluate/seedInterval.js';
import type { Answered, AnsweredStep } from '../evaluate/summary.js';
import type { RowAnswers } from './rows.js';

export class AnswerGrid {
  readonly ids: readonly number[];
  readonly actions: readonly string[];
  /** 1 right, 0 wrong, NaN not asked; [seed] (Q) */
  readonly correct: readonly Float64Array[];
  /** Steps by question and action; [seed] (Q, A) */
  readonly steps: readonly Float64Array[];
  /** What the judge says of the steps */
  readonly #coherent: readonly Known[];
  readonly #belowTau: readonly Known[];

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
    this.#coherent = seeds.map((seed) => known(this.ids, seed, ({ coherent }) => coherent));
    this.#belowTau = seeds.map((seed) => known(this.ids, seed, ({ viable }) => (viable == null ? null : !viable)));
  }

  accuracy = (seed: number, draw: Draw): number => meanOf(this.correct)(seed, draw);
  entropy = (seed: number, draw: Draw): number => millerMadowBits(this.#counts(seed, draw));

  coherentShare = (seed: number, draw: Draw): number => shareOf(this.#coherent[seed]!, draw);
  belowTauShare = (seed: number, draw: Draw): number => shareOf(this.#belowTau[seed]!, draw);

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

/** (Q) each: of how many steps something is known, and of how many of these it is true. */
interface Known {
  readonly of: Float64Array;
  readonly yes: Float64Array;
}

function known(
  ids: readonly number[],
  { answers }: RowAnswers,
  what: (step: AnsweredStep) => boolean | null | undefined,
): Known {
  const counts = { of: new Float64Array(ids.length), yes: new Float64Array(ids.length) };
  ids.forEach((id, q) => {
    for (const step of answers.get(id)?.steps ?? []) {
      const value = what(step);
      if (typeof value !== 'boolean') continue;
      counts.of[q]! += 1;
      if (value) counts.yes[q]! += 1;
    }
  });
  return counts;
}

/** NaN when nothing is known of the questions that were drawn. */
function shareOf({ of, yes }: Known, draw: Draw): number {
  let [all, some] = [0, 0];
  draw.forEach((times, q) => {
    all += times * of[q]!;
    some += times * yes[q]!;
  });
  return some / all;
}
