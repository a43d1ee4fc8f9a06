/** Prompts with a common start on the shipped model: evaluated once, and nothing else changes. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LlamaModel } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Lanes } from '../../../src/inference/lanes.js';
import { createLanes, sharedLlama } from '../../../src/inference/llamaContexts.js';
import { type LlamaCppGenerator, openLlamaCpp } from '../../../src/inference/llamaCpp.js';
import { LlamaEvaluator, type LlamaPool } from '../../../src/inference/llamaEvaluator.js';

const MODEL = fileURLToPath(new URL('../../../models/spark-tiny.gguf', import.meta.url));
const HEAD = `${'You answer multiple-choice questions step by step and may use tools. '.repeat(5)}\n`;
const QUESTIONS = ['Who wrote Emma?', 'What is 12 times 7?', 'Which gas do plants take up from the air?', 'Why?'];

describe('log-probs after a reused start', () => {
  let model: LlamaModel;
  let lanes: Lanes<LlamaPool>;
  beforeAll(async () => {
    model = await (await sharedLlama(false)).loadModel({ modelPath: path.resolve(MODEL) });
    lanes = await createLanes(model, { modelPath: MODEL, threads: 1, sequences: 4, kvCacheType: 'F32' }, 400, 1);
  });
  afterAll(async () => {
    await lanes.all[0]!.context.dispose();
    await model.dispose();
  });

  /** Log-probs of the tokens from 0 on, after a prompt and after `next` behind it. */
  const evaluate = async (text: string, next: number[]) => {
    const evaluator = new LlamaEvaluator(lanes);
    await evaluator.begin();
    const candidates = Array.from({ length: 1500 }, (_, token) => token);
    const prompt = model.tokenize(text, false) as number[];
    const out = [await evaluator.logits(prompt, candidates), await evaluator.logits(next, candidates)];
    await evaluator.dispose();
    return { prompt, logits: out };
  };

  it('are those of a start evaluated anew, kept or copied', async () => {
    const { context } = lanes.all[0]!;
    const fresh = [];
    for (const question of QUESTIONS) {
      fresh.push(await evaluate(HEAD + question, [3, 4]));
      // Something else, in every sequence: nothing of the start is left.
      await Promise.all(QUESTIONS.map((_, at) => evaluate(`${at} quite other text`, [3])));
    }
    const before = context.counts;
    const together = await Promise.all(QUESTIONS.map((question) => evaluate(HEAD + question, [3, 4])));
    const later = [];
    for (const question of QUESTIONS) later.push(await evaluate(HEAD + question, [3, 4]));
    const head = model.tokenize(HEAD, false).length;
    // Seven of eight had the start already.
    expect(context.counts.reused - before.reused).toBeGreaterThanOrEqual(7 * (head - 1));
    // As between batches of different sizes (llamaCpp.test.ts): some processors sum F16 products in F16. With AVX-512
    // most logits are equal to the bit and none is 4e-5 off. A wrong key or position moves them by whole units.
    const tolerance = 0.01;
    for (const [at, { logits }] of fresh.entries()) {
      for (const other of [together[at]!, later[at]!]) {
        for (const [step, row] of logits.entries()) {
          const gap = Math.max(...row.map((logit, token) => Math.abs(logit - other.logits[step]![token]!)));
          expect(gap).toBeLessThan(tolerance);
        }
      }
    }
  });
});

describe('generation after a reused start', () => {
  const opened: LlamaCppGenerator[] = [];
  const open = async (sequences: number, contextSize = 400) => {
    const generator = await openLlamaCpp({ modelPath: MODEL, sequences, contextSize, threads: 1, kvCacheType: 'F32' });
    opened.push(generator);
    return generator;
  };
  afterAll(async () => {
    for (const generator of opened) await generator.dispose();
  });
  const write = async (generator: LlamaCppGenerator, text: string, maxTokens = 12) => {
    const sequence = await generator.open();
    sequence.append(generator.tokenize(text, false));
    const { tokens } = await sequence.generate({ temperature: 0, seed: 1, stop: [], maxTokens });
    sequence.dispose();
    return tokens;
  };

  it('writes the same tokens, and evaluates the start once', async () => {
    const fresh = [];
    for (const question of QUESTIONS) fresh.push(await write(await open(1), HEAD + question));
    const generator = await open(3);
    const together = await Promise.all(QUESTIONS.map((question) => write(generator, HEAD + question)));
    expect(together).toEqual(fresh);
    const head = generator.tokenize(HEAD, false).length;
    const all = QUESTIONS.reduce((sum, question) => sum + generator.tokenize(HEAD + question, false).length, 0);
    const { reused, evaluated } = generator.prefixes;
    expect(reused + evaluated).toBe(all);
    expect(reused).toBeGreaterThanOrEqual(3 * (head - 1));
  });

  it('still refuses to overflow a short context, and then works on', async () => {
    const generator = await open(2, 200);
    const full = write(generator, HEAD + QUESTIONS[0]!, 400);
    await expect(full).rejects.toMatchObject({ code: 'context_overflow' });
    expect(await write(generator, HEAD + QUESTIONS[1]!, 4)).toEqual(
      await write(await open(1), HEAD + QUESTIONS[1]!, 4),
    );
  });

  it('leaves log-probs alone, which are always evaluated anew', async () => {
    const generator = await open(1);
    const tokens = generator.tokenize(HEAD + QUESTIONS[1]!, false).slice(0, 40);
    const before = await generator.logprobs(tokens);
    await write(generator, HEAD + QUESTIONS[1]!);
    expect(await generator.logprobs(tokens)).toEqual(before);
  });
});
