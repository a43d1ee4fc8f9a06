/** The shipped model: small, loadable, lossless on everything `mini` says, and at home in the step format. */
import { existsSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LlamaCppGenerator, openLlamaCpp } from '../../src/inference/llamaCpp.js';
import { createOracle } from '../../src/judge/oracle.js';
import { packagePath } from '../../src/package.js';
import { makeMini, miniRules } from '../../src/questions/mini.js';
import { renderQuestion, TAG_TEXTS } from '../../src/rollout/prompt.js';
import { isTrajectory, rolloutQuestion } from '../../src/rollout/rollout.js';
import { ActionUsage } from '../../src/rollout/usage.js';
import { createBuiltinRegistry, type ToolRegistry } from '../../src/tools/registry.js';

const MODEL = packagePath('models/spark-tiny.gguf');
const questions = makeMini({ seed: 2, perCategory: 12, split: 'test' });

describe('models/spark-tiny.gguf', () => {
  let generator: LlamaCppGenerator;
  let tools: ToolRegistry;
  beforeAll(async () => {
    expect(existsSync(MODEL), 'the tiny model is part of the package').toBe(true);
    generator = await openLlamaCpp({ modelPath: MODEL, sequences: 8, contextSize: 1024 });
    tools = createBuiltinRegistry({
      tools: ['calculator', 'algebra', 'statistics', 'chemistry', 'encyclopedia', 'search'],
    });
  });
  afterAll(async () => {
    await generator?.dispose();
    await tools?.dispose();
  });

  it('has at most 8 MB and says that it needs no instructions and no chat template', () => {
    expect(statSync(MODEL).size).toBeLessThanOrEqual(8_000_000);
    expect(generator.wantsInstructions).toBe(false);
    expect(generator.chatTemplate).toBeNull();
    expect(generator.bosText).toBe('<s>');
  });

  it('keeps each tag in one token, also in text that is not ours', () => {
    for (const tag of TAG_TEXTS)
      for (const special of [true, false]) expect(generator.tokenize(tag, special)).toHaveLength(1);
  });

  it('reads every question back as it was, in few tokens', () => {
    for (const question of questions) {
      const text = renderQuestion(question);
      const tokens = generator.tokenize(text, false);
      expect(generator.detokenize(tokens)).toBe(text);
      expect(tokens.length, text).toBeLessThanOrEqual(150);
    }
  });

  it('reads a number of up to three digits as one token, as its training did', () => {
    for (const number of ['7', '42', '888', '100']) expect(generator.tokenize(number, false)).toHaveLength(1);
    expect(generator.tokenize('1536', false)).toHaveLength(2);
  });

  it('speaks the step format when it chooses for itself, and gets some but not all right when the oracle does', async () => {
    const settings = {
      ...{ tau: 6, maxSteps: 5, temperature: 0, maxThoughtTokens: 48, maxInputTokens: 96, maxAnswerTokens: 24 },
      ...{ stepRetries: 1, toolTimeoutMs: 20_000, maxObservationChars: 280, seed: 1, attempt: 0 },
    };
    const run = async (selection: 'policy' | 'max-score') => {
      const judge = selection === 'policy' ? null : createOracle();
      const usage = new ActionUsage();
      const answerable = questions.filter((q) => !('logic' in miniRules(q)!.inputs));
      const sample = answerable.filter((_, index) => index % 4 === 0);
      const deps = { generator, judge, tools, usage };
      const all = await Promise.all(
        sample.map((question) => rolloutQuestion(question, deps, { ...settings, selection })),
      );
      return all.filter(isTrajectory);
    };
    const free = await run('policy');
    const steps = free.flatMap((trajectory) => trajectory.steps);
    expect(steps.filter((step) => step.truncated).length / steps.length).toBeLessThan(0.1);
    expect(free.filter((trajectory) => trajectory.answer !== null).length / free.length).toBeGreaterThan(0.9);
    const guided = await run('max-score');
    const right = (list: typeof free) => list.filter((trajectory) => trajectory.correct).length / list.length;
    expect(right(guided)).toBeGreaterThan(0.4);
    expect(right(guided)).toBeGreaterThan(right(free));
    expect(right(free)).toBeLessThan(0.9);
  });
});
