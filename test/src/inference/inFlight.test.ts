/** More sequences open than decode at a time, and sequences that do not depend on each other: on the shipped model. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Generator, WeighingSequence } from '../../../src/inference/generator.js';
import { openLlamaCpp } from '../../../src/inference/llamaCpp.js';
import type { LoadOptions } from '../../../src/inference/llamaMessages.js';
import { LoadedModel } from '../../../src/inference/llamaModel.js';
import type { Judge } from '../../../src/judge/judge.js';
import { createOracle } from '../../../src/judge/oracle.js';
import { makeMini } from '../../../src/questions/mini.js';
import { isTrajectory } from '../../../src/rollout/rollout.js';
import { runRollouts } from '../../../src/rollout/run.js';
import { SETTINGS } from '../rollout/parts.js';
import { MODEL, OPTIONS as SMALL } from './tinyModel.js';

const OPTIONS: LoadOptions = { ...SMALL, contextSize: 512, kvCacheType: 'F16' };
const never = new AbortController().signal;
const loaded: LoadedModel[] = [];
const load = async (options: Partial<LoadOptions>) => {
  loaded.push(await LoadedModel.load({ ...OPTIONS, ...options }, never));
  return loaded.at(-1)!;
};
afterEach(async () => {
  for (const model of loaded.splice(0)) await model.dispose();
});

const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
const WEIGHED = Array.from({ length: 40 }, (_, at) => [100 + at]);
const promptOf = (at: number) => [5, 6, 7, ...Array.from({ length: 9 + at }, (_, i) => 40 + ((at * 31 + i * 7) % 90))];

/** Three pieces of greedy text with a pause after each, and the odds of what comes then. */
async function write(open: () => Promise<WeighingSequence>, at: number, rest: () => Promise<void>) {
  const sequence = await open();
  sequence.append(promptOf(at));
  const weights: Float64Array[] = [];
  for (let piece = 0; piece < 3; piece++) {
    await sequence.generate({ temperature: 0, seed: 1, stop: [], maxTokens: 5 });
    await rest();
    sequence.append([60 + piece, 61]);
    weights.push(await sequence.weigh(WEIGHED));
  }
  const tokens = [...sequence.tokens];
  sequence.dispose();
  return { tokens, weights };
}
const FOUR = [0, 1, 2, 3];

describe('more sequences in flight than places', () => {
  it('write what each would alone, take each other’s places when all wait, and one more has to wait', async () => {
    const alone = await load({});
    const expected: Awaited<ReturnType<typeof write>>[] = [];
    for (const at of FOUR)
      expected.push(
        await write(
          () => alone.open(never),
          at,
          async () => {},
        ),
      );
    const model = await load({ inFlight: 4 });
    let resting = 0;
    let goOn = () => {};
    const allRest = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const rest = () => {
      if (++resting === 4) goOn();
      return allRest; // until every other has got as far: only then does nobody decode
    };
    const together = await Promise.all(FOUR.map((at) => write(() => model.open(never), at, rest)));
    expect(together.map(({ tokens }) => tokens)).toEqual(expected.map(({ tokens }) => tokens));
    for (const [at, { weights }] of together.entries()) {
      for (const [piece, row] of weights.entries()) {
        const gap = Math.max(...row.map((share, i) => Math.abs(share - expected[at]!.weights[piece]![i]!)));
        expect(gap).toBeLessThan(0.01); // as in prefixes.test.ts
      }
    }
    // Two places for four who all wait: two have lost theirs, and read their texts once more but for a common start.
    expect(model.prefixes.again).toBeGreaterThanOrEqual(2 * (promptOf(0).length - 3));
    expect(alone.prefixes.again).toBe(0);
    const { busyMs, spanMs } = model.decoding;
    expect(busyMs).toBeGreaterThan(0);
    expect(busyMs).toBeLessThan(spanMs);

    const all = await Promise.all(FOUR.map(() => model.open(never)));
    let entered = false;
    const waiting = model.open(never).then((sequence) => {
      entered = true;
      sequence.dispose();
    });
    await pause(5);
    expect(entered).toBe(false);
    for (const sequence of all) sequence.dispose();
    await waiting;
  });

  it('leave the queue on an abort, and can come again', async () => {
    const model = await load({ sequences: 1, inFlight: 2 });
    const [first, second] = [await model.open(never), await model.open(never)];
    for (const sequence of [first, second]) sequence.append(promptOf(1));
    const greedy = { temperature: 0, seed: 1, stop: [] };
    const long = first.generate({ ...greedy, maxTokens: 60 });
    const controller = new AbortController();
    const waiting = second.generate({ ...greedy, maxTokens: 5, signal: controller.signal });
    setImmediate(() => controller.abort());
    await expect(waiting).rejects.toMatchObject({ code: 'interrupted' });
    const { tokens } = await second.generate({ ...greedy, maxTokens: 5 });
    expect((await long).tokens.slice(0, 5)).toEqual(tokens);
  });

  it('are at least the places, and just those where nothing may depend on who shares them', async () => {
    const open = (options: object) => openLlamaCpp({ modelPath: MODEL, sequences: 4, ...options });
    const refused = { code: 'invalid_argument', message: expect.stringMatching(/inFlight.*\(4\)/) };
    await expect(open({ inFlight: 3 })).rejects.toMatchObject(refused);
    await expect(open({ inFlight: 5, deterministic: true })).rejects.toMatchObject(refused);
  });
});

describe('deterministic', () => {
  it('trajectories and odds are equal to the bit under judges and tools of random delays', async () => {
    const questions = makeMini({ seed: 3, perCategory: 1, split: 'train' }).slice(0, 5);
    const oracle = createOracle();
    const judge: Judge = {
      id: oracle.id,
      judge: async (request, options) => {
        await pause(15 * Math.random());
        return oracle.judge(request, options);
      },
    };
    const actions = ['calculator', 'search', 'think'].map((name) => ({ name, description: name, inputHint: '' }));
    const tools = {
      actions: () => actions,
      run: async () => {
        await pause(10 * Math.random());
        return { ok: true as const, observation: 'nothing' };
      },
    };
    const settings = { ...SETTINGS, temperature: 0.9, maxSteps: 2, maxThoughtTokens: 12, maxInputTokens: 8 };
    const roll = async (sequences: number) => {
      const model = await load({ sequences, inFlight: sequences, deterministic: true });
      const written: string[] = [];
      const odds: string[] = [];
      const generator = generatorOf(model, sequences, (row) => odds.push(row));
      await runRollouts(questions, { generator, judge, tools }, settings, (result) => {
        if (isTrajectory(result)) written.push(JSON.stringify(result));
      });
      return { written: written.toSorted(), odds: odds.toSorted() };
    };
    const first = await roll(5);
    expect(first.written).toHaveLength(5);
    expect(first.odds.length).toBeGreaterThanOrEqual(10);
    expect(await roll(3)).toEqual(first);
  });
});

/** As openLlamaCpp's, in this process; `weighed` is told the odds of 40 tokens, to the bit, before each choice. */
function generatorOf(model: LoadedModel, sequences: number, weighed: (row: string) => void): Generator {
  const { vocabulary } = model;
  return {
    id: 'tiny',
    contextSize: model.contextSize,
    sequences,
    chatTemplate: null,
    ...vocabulary.facts,
    wantsInstructions: false,
    tokenize: (text, special) => vocabulary.tokenize(text, special),
    detokenize: (tokens) => vocabulary.detokenize(tokens),
    open: async (signal) => {
      const sequence = await model.open(signal ?? never);
      return {
        tokens: sequence.tokens,
        append: (tokens) => sequence.append(tokens),
        generate: (options) => sequence.generate(options),
        choose: async (options, sampling) => {
          const odds = await sequence.weigh(WEIGHED, signal);
          weighed(`${sequence.tokens.join(' ')}: ${odds.join(' ')}`);
          return sequence.choose(options, sampling);
        },
        dispose: () => sequence.dispose(),
      };
    },
    dispose: async () => {},
  };
}
