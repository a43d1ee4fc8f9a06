/** The measure that ends epochs: no single token decides it. */
import { expect, it } from 'vitest';
import { Divergence, OUTLIER_NATS } from '../../../src/train/divergence.js';
import { klPassed, startPosition } from '../../../src/train/ppoPosition.js';
import type { TrainContext } from '../../../src/train/trainer.js';
import { sftSample } from '../../../src/trajectory/sample.js';
import { exampleTrajectory } from '../trajectory/example.js';

/** 651 tokens with a loss, of which one has fallen from e^−1 to e^−14.1, as was measured in a real training. */
function fallen() {
  const sample = sftSample(
    exampleTrajectory(
      [
        ['prompt', -1, 1],
        ['thought', 0, 651],
      ],
      [{}],
    ),
  );
  const reference = new Float32Array(652).fill(-1);
  const now = reference.map((lp, at) => (at === 300 ? lp - 13.1 : lp + (at % 2 === 0 ? 0.35 : -0.35)));
  return { sample, reference, now };
}

it('one token far away makes k3 huge and does not end an epoch', () => {
  const { sample, reference, now } = fallen();
  const deltas = [...now].slice(1).map((lp, at) => reference[at + 1]! - lp);
  const mean = (of: (delta: number) => number) => deltas.reduce((sum, delta) => sum + of(delta), 0) / deltas.length;
  const k3 = mean((delta) => Math.expm1(delta) - delta);
  const k2 = mean((delta) => delta ** 2 / 2);
  expect(k3).toBeGreaterThan(700);
  expect(k2).toBeGreaterThan(0.19);

  const divergence = new Divergence();
  divergence.add([sample], [now], [reference]);
  const report = divergence.report();
  expect(report.k2Bounded).toBeLessThan(0.1);
  expect(report.k2Bounded).toBeCloseTo(k2 - (13.1 ** 2 - OUTLIER_NATS ** 2) / 2 / 651, 4);
  expect(report).toMatchObject({ outliers: 1, deltaP999: expect.closeTo(13.1, 4) });
  expect(divergence.farthest).toMatchObject({ id: sample.id, position: 300, token: 301 });

  const at = { ...startPosition(4096), steps: 1, epochKl: report.k2Bounded * 651, epochTokens: 651 };
  expect(klPassed(at, { targetKl: 0.2, goalKl: null }, 20, silent())).toBe(false);
});

it('many tokens far away do end it, but not after the last batch, where it is over anyway', () => {
  const at = { ...startPosition(4096), steps: 1, epochKl: 0.3 * 651, epochTokens: 651 };
  expect(klPassed({ ...at, batch: 19 }, { targetKl: 0.2, goalKl: null }, 20, silent())).toBe(false);
  const rows: object[] = [];
  const context = { ...silent(), metrics: (row: object) => rows.push(row) };
  expect(klPassed({ ...at, batch: 18 }, { targetKl: 0.2, goalKl: null }, 20, context)).toBe(true);
  expect(rows).toEqual([expect.objectContaining({ event: 'target_kl', batch: 18, epochKl: expect.closeTo(0.3, 9) })]);
});

it('ends it when the actions are half as far again from the policy as they were to go', () => {
  const at = { ...startPosition(4096), steps: 1, epochTokens: 10, epochDecisions: 8 };
  const limits = { targetKl: 0.2, goalKl: 0.2 };
  expect(klPassed({ ...at, epochActionKl: 8 * 0.29 }, limits, 20, silent())).toBe(false);
  expect(klPassed({ ...at, epochActionKl: 8 * 0.31 }, limits, 20, silent())).toBe(true);
  expect(klPassed({ ...at, epochActionKl: 8 * 0.31 }, { ...limits, goalKl: null }, 20, silent())).toBe(false);
  // A λ set by hand may teach more than the target; scores that ask for nothing leave room for the other losses.
  expect(klPassed({ ...at, epochActionKl: 8 * 0.5 }, { ...limits, goalKl: 0.4 }, 20, silent())).toBe(false);
  expect(klPassed({ ...at, epochActionKl: 8 * 0.1 }, { ...limits, goalKl: 0 }, 20, silent())).toBe(false);
});

it('counts tokens without a loss as little as they are learned from', () => {
  const { sample, reference, now } = fallen();
  const divergence = new Divergence();
  divergence.add([{ ...sample, lossMask: sample.lossMask.with(300, 0) }], [now], [reference]);
  expect(divergence.report()).toMatchObject({ outliers: 0, deltaP999: expect.closeTo(0.35, 4) });
  expect(divergence.farthest).toBeNull();
});

function silent(): TrainContext {
  const log = { info() {}, warn() {}, progress() {} };
  return { stage: 'test', log, metrics() {} } as unknown as TrainContext;
}
