import { describe, expect, it } from 'vitest';
import type { ModelInfo } from '../../../src/engine/types.js';
import { compareLogprobs, difference } from '../../../src/experiment/parity/compare.js';
import { someOf } from '../../../src/experiment/parity/sequences.js';
import { likelyCause, meanTolerance, weightTypes } from '../../../src/experiment/parity/tolerance.js';

const info = (tensorTypes: Record<string, number>, compute: 'f32' | 'bf16' = 'f32') =>
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

  it('subtracts row by row', () => {
    expect(difference([[0, 3]], [[0, 1]])).toEqual([[0, 2]]);
  });
});

describe('someOf', () => {
  it('takes the shortest, cut to what is asked for, and none that has nothing to predict', () => {
    const of = (length: number) => Array.from({ length }, (_, i) => i);
    expect(someOf([of(50), of(1), of(8)], 20).map((s) => s.length)).toEqual([8, 12]);
    expect(someOf([of(500)], 400).map((s) => s.length)).toEqual([256]);
    expect(someOf([], 10)).toEqual([]);
  });
});

describe('the tolerance and the cause', () => {
  it('goes by the types of the matrices, by what products run in, and by what the user sets', () => {
    expect(meanTolerance(info({ F16: 9, F32: 3 }), null)).toBe(0.01);
    expect(meanTolerance(info({ Q4_K: 9, F32: 3 }), null)).toBe(0.1);
    expect(meanTolerance(info({ F16: 9 }, 'bf16'), null)).toBe(0.05);
    expect(meanTolerance(info({ Q4_K: 9 }), 0)).toBe(0);
    expect(weightTypes(info({ F32: 9, Q4_K: 5, Q6_K: 2 }))).toBe('Q4_K + Q6_K');
    expect(weightTypes(info({ F32: 9 }))).toBe('F32');
  });

  it('names cache, template, quantisation, or that it is none of them', () => {
    const evidence = { kvCacheType: 'F16', meanWithF32Cache: 0.5, tolerance: 0.1, otherGenerator: false } as const;
    const plain = { ...evidence, info: info({ F16: 9 }) };
    expect(likelyCause({ ...plain, meanWithF32Cache: 0.05 })).toMatch(/F16 key\/value cache/);
    expect(likelyCause({ ...plain, otherGenerator: true })).toMatch(/chat template/);
    expect(likelyCause({ ...evidence, info: info({ Q4_K: 9 }) })).toMatch(/quantisation: for Q4_K/);
    expect(likelyCause({ ...plain, info: info({ F16: 9 }, 'bf16') })).toMatch(/compute/);
    expect(likelyCause(plain)).toMatch(/none of the known/);
  });
});
