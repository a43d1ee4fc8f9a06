/** The engine's choices are what a generator's `choose` draws: over the same logits its draws have their probabilities. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Adapter, type Model, openModel } from '../../src/engine/index.js';
import { type Evaluator, GrowingSequence } from '../../src/inference/sequence.js';
import { MODEL, randomTokens } from './support.js';

let model: Model;
let adapter: Adapter;

beforeAll(async () => {
  model = await openModel(MODEL, { threads: 2 });
  adapter = await model.createAdapter({ rank: 2, alpha: 8, seed: 3 });
});
afterAll(() => model.dispose());

/** Logits by the engine, up to a constant: log-probs over the whole vocabulary, each of a sequence with the candidate behind. */
function evaluator(known: Map<string, number[]>): Evaluator {
  const evaluated: number[] = [];
  return {
    sampler: () => {
      throw new Error('nothing is sampled');
    },
    undo: async (count) => void evaluated.splice(-count),
    dispose: async () => undefined,
    async logits(tokens, candidates) {
      evaluated.push(...tokens);
      const key = `${evaluated} ${candidates}`;
      const logits = known.get(key) ?? (await logprobsAfter(evaluated, candidates));
      known.set(key, logits);
      return logits;
    },
  };
}

async function logprobsAfter(state: readonly number[], candidates: readonly number[]): Promise<number[]> {
  const length = state.length + 1;
  const lp = await model.logprobs(
    {
      tokens: Int32Array.from(candidates.flatMap((token) => [...state, token])),
      cuSeqlens: Int32Array.from({ length: candidates.length + 1 }, (_, i) => i * length),
      lossMask: Uint8Array.from({ length: candidates.length * length }, (_, i) => (i % length === length - 1 ? 1 : 0)),
    },
    adapter,
  );
  return candidates.map((_, i) => lp[(i + 1) * length - 1]!);
}

it('a name’s probability is the product over the nodes that branch on its way, and draws have it', async () => {
  const state = [...randomTokens(12, 5)];
  const names = [
    [7, 3, 9],
    [7, 3, 20],
    [7, 40, 9],
    [100, 1],
  ];
  // One sequence passes through every node that branches: the root, 7, and 7 3.
  const lp = await model.choiceLogprobs(
    {
      tokens: Int32Array.of(...state, 7, 3),
      cuSeqlens: Int32Array.of(0, 14),
      lossMask: new Uint8Array(14),
      choicePositions: Int32Array.of(11, 12, 13),
      choiceOffsets: Int32Array.of(0, 2, 4, 6),
      choiceTokens: Int32Array.of(7, 100, 3, 40, 9, 20),
    },
    adapter,
  );
  const p = [lp[0]! + lp[2]! + lp[4]!, lp[0]! + lp[2]! + lp[5]!, lp[0]! + lp[3]!, lp[1]!].map(Math.exp);
  expect(p.reduce((sum, x) => sum + x, 0)).toBeCloseTo(1, 5);

  const draws = 3000;
  const counts = names.map(() => 0);
  const known = new Map<string, number[]>();
  for (let seed = 0; seed < draws; seed++) {
    const about = { contextSize: 256, detokenize: () => '', isEnd: () => false };
    const sequence = new GrowingSequence(evaluator(known), about, () => undefined);
    sequence.append(state);
    const drawn = await sequence.choose(names, { temperature: 1, seed });
    counts[drawn]! += 1;
  }
  expect(known.size).toBe(3);
  for (const [i, count] of counts.entries()) {
    // Four deviations of a share among so many draws; the seeds are fixed.
    expect(Math.abs(count / draws - p[i]!)).toBeLessThan(4 * Math.sqrt((p[i]! * (1 - p[i]!)) / draws));
  }
});
