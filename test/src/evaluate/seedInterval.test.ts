/** Intervals over seeds and tests of differences: known values, and how often an interval holds the truth. */
import { describe, expect, it } from 'vitest';
import { millerMadowBits } from '../../../src/evaluate/entropy.js';
import { mcnemar } from '../../../src/evaluate/mcnemar.js';
import { meanOf, seedInterval, tInterval } from '../../../src/evaluate/seedInterval.js';
import { seededRandom } from '../../../src/random.js';

describe('mcnemar', () => {
  const pairs = (onlyFirst: number, onlySecond: number, both = 5) => [
    ...Array<[boolean, boolean]>(onlyFirst).fill([true, false]),
    ...Array<[boolean, boolean]>(onlySecond).fill([false, true]),
    ...Array<[boolean, boolean]>(both).fill([true, true]),
  ];
  // python3 -c "from scipy.stats import binomtest as b; print([b(k, n).pvalue for k, n in ((3, 13), (10, 13), (0, 6), (40, 95), (5, 10))])"
  it.each([
    [3, 10, 0.092285156],
    [10, 3, 0.092285156],
    [0, 6, 0.03125],
    [40, 55, 0.1505180639],
    [5, 5, 1],
    [0, 0, 1],
  ])('%i against %i has p %f', (first, second, p) => {
    const test = mcnemar(pairs(first, second));
    expect(test).toMatchObject({ onlyFirst: first, onlySecond: second });
    expect(test.p).toBeCloseTo(p, 7);
  });
});

describe('tInterval', () => {
  // python3 -c "from scipy import stats as s; d=[.02,-.01,.03,.04,.01]; r=s.ttest_1samp(d, 0); print(r.pvalue, r.confidence_interval())"
  it('is the paired t-test', () => {
    const { low, high, p, seeds } = tInterval([0.02, -0.01, 0.03, 0.04, 0.01])!;
    expect([low, high, p, seeds]).toEqual([
      expect.closeTo(-0.00588391, 7),
      expect.closeTo(0.04188391, 7),
      expect.closeTo(0.1045399998, 7),
      5,
    ]);
  });

  it('knows no interval of one seed, nor anything of none', () => {
    expect(tInterval([0.5])).toMatchObject({ estimate: 0.5, low: null, high: null, p: null });
    expect(tInterval([])).toBeNull();
    expect(tInterval([0, 0])).toMatchObject({ estimate: 0, p: 1 });
  });
});

describe('millerMadowBits', () => {
  it('adds (m − 1) / 2N nats', () => {
    expect(millerMadowBits([2, 1, 1, 0])).toBeCloseTo(1.5 + 2 / 8 / Math.LN2, 12);
    expect(millerMadowBits([7, 0])).toBe(0);
    expect(millerMadowBits([0, 0])).toBeNaN();
  });

  it('is nearer to the truth than the entropy of the sample, on average', () => {
    const random = seededRandom(3);
    const truth = Math.log2(9);
    let corrected = 0;
    let plain = 0;
    for (let trial = 0; trial < 300; trial++) {
      const counts = new Array<number>(9).fill(0);
      for (let step = 0; step < 60; step++) counts[Math.floor(9 * random())]! += 1;
      corrected += millerMadowBits(counts) / 300;
      plain +=
        counts.reduce((bits, count) => (count === 0 ? bits : bits - (count / 60) * Math.log2(count / 60)), 0) / 300;
    }
    expect(Math.abs(corrected - truth)).toBeLessThan(0.01);
    expect(truth - plain).toBeGreaterThan(0.08);
  });
});

describe('seedInterval', () => {
  const rows = (random: () => number, seeds: number, questions: number) =>
    Array.from({ length: seeds }, () => Float64Array.from({ length: questions }, () => (random() < 0.6 ? 1 : 0)));

  it('is the same for the same data, and another seed of the resamples moves it a little', () => {
    const values = rows(seededRandom(1), 3, 50);
    const of = meanOf(values);
    const options = { seeds: 3, questions: 50 };
    expect(seedInterval(of, options)).toEqual(seedInterval(of, options));
    const [a, b] = [seedInterval(of, options)!, seedInterval(of, { ...options, seed: 2 })!];
    expect(a.estimate).toBe(b.estimate);
    expect(a.low).not.toBe(b.low);
    expect(Math.abs(a.low! - b.low!)).toBeLessThan(0.05);
  });

  it('of one seed is the interval over questions: p ± 1.98 √(p (1 − p) / n)', () => {
    const values = [Float64Array.from({ length: 100 }, (_, q) => (q < 70 ? 1 : 0))];
    const { low, high, seeds, seedDeviation } = seedInterval(meanOf(values), {
      seeds: 1,
      questions: 100,
      samples: 5000,
    })!;
    expect([seeds, seedDeviation]).toEqual([1, null]);
    expect(high! - low!).toBeCloseTo(2 * 1.984 * Math.sqrt((0.7 * 0.3) / 100), 2);
  });

  it('leaves out questions a seed was not asked, and seeds without any', () => {
    const none = new Float64Array(4).fill(Number.NaN);
    const half = Float64Array.of(1, 0, Number.NaN, Number.NaN);
    const of = meanOf([Float64Array.of(1, 1, 0, 1), half, none]);
    expect(seedInterval(of, { seeds: 3, questions: 4 })).toMatchObject({ estimate: (0.75 + 0.5) / 2, seeds: 2 });
    expect(seedInterval(meanOf([none]), { seeds: 1, questions: 4 })).toBeNull();
  });

  it('has no width where nothing varies, and none at all for one question', () => {
    const zeros = [new Float64Array(5), new Float64Array(5)];
    expect(seedInterval(meanOf(zeros), { seeds: 2, questions: 5 })).toMatchObject({ low: 0, high: 0, p: 1 });
    expect(seedInterval(meanOf([Float64Array.of(1)]), { seeds: 1, questions: 1 })).toMatchObject({
      low: null,
      p: null,
    });
  });

  it('refuses what is no number of seeds, and mistyped options', () => {
    expect(() => seedInterval(() => 0, { seeds: 0, questions: 3 })).toThrow(
      /seeds: expected a whole number from 1, got 0/,
    );
    expect(() => seedInterval(() => 0, { seeds: 1, question: 3 } as never)).toThrow(
      /expected some of seeds, questions/,
    );
  });

  // Seeds and questions add to the chance of a right answer; the mean over all of both is known to be a half.
  it.each([
    { seedDeviation: 0, questionDeviation: 0, seeds: 5 },
    { seedDeviation: 0.1, questionDeviation: 0.05, seeds: 3 },
    { seedDeviation: 0.1, questionDeviation: 0.05, seeds: 8 },
    { seedDeviation: 0, questionDeviation: 0.3, seeds: 3 },
    { seedDeviation: 0.03, questionDeviation: 0.3, seeds: 8 },
  ])('holds the truth in about 95 of 100 cases: %o', ({ seedDeviation, questionDeviation, seeds }) => {
    const random = seededRandom(11);
    const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    let held = 0;
    for (let trial = 0; trial < 300; trial++) {
      const ease = Array.from({ length: 80 }, () => 0.5 + questionDeviation * normal());
      const values = Array.from({ length: seeds }, () => {
        const luck = seedDeviation * normal();
        return Float64Array.from(ease, (chance) => (random() < Math.min(1, Math.max(0, chance + luck)) ? 1 : 0));
      });
      const { low, high } = seedInterval(meanOf(values), { seeds, questions: 80, samples: 200, seed: trial })!;
      if (low! <= 0.5 && high! >= 0.5) held += 1;
    }
    expect(held / 300).toBeGreaterThanOrEqual(0.92);
    expect(held / 300).toBeLessThanOrEqual(0.995);
  });
});
