/** The shipped model: small, loadable, lossless on everything `mini` says, and at home in the step format. */
import { existsSync, statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LlamaCppGenerator, openLlamaCpp } from '../../src/inference/llamaCpp.js';
import { createOracle, holdsAnswer } from '../../src/judge/oracle.js';
import { packagePath } from '../../src/package.js';
import { makeMini, miniRules } from '../../src/questions/mini.js';
import { renderQuestion, TAG_TEXTS } from '../../src/rollout/prompt.js';
import { isTrajectory, rolloutQuestion } from '../../src/rollout/rollout.js';
import { createBuiltinRegistry, type ToolRegistry } from '../../src/tools/registry.js';
import type { Trajectory } from '../../src/trajectory/trajectory.js';

const MODEL = packagePath('models/spark-tiny.gguf');
const questions = makeMini({ seed: 2, perCategory: 12, split: 'test' });
// What only logic answers is left out: loading its solver takes longer than all the rest.
const answerable = questions.filter((q) => Object.keys(miniRules(q)!.inputs).some((tool) => tool !== 'logic'));
const sample = answerable.filter((_, index) => index % 6 === 0);
const rulesOf = new Map(questions.map((q) => [q.question_id, miniRules(q)!]));

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

  it('has at most 4 MB and says that it needs no instructions and no chat template', () => {
    expect(statSync(MODEL).size).toBeLessThanOrEqual(4_000_000);
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

  const run = async (selection: 'policy' | 'max-score'): Promise<Trajectory[]> => {
    const settings = {
      ...{
        tau: 6,
        maxSteps: 5,
        minSteps: 0,
        example: true,
        answer: 'auto' as const,
        temperature: 0,
        maxThoughtTokens: 48,
        maxInputTokens: 96,
        maxAnswerTokens: 24,
      },
      ...{ stepRetries: 1, toolTimeoutMs: 20_000, maxObservationChars: 280, seed: 1, attempt: 0 },
    };
    const judge = selection === 'policy' ? null : createOracle();
    const deps = { generator, judge, tools };
    const all = await Promise.all(
      sample.map((question) => rolloutQuestion(question, deps, { ...settings, selection })),
    );
    return all.filter(isTrajectory);
  };
  const rightOf = (list: readonly Trajectory[]): number => list.filter(({ correct }) => correct).length / list.length;

  it('has a habit when it chooses for itself: it thinks or calculates, and is seldom right', async () => {
    const free = await run('policy');
    const steps = free.flatMap((trajectory) => trajectory.steps);
    expect(steps.filter((step) => step.truncated).length / steps.length).toBeLessThan(0.1);
    expect(free.filter((trajectory) => trajectory.answer !== null).length / free.length).toBeGreaterThan(0.9);
    expect(steps.filter(({ action }) => action === 'think').length / steps.length).toBeGreaterThan(0.5);
    expect(
      steps.filter(({ action }) => ['think', 'calculator'].includes(action)).length / steps.length,
    ).toBeGreaterThan(0.9);
    expect(rightOf(free)).toBeLessThan(0.5);
  });

  it('asks a tool well when it is given one, and names the option that the observation shows', async () => {
    const guided = await run('max-score');
    const shown = guided.filter(({ questionId, steps }) =>
      steps.some((step) => holdsAnswer(step, rulesOf.get(questionId)!)),
    );
    expect(shown.length / guided.length).toBeGreaterThan(0.8);
    expect(rightOf(shown)).toBeGreaterThan(0.8);
  });
});
