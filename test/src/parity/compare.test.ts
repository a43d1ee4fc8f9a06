import { describe, expect, it } from 'vitest';
import type { ModelInfo } from '../../../src/engine/types.js';
import { compareLogprobs, difference } from '../../../src/parity/compare.js';
import { requireRoom } from '../../../src/parity/exactFile.js';
import { firstDifference } from '../../../src/parity/prompts.js';
import { judgeEffect } from '../../../src/parity/saveAdapter.js';
import { someOf } from '../../../src/parity/sequences.js';
import { likelyCause, meanTolerance, weightTypes } from '../../../src/parity/tolerance.js';
import { seededRandom } from '../../../src/random.js';
import { sftSample } from '../../../src/trajectory/sample.js';
import { exampleTrajectory, stepPieces } from '../trajectory/example.js';

const info = (tensorTypes: Record<string, number>, compute: 'f32' | 'bf16' | 'fp8' = 'f32') =>
  ({ tensorTypes, compute }) as unknown as ModelInfo;

describe('compareLogprobs', () => {
  it('leaves out first tokens and means over the rest', () => {
    const result = compareLogprobs(
      [
        [0, -1, -2],
        [0, -3],
      ],
      [
        [9, -1.5, -1],
        [9, -3],
      ],
    );
    expect(result.tokens).toBe(3);
    expect(result.mean).toBeCloseTo(0.5);
    expect(result.worst).toBeCloseTo(1);
    expect(result.kl).toBeCloseTo(0.5 / 3);
  });

  it('lets no NaN pass for agreement', () => {
    const result = compareLogprobs([[0, -1, -1]], [[0, Number.NaN, -1]]);
    expect(result.mean <= 1).toBe(false);
    expect(result.worst <= 1).toBe(false);
  });

  it('counts what the mask names, and knows how sure the estimate of the KL is', () => {
    const probe = { tokens: [1, 2, 3, 4], mask: Uint8Array.of(0, 0, 1, 1) };
    const result = compareLogprobs([[0, -9, -1, -2]], [[0, -1, -2, -2]], [probe]);
    expect(result).toMatchObject({ tokens: 2, mean: 0.5, worst: 1, kl: -0.5 });
    expect(result.klError).toBeCloseTo(0.5 / Math.SQRT2);
  });

  it('subtracts row by row', () => {
    expect(difference([[0, 3]], [[0, 1]])).toEqual([[0, 2]]);
  });
});

describe('someOf', () => {
  const short = exampleTrajectory([['prompt', -1, 40], ...stepPieces(0), ['answer', -1, 2]], [{}], { id: 'short' });
  const long = exampleTrajectory([['prompt', -1, 300], ...stepPieces(0), ['answer', -1, 2]], [{}], { id: 'long' });
  const compared = (probes: readonly { mask: Uint8Array }[]) =>
    probes.map(({ mask }) => mask.reduce((sum, one) => sum + one, 0));

  it('compares what the policy wrote, however long the prompt is, the shortest trajectory first', async () => {
    const probes = await someOf([long, short], 100);
    expect(probes.map(({ tokens }) => tokens.length)).toEqual([short.tokens.length, long.tokens.length]);
    expect(compared(probes)).toEqual([9, 9]); // thought 3, action 2, input 2, answer 2
    for (const [index, trajectory] of [short, long].entries()) {
      expect(probes[index]!.mask).toEqual(sftSample(trajectory).lossMask.slice(0, probes[index]!.mask.length));
    }
  });

  it('cuts each after a quarter of what is asked for, and stops when there is enough', async () => {
    const many = Array.from({ length: 9 }, () => short);
    const probes = await someOf(many, 16);
    expect(compared(probes)).toEqual([4, 4, 4, 4]);
    expect(probes[0]!.tokens.length).toBe(45); // prompt, thought, template, the first action token
    expect(await someOf([], 10)).toEqual([]);
    expect(await someOf([exampleTrajectory([['prompt', -1, 9]], [])], 10)).toEqual([]);
  });
});

describe('the tolerance and the cause', () => {
  it('goes by the types of the matrices, by what products run in, and by what the user sets', () => {
    expect(meanTolerance(info({ F16: 9, F32: 3 }), null)).toBe(0.01);
    expect(meanTolerance(info({ F16: 9, F32: 3 }), null, 'F16')).toBe(0.05);
    expect(meanTolerance(info({ Q4_K: 9 }), null, 'F16')).toBe(0.1);
    expect(meanTolerance(info({ F16: 9 }), 0.2, 'F16')).toBe(0.2);
    expect(meanTolerance(info({ Q4_K: 9, F32: 3 }), null)).toBe(0.1);
    expect(meanTolerance(info({ F16: 9 }, 'bf16'), null)).toBe(0.05);
    expect(meanTolerance(info({ F16: 9 }, 'fp8'), null)).toBe(0.35);
    expect(meanTolerance(info({ Q4_K: 9 }, 'fp8'), null)).toBe(0.35);
    expect(meanTolerance(info({ Q4_K: 9 }), 0)).toBe(0);
    expect(weightTypes(info({ F32: 9, Q4_K: 5, Q6_K: 2 }))).toBe('Q4_K + Q6_K');
    expect(weightTypes(info({ F32: 9 }))).toBe('F32');
  });

  it('knows BF16 files', () => {
    expect(meanTolerance(info({ BF16: 9, F32: 3 }), null)).toBe(0.03);
  });

  it('names cache, quantisation, rounding, the order of sums, or that it is none of them', () => {
    const evidence = { kvCacheType: 'F16', mean: 0.5, meanWithF32Cache: 0.4, tolerance: 0.1 } as const;
    const plain = { ...evidence, info: info({ F16: 9 }) };
    expect(likelyCause({ ...plain, meanWithF32Cache: 0.05 })).toMatch(/F16 key\/value cache \(with F32 it is within/);
    expect(likelyCause({ ...plain, meanWithF32Cache: 0.2 })).toMatch(/F16 key\/value cache has the larger part/);
    expect(likelyCause({ ...evidence, info: info({ Q4_K: 9 }) })).toMatch(/quantisation: for Q4_K/);
    expect(likelyCause({ ...evidence, info: info({ Q4_K: 9 }, 'bf16') })).toMatch(/8 bits.*compute f32/);
    expect(likelyCause({ ...plain, info: info({ F16: 9 }, 'bf16') })).toMatch(/compute/);
    expect(likelyCause({ ...plain, info: info({ F16: 9 }, 'fp8') })).toMatch(/products run in fp8: use --compute f32/);
    const strict = { kvCacheType: 'F32', mean: 1e-3, meanWithF32Cache: null, tolerance: 0 } as const;
    expect(likelyCause({ ...strict, info: info({ F16: 9 }) })).toMatch(/rounding: for F16/);
    expect(likelyCause({ ...strict, mean: 1e-6, info: info({ F32: 9 }) })).toMatch(/order of sums/);
    expect(likelyCause({ ...strict, info: info({ F32: 9 }) })).toMatch(/none of the known/);
    expect(likelyCause(plain)).toMatch(/none of the known/);
  });
});

describe('an F32 copy of the weights', () => {
  it('is refused, coded and with numbers, where disk or memory would not hold it', () => {
    const plenty = { disk: 1e12, memory: 1e12 };
    const code = (room: typeof plenty) => {
      try {
        requireRoom(32e9, room);
        return null;
      } catch (error) {
        expect((error as Error).message).toMatch(/32\.0 GB.*16\.0 GB/);
        return (error as { code: string }).code;
      }
    };
    expect(code(plenty)).toBeNull();
    expect(code({ ...plenty, disk: 16e9 })).toBe('disk_full');
    expect(code({ ...plenty, memory: 16e9 })).toBe('memory_limit');
  });
});

describe('firstDifference', () => {
  it('finds a changed, a missing and an added token', () => {
    expect(firstDifference([1, 2, 3], [1, 2, 3])).toBeNull();
    expect(firstDifference([1, 2, 3], [1, 9, 3])).toBe(1);
    expect(firstDifference([1, 2], [1, 2, 3])).toBe(2);
    expect(firstDifference([1, 2, 3], [1, 2])).toBe(2);
  });
});

describe('judgeEffect', () => {
  const count = 400;
  const random = seededRandom(5);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const row = (of: (i: number) => number) => [Array.from({ length: count }, (_, i) => (i === 0 ? 0 : of(i)))];
  const all = [Array.from({ length: count }, (_, i) => i)];
  /** Our effect, and the effect llama.cpp would show with `share` of it and with rounding. */
  function effects(size: number, share: number, rounding: number) {
    const ours = row(() => size * normal());
    return { ours, served: row((i) => share * ours[0]![i]! + Math.SQRT2 * rounding * normal()) };
  }
  const judge = (size: number, share: number, rounding: number) => {
    const { ours, served } = effects(size, share, rounding);
    return judgeEffect(ours, served, all, rounding);
  };

  it('passes the whole effect, with and without rounding', () => {
    for (const [size, rounding] of [
      [0.5, 1e-6],
      [0.5, 0.03],
      [0.02, 0.03],
      [1e-4, 0.03],
    ] as const) {
      expect(judge(size, 1, rounding).ok, `${size} ${rounding}`).toBe(true);
    }
  });

  it('refuses an effect that is not there, or twice, or by a tenth off where nothing is rounded', () => {
    expect(judge(0.5, 0, 0.03).ok).toBe(false);
    expect(judge(0.5, 2, 0.03).ok).toBe(false);
    expect(judge(0.5, 0.9, 1e-6).ok).toBe(false);
    expect(judge(0.5, 1.05, 1e-6).ok).toBe(false);
  });

  it('sees through rounding that is larger than the effect', () => {
    for (const share of [0, 2]) expect(judge(0.02, share, 0.03)).toMatchObject({ ok: false, visible: true });
  });

  it('says when the effect is too small to be seen', () => {
    expect(judge(1e-4, 0, 0.03)).toMatchObject({ ok: true, visible: false });
    expect(
      judgeEffect(
        row(() => 0),
        row(() => 0),
        all,
        0.03,
      ),
    ).toMatchObject({ ok: true, visible: false });
  });

  it('lets no NaN pass', () => {
    const { ours, served } = effects(0.5, 1, 1e-6);
    served[0]![7] = Number.NaN;
    expect(judgeEffect(ours, served, all, 1e-6).ok).toBe(false);
  });
});
