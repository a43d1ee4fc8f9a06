/** Choices of actions: the trie of the names, where its nodes lie, and their probabilities against a pass for each name. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Adapter, type Model, openModel } from '../../../src/engine/index.js';
import {
  actionLogprobs,
  actionTrie,
  alternativeTargets,
  blockLength,
  withChoices,
} from '../../../src/trajectory/choices.js';
import { withDecisions } from '../../../src/trajectory/decision.js';
import { microBatches, pack, unpackChoices, unpackTokens } from '../../../src/trajectory/pack.js';
import { sftSample } from '../../../src/trajectory/sample.js';
import { exampleTrajectory, TWO_STEPS } from './example.js';

const MODEL = 'test/fixtures/models/untied.gguf';

/** Nine names that share tokens in every way: first ones, first two, and none; 17 31 goes on alone before it branches. */
const NAMES = [[5, 6, 7], [5, 6, 8], [5, 9, 7], [11, 6], [17, 31, 2, 3], [17, 31, 4], [20], [21, 5], [22, 22]].map(
  (tokens, index) => ({ name: `action-${index}`, tokens }),
);
const TRIE = actionTrie(NAMES);
const JUDGED = { actions: NAMES.map(({ name }) => name), rho: 0.5, tau: 6 };

/** Two steps that take actions 2 and 5, whose names begin at tokens 9 and 22 of it. */
function sampleOf(taken: readonly number[] = [2, 5]) {
  const scores = Object.fromEntries(NAMES.map(({ name }, index) => [name, index]));
  const names = taken.map((index) => NAMES[index]!);
  const pieces = TWO_STEPS.map(([kind, step, length]) =>
    kind === 'action' ? ([kind, step, names[step]!.tokens.length] as const) : ([kind, step, length] as const),
  );
  const trajectory = exampleTrajectory(
    pieces,
    names.map(({ name }) => ({ action: name, scores })),
  );
  const tokens = trajectory.tokens.map((token) => 30 + (token % 30));
  for (const { kind, step, start } of trajectory.segments) {
    if (kind === 'action') tokens.splice(start, names[step]!.tokens.length, ...names[step]!.tokens);
  }
  const whole = { ...trajectory, tokens };
  return withDecisions(sftSample(whole), whole, JUDGED, true);
}

describe('actionTrie', () => {
  it('has the nodes where several tokens may come next, with the actions below each', () => {
    expect(TRIE.nodes.map(({ prefix }) => prefix)).toEqual([[], [5], [5, 6], [17, 31]]);
    expect(TRIE.nodes[0]!.children.map(({ token, below }) => [token, below])).toEqual([
      [5, [0, 1, 2]],
      [11, [3]],
      [17, [4, 5]],
      [20, [6]],
      [21, [7]],
      [22, [8]],
    ]);
  });

  it('refuses names that cannot be told apart, and fewer than two', () => {
    expect(() => actionTrie([NAMES[0]!, { name: 'longer', tokens: [5, 6, 7, 8] }])).toThrow(/told apart/);
    expect(() => actionTrie([NAMES[0]!])).toThrow(/two actions or more/);
  });
});

describe('withChoices', () => {
  it('reads nodes that the trajectory passes through in its own tokens, and others in branches', () => {
    const sample = sampleOf();
    const { choices, decisions } = withChoices(sample, TRIE);
    const [first, second] = decisions!.states.map(({ position }) => position) as [number, number];
    // The first name is 5 9 7: root and node 5 lie on its way. The second is 17 31 4: root and node 17 31.
    expect([...choices.positions].slice(0, 4)).toEqual([first, first + 1, second, second + 2]);
    expect([...choices.states]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
    expect(choices.branches.map((branch) => [...branch].slice(-2))).toEqual([
      [5, 6],
      [17, 31],
      [sample.tokens[second], 5],
      [5, 6],
    ]);
    expect(blockLength({ ...sample, choices })).toBe(
      sample.tokens.length + 2 * (first + 1 + 2) + (second + 1 + 1) + (second + 1 + 2),
    );
    expect([...choices.positions]).toEqual([...choices.positions].sort((a, b) => a - b));
  });

  it('needs no branch where the first tokens differ', () => {
    const trie = actionTrie([NAMES[2]!, NAMES[3]!, NAMES[6]!]);
    const { decisions, ...sample } = sampleOf();
    const states = decisions.states.map((state) => ({ ...state, taken: -1 }));
    const { choices } = withChoices({ ...sample, decisions: { ...decisions, states } }, trie);
    expect(choices.branches).toEqual([]);
    expect([...choices.positions]).toEqual(states.map(({ position }) => position));
  });

  it('refuses a name that is written with other tokens', () => {
    const sample = sampleOf();
    const { position } = sample.decisions.states[0]!;
    const broken = { ...sample, tokens: sample.tokens.with(position + 2, 40) };
    expect(() => withChoices(broken, TRIE)).toThrow(
      expect.objectContaining({ code: 'invalid_file', message: expect.stringMatching(/action-2.*5 9 7, got 5 40 7/) }),
    );
  });

  it('leaves out states without scores, and an action that is none of them has no place in a trie', () => {
    const trajectory = exampleTrajectory(TWO_STEPS, [{ scores: null }, { scores: { other: 3 } }]);
    expect(withDecisions(sftSample(trajectory), trajectory, JUDGED, true).decisions.states).toEqual([]);
    const foreign = exampleTrajectory(TWO_STEPS, [{ scores: { 'action-1': 3 }, action: 'gone' }, {}]);
    const [decision] = withDecisions(sftSample(foreign), foreign, JUDGED, true).decisions.states;
    expect(decision).toMatchObject({ taken: -1, row: -1 });
  });
});

describe('the engine', () => {
  let model: Model;
  let adapter: Adapter;
  beforeAll(async () => {
    model = await openModel(MODEL, { backend: 'cpu', threads: 2 });
    adapter = await model.createAdapter({ rank: 4, seed: 9 });
    // B is zero in a fresh adapter: one step gives it an effect.
    const batch = pack([sampleOf()]);
    const { choicePositions: _p, choiceOffsets: _o, choiceTokens: _t, ...plain } = batch;
    await adapter.accumulateSft(plain, { normalizer: 10 });
    await adapter.optimizerStep({ learningRate: 0.05 });
  });
  afterAll(() => model.dispose());

  it('gives every action the probability that nine passes of their own give', async () => {
    const samples = [sampleOf(), sampleOf([8, 0]), sampleOf([3, 4])].map((sample) => withChoices(sample, TRIE));
    const read: Float64Array[][] = [];
    for (const run of microBatches(samples, 120)) {
      const packed = unpackChoices(run, await model.choiceLogprobs(pack(run), adapter));
      read.push(...run.map(({ choices }, i) => actionLogprobs(choices, 2, packed[i]!)));
    }
    for (const [index, sample] of samples.entries()) {
      for (const [s, { position }] of sample.decisions!.states.entries()) {
        const expected = await separately([...sample.tokens.slice(0, position + 1)]);
        const sum = expected.reduce((a, b) => a + Math.exp(b), 0);
        expect(sum).toBeCloseTo(1, 5);
        expected.forEach((lp, action) => {
          expect(read[index]![s]![action]).toBeCloseTo(lp, 4);
        });
      }
    }
  });

  /** log p(a) of each name: at each of its tokens the softmax over the tokens that some name goes on with there. */
  async function separately(state: readonly number[]): Promise<number[]> {
    const out: number[] = [];
    for (const { tokens } of NAMES) {
      let lp = 0;
      for (let depth = 0; depth < tokens.length; depth++) {
        const before = tokens.slice(0, depth);
        const here = NAMES.filter(({ tokens: other }) => before.every((token, d) => other[d] === token));
        const next = [...new Set(here.map(({ tokens: other }) => other[depth]!))];
        if (next.length === 1) continue;
        const logits = await logprobsAfter([...state, ...before], next);
        const all = logits.reduce((a, b) => a + Math.exp(b), 0);
        lp += logits[next.indexOf(tokens[depth]!)]! - Math.log(all);
      }
      out.push(lp);
    }
    return out;
  }

  async function logprobsAfter(state: readonly number[], candidates: readonly number[]): Promise<number[]> {
    const length = state.length + 1;
    const out: number[] = [];
    for (const token of candidates) {
      const lossMask = new Uint8Array(length).fill(1, length - 1);
      const batch = { tokens: Int32Array.of(...state, token), cuSeqlens: Int32Array.of(0, length), lossMask };
      out.push((await model.logprobs(batch, adapter))[length - 1]!);
    }
    return out;
  }

  it('packs branches so that nothing else changes', async () => {
    const plain = [sampleOf(), sampleOf([8, 0])];
    const choosing = plain.map((sample) => withChoices(sample, TRIE));
    const [a, b] = [pack(plain), pack(choosing)];
    expect(b.cuSeqlens.length).toBeGreaterThan(a.cuSeqlens.length);
    const [lpA, lpB] = [await model.logprobs(a, adapter), await model.logprobs(b, adapter)];
    unpackTokens(choosing, lpB).forEach((lp, index) => {
      const other = unpackTokens(plain, lpA)[index]!;
      lp.forEach((value, at) => {
        expect(value).toBeCloseTo(other[at]!, 5);
      });
    });
    expect(b.lossMask.reduce((x, y) => x + y, 0)).toBe(a.lossMask.reduce((x, y) => x + y, 0));
  });
});

it('targets are the mass below each alternative, so that the loss is the cross-entropy over actions', () => {
  const { choices } = withChoices(sampleOf(), TRIE);
  const weights = [0, 1].map((s) => Float64Array.from(NAMES, (_, a) => (a + 1 + s) / 90));
  const targets = alternativeTargets(choices, weights);
  const lp = Float32Array.from(targets, (_, j) => -0.1 - 0.03 * j);
  const loss = targets.reduce((sum, target, j) => sum - target * lp[j]!, 0);
  const byAction = actionLogprobs(choices, 2, lp);
  const expected = weights.reduce(
    (sum, state, s) => sum - state.reduce((inner, w, a) => inner + w * byAction[s]![a]!, 0),
    0,
  );
  expect(loss).toBeCloseTo(expected, 5);
});
