/**
 * 95 % intervals of a mean over seeds, where every seed answers (nearly) the same test questions.
 *
 * Two things make such a mean uncertain: other seeds would have trained other adapters, and other questions would have been
 * other ones. The two are crossed, as what makes a question hard is shared by all seeds, so questions are drawn once for
 * all seeds and not anew within each, which would take shared luck for independent evidence. The variance is the sum of
 *
 *   V_seeds       s² / S, of the S seeds' own values; it contains what seed and question do together
 *   V_questions   (V₂ − V₁) S / (S − 1) by a bootstrap over questions, where V₂ is the variance of the mean over seeds,
 *                 and V₁ what it would be if every seed had questions of its own: (1/S²) Σ_s variance of seed s
 *
 * but at least V₂ (two-way clustering, Cameron, Gelbach and Miller 2011, Journal of Business & Economic Statistics 29(2)), and
 * Student's t has Satterthwaite's degrees of freedom. It held the truth in 94 to 99 % of simulated cases with 3 to 8 seeds,
 * whichever of the two dominates, and in 90 to 98 % with two (test/src/evaluate/seedInterval.test.ts). Resampling seeds as
 * well (the pigeonhole bootstrap, Owen 2007) held it in 82 to 99 % with two and 91 to 99 % with three: a few seeds cannot be
 * resampled.
 *
 * With one seed only V₂ is left: that interval says nothing about another seed.
 */
import { mean, sampleVariance, variance } from 'simple-statistics';
import { SparkError } from '../errors.js';
import { checkKeys, type KeysOf } from '../options.js';
import { seededRandom } from '../random.js';
import { tQuantile, tTwoSided } from '../tools/child/distributions.js';

export interface Interval {
  readonly estimate: number;
  /** 95 % interval; null when it cannot be known: of one value, for example. */
  readonly low: number | null;
  readonly high: number | null;
}

export interface SeedInterval extends Interval {
  /** Seeds that have a value. With 1 the interval is over questions alone. */
  readonly seeds: number;
  /** Standard deviation between the seeds' values; null with one seed. */
  readonly seedDeviation: number | null;
  /** Two-sided p of the mean being 0, by the same t; of use for a difference. Null where there is no interval. */
  readonly p: number | null;
}

/** How often each question was drawn. */
export type Draw = Uint32Array; // (Q)

export interface SeedIntervalOptions {
  readonly seeds: number;
  readonly questions: number;
  /** Values that the mean can have, where the interval is cut; default: any. */
  readonly within?: readonly [least: number, most: number];
  /** Number of bootstrap resamples; default 1000. */
  readonly samples?: number;
  /** Of the resamples; default 1: the same data always have the same interval. */
  readonly seed?: number;
}

const OPTIONS = {
  seeds: true,
  questions: true,
  within: true,
  samples: true,
  seed: true,
} as const satisfies KeysOf<SeedIntervalOptions>;

/**
 * Interval of the mean over seeds of `of(seed, draw)`, a number computed from the questions as often as each was drawn;
 * NaN for a seed that has none. Null when no seed has one.
 */
export function seedInterval(
  of: (seed: number, draw: Draw) => number,
  options: SeedIntervalOptions,
): SeedInterval | null {
  checkKeys(options, OPTIONS, 'seedInterval: options');
  const { questions, within = ANY, samples = 1000, seed = 1 } = options;
  for (const [name, count] of Object.entries({ seeds: options.seeds, questions, samples })) {
    if (Number.isInteger(count) && count > 0) continue;
    throw new SparkError('invalid_argument', `seedInterval: ${name}: expected a whole number from 1, got ${count}`);
  }
  const all = new Uint32Array(questions).fill(1);
  const present = Array.from({ length: options.seeds }, (_, s) => s).filter((s) => !Number.isNaN(of(s, all)));
  if (present.length === 0) return null;
  const values = present.map((s) => of(s, all));
  const random = seededRandom(seed);
  const resamples: number[][] = [];
  for (let sample = 0; sample < samples; sample++) {
    const draw = drawQuestions(questions, random);
    const drawn = present.map((s) => of(s, draw));
    // A resample can miss every question that some seed was asked.
    if (!drawn.some(Number.isNaN)) resamples.push(drawn);
  }
  const seeds = present.length;
  const { ofSeeds, ofQuestions, together } = variances(values, resamples);
  const known = {
    estimate: mean(values),
    seeds,
    seedDeviation: seeds === 1 ? null : Math.sqrt(sampleVariance(values)),
  };
  // Never narrower than over questions alone: a few seeds can agree by chance.
  const total = Math.max(ofSeeds + ofQuestions, together);
  if (resamples.length < 2 || questions < 2) return { ...known, low: null, high: null, p: null };
  // Equal in every seed and every resample: all answers right, or all differences 0.
  if (total === 0) return { ...known, low: known.estimate, high: known.estimate, p: known.estimate === 0 ? 1 : 0 };
  const df = Math.max(1, total ** 2 / (ofSeeds ** 2 / Math.max(1, seeds - 1) + together ** 2 / (questions - 1)));
  const error = Math.sqrt(total);
  const half = error * tQuantile(0.975, df);
  const { estimate } = known;
  const p = tTwoSided(estimate / error, df);
  return { ...known, low: Math.max(within[0], estimate - half), high: Math.min(within[1], estimate + half), p };
}

const ANY = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

/** V_seeds, V_questions and V₂ (see above). */
function variances(values: readonly number[], resamples: readonly (readonly number[])[]) {
  const seeds = values.length;
  if (resamples.length < 2) return { ofSeeds: 0, ofQuestions: 0, together: 0 };
  const together = variance(resamples.map((drawn) => mean([...drawn])));
  if (seeds === 1) return { ofSeeds: 0, ofQuestions: together, together };
  const apart = values.map((_, s) => variance(resamples.map((drawn) => drawn[s]!)));
  const independent = apart.reduce((sum, one) => sum + one, 0) / seeds ** 2;
  const shared = (together - independent) * (seeds / (seeds - 1));
  return { ofSeeds: sampleVariance([...values]) / seeds, ofQuestions: Math.max(0, shared), together };
}

/** Q draws of Q questions with replacement, counted. */
function drawQuestions(count: number, random: () => number): Draw {
  const draw = new Uint32Array(count);
  for (let drawn = 0; drawn < count; drawn++) draw[Math.floor(random() * count)]! += 1;
  return draw;
}

/** A seed's mean over its questions, for `seedInterval`. `values[s][q]` is NaN where seed s was not asked question q. */
export function meanOf(values: readonly Float64Array[]): (seed: number, draw: Draw) => number {
  return (seed, draw) => {
    const row = values[seed]!;
    let sum = 0;
    let count = 0;
    for (let q = 0; q < row.length; q++) {
      const times = draw[q]!;
      if (times === 0 || Number.isNaN(row[q]!)) continue;
      sum += times * row[q]!;
      count += times;
    }
    return sum / count;
  };
}

/**
 * Mean of values, one a seed, with Student's 95 % interval and the paired t-test's p (of differences): what other seeds would
 * give on these very questions.
 */
export function tInterval(
  values: readonly number[],
  within: readonly [least: number, most: number] = ANY,
): SeedInterval | null {
  if (values.length === 0) return null;
  const estimate = mean([...values]);
  const seeds = values.length;
  if (seeds === 1) return { estimate, low: null, high: null, seeds, seedDeviation: null, p: null };
  const seedDeviation = Math.sqrt(sampleVariance([...values]));
  const error = seedDeviation / Math.sqrt(seeds);
  const half = error * tQuantile(0.975, seeds - 1);
  const p = error === 0 ? (estimate === 0 ? 1 : 0) : tTwoSided(estimate / error, seeds - 1);
  const [low, high] = [Math.max(within[0], estimate - half), Math.min(within[1], estimate + half)];
  return { estimate, low, high, seeds, seedDeviation, p };
}
