import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../src/random.js';
import { selectAction } from '../../../src/rollout/select.js';
import type { Score, SelectionRule } from '../../../src/trajectory/trajectory.js';

const ACTIONS = [
  'calculator',
  'python',
  'algebra',
  'logic',
  'statistics',
  'chemistry',
  'encyclopedia',
  'search',
  'think',
];

const select = (
  scores: Record<string, Score>,
  {
    rule = 'min-score',
    tau = 6,
    used = {},
    seed = 1,
  }: Partial<{ rule: SelectionRule; tau: number; used: Record<string, number>; seed: number }> = {},
) => selectAction(ACTIONS, scores, { rule, tau, used: (action) => used[action] ?? 0, random: seededRandom(seed) });

describe('selectAction', () => {
  const scores = { calculator: 9, python: 6, algebra: 5.9, think: 7, logic: null };

  it('takes the lowest viable score, the threshold included', () => {
    expect(select(scores)).toEqual({ action: 'python', choice: 'viable' });
    expect(select(scores, { tau: 6.5 })).toEqual({ action: 'think', choice: 'viable' });
  });

  it('takes the highest score for max-score and the least used viable one for least-used', () => {
    expect(select(scores, { rule: 'max-score' })).toEqual({ action: 'calculator', choice: 'viable' });
    const used = { calculator: 3, python: 2, think: 5, algebra: 0 };
    expect(select(scores, { rule: 'least-used', used })).toEqual({ action: 'python', choice: 'viable' });
  });

  it('falls back to the highest score, and says so, when nothing is viable', () => {
    for (const rule of ['min-score', 'max-score', 'least-used'] as const) {
      expect(select({ calculator: 2, python: 5, think: 1 }, { rule })).toEqual({
        action: 'python',
        choice: 'fallback',
      });
    }
  });

  it('never takes an action whose score is missing, and gives null when all are', () => {
    expect(select({ calculator: null, think: 3 })).toEqual({ action: 'think', choice: 'fallback' });
    expect(select({ calculator: null, python: null })).toBeNull();
    expect(select({})).toBeNull();
    expect(select({ calculator: Number.NaN })).toBeNull();
    // A score for a name that is not an action is ignored.
    expect(select({ hammer: 10 })).toBeNull();
  });

  it('breaks ties by use, then by the seed over all that are left', () => {
    const tied = { calculator: 7, python: 7, algebra: 7 };
    expect(select(tied, { used: { calculator: 2, python: 1, algebra: 2 } })?.action).toBe('python');
    const drawn = new Set(Array.from({ length: 40 }, (_, seed) => select(tied, { used: { python: 1 }, seed })?.action));
    expect(drawn).toEqual(new Set(['calculator', 'algebra']));
    expect(select(tied, { seed: 5 })).toEqual(select({ algebra: 7, python: 7, calculator: 7 }, { seed: 5 }));
  });

  it('keeps its promises on random scores', () => {
    const random = seededRandom(99);
    for (let round = 0; round < 2000; round++) {
      const scores: Record<string, Score> = {};
      for (const action of ACTIONS) scores[action] = random() < 0.2 ? null : Math.floor(random() * 11);
      const tau = Math.floor(random() * 11);
      const known = Object.values(scores).filter((score) => score !== null);
      const viable = known.filter((score) => score >= tau);
      const low = select(scores, { tau, seed: round });
      const high = select(scores, { tau, seed: round, rule: 'max-score' });
      const rare = select(scores, { tau, seed: round, rule: 'least-used' });
      if (known.length === 0) {
        expect([low, high, rare]).toEqual([null, null, null]);
        continue;
      }
      expect(scores[low!.action]).toBe(viable.length > 0 ? Math.min(...viable) : Math.max(...known));
      expect(scores[high!.action]).toBe(Math.max(...known));
      if (viable.length > 0) expect(scores[rare!.action]).toBeGreaterThanOrEqual(tau);
      expect(low!.choice).toBe(viable.length > 0 ? 'viable' : 'fallback');
    }
  });
});
