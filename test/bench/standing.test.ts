import { describe, expect, it } from 'vitest';
import { type Comparison, disagreements, type Outcome } from '../../bench/harness/comparison.js';
import type { Measured } from '../../bench/harness/contender.js';
import { machineSlug } from '../../bench/harness/machine.js';
import { parseOptions } from '../../bench/harness/options.js';
import { standing, standingText } from '../../bench/harness/standing.js';

const comparison: Comparison = {
  title: 'sft 30m f32',
  mode: 'sft',
  shape: '30m',
  dtype: 'f32',
  entrants: [],
  rounds: 1,
  perTurn: 1,
};

function outcome(name: string, msMedian: number, peakBytes: number, losses: Record<string, number>[]): Outcome {
  const measured: Measured = {
    tokens: 1000,
    repeats: 1,
    ms_median: msMedian,
    ms_min: msMedian,
    ms: [msMedian],
    tokens_per_second: 1e6 / msMedian,
    tokens_per_second_best: 1e6 / msMedian,
    peak_bytes: peakBytes,
    peak_how: '',
    resident_before_bytes: 0,
    losses,
  };
  return { name, command: [], measured };
}

const ours = outcome('ours', 100, 4e8, [{ sft: 8.9 }, { sft: 8.6 }]);

describe('disagreements', () => {
  it('accepts losses that differ by a thousandth and no more', () => {
    expect(disagreements([ours, outcome('eager', 1, 1, [{ sft: 8.9 * 1.0009 }])], 'f32')).toEqual([]);
    const found = disagreements([ours, outcome('eager', 1, 1, [{ sft: 8.9 }, { sft: 8.6 * 1.002 }])], 'f32');
    expect(found).toMatchObject([{ name: 'eager', step: 1, loss: 'sft', ours: 8.6 }]);
  });

  it('lets bf16 differ by more, and near zero measures the difference itself', () => {
    expect(disagreements([ours, outcome('eager', 1, 1, [{ sft: 8.9 * 1.02 }])], 'bf16')).toEqual([]);
    const small = (policy: number) => outcome('x', 1, 1, [{ policy }]);
    expect(disagreements([small(1e-5), small(-1e-5)], 'f32')).toEqual([]);
    expect(disagreements([small(1e-3), small(-1e-3)], 'f32')).toHaveLength(1);
  });

  it('counts a loss that is not a number, or that one side does not have', () => {
    expect(disagreements([ours, outcome('eager', 1, 1, [{ sft: Number.NaN }])], 'f32')).toHaveLength(1);
    expect(disagreements([ours, outcome('eager', 1, 1, [{ value: 8.9 }])], 'f32')).toHaveLength(1);
  });
});

describe('standing', () => {
  it('puts ratios beside their bars', () => {
    const { bars } = standing(comparison, [ours, outcome('eager', 149, 8e8, []), outcome('compiled', 121, 7e8, [])]);
    expect(bars.map(({ what, holds }) => [what, holds])).toEqual([
      ['speed to eager', false],
      ['memory to eager', true],
      ['speed to compiled', true],
      ['memory to compiled', false],
    ]);
  });

  it('holds PPO to the step-by-step peers alone', () => {
    const peers = ['eager, stepwise', 'eager, grouped', 'eager, nested'].map((name) => outcome(name, 700, 8e8, []));
    const { bars } = standing({ ...comparison, mode: 'ppo' }, [ours, ...peers]);
    expect(bars).toEqual([{ what: 'speed to eager, stepwise', value: 7, bar: 6, holds: true }]);
  });

  it('shows a contender that failed, with the reason, and no ratio', () => {
    const failed: Outcome = { name: 'compiled', command: [], failed: 'ended before its result: no compiler' };
    const result = standing(comparison, [ours, failed]);
    expect(result.bars).toEqual([]);
    expect(standingText(result)).toContain('compiled has no numbers: ended before its result: no compiler');
  });
});

describe('options', () => {
  it('refuses what it does not know', () => {
    expect(() => parseOptions(['--only', 'speed'], 2)).toThrow(/--only: expected some of/);
    expect(() => parseOptions(['--threads', '0'], 2)).toThrow(/whole number/);
    expect(() => parseOptions(['--fast'], 2)).toThrow(TypeError);
    expect(parseOptions(['--help'], 2)).toBe('help');
  });

  it('names the machine by its processor', () => {
    expect(machineSlug()).toMatch(/^[a-z0-9-]+-\d+-cores$/);
  });
});
