import { describe, expect, it } from 'vitest';
import type { JudgedStep, JudgeRequest } from '../../../src/judge/judge.js';
import { createOracle, mentions } from '../../../src/judge/oracle.js';
import { makeMini, miniRules } from '../../../src/questions/mini.js';
import type { Question } from '../../../src/questions/question.js';
import { BUILTIN_TOOLS } from '../../../src/tools/builtin.js';
import { THINK } from '../../../src/tools/tool.js';

const oracle = createOracle();
const actions = [...BUILTIN_TOOLS, THINK].map((name) => ({ name, description: '', inputHint: '' }));
const questions = makeMini({ seed: 3, perCategory: 40, split: 'train' });
const product = questions.find((q) => q.src.startsWith('mini-product:'))!;
const fact = questions.find((q) => q.src.startsWith('mini-fact:history'))!;
const rulesOf = (q: Question) => miniRules(q)!;

const ask = (question: Question, steps: JudgedStep[], more: Partial<JudgeRequest> = {}) =>
  oracle.judge({ question, steps, thought: 'x', answer: null, actions, ...more }, {});

const step = (action: string, input: string, observation: string | null, thought = 'x'): JudgedStep => ({
  ...{ thought, action, input, observation },
});
const good = (q: Question, action: keyof ReturnType<typeof rulesOf>['inputs']): JudgedStep =>
  step(action, rulesOf(q).inputs[action]!, `It is ${rulesOf(q).answer}.`);

describe('oracle scores', () => {
  it('scores every action of the first state with the rules of the question', async () => {
    for (const question of questions) {
      const { scores, processOk } = await ask(question, []);
      // A low score for a tool that mini does not know; for the others the scores of the rules.
      expect(scores).toMatchObject(rulesOf(question).scores);
      expect(Object.keys(scores)).toEqual(actions.map(({ name }) => name));
      expect(processOk).toBeNull();
    }
  });

  it('values a conclusion, and tools less, once an observation holds the answer', async () => {
    const before = (await ask(product, [])).scores;
    const after = (await ask(product, [good(product, 'calculator')])).scores;
    expect(before.think!).toBeLessThan(6);
    expect(after.think!).toBeGreaterThanOrEqual(7);
    expect(after.python!).toBeLessThan(before.python!);
    const drawn = step(THINK, `${rulesOf(product).answer} is (${product.answer}).`, null);
    expect((await ask(product, [good(product, 'calculator'), drawn])).scores.think!).toBeLessThan(6);
  });

  it('values a repeated action less, and leaves the others alone', async () => {
    const before = (await ask(product, [])).scores;
    const after = (await ask(product, [step('calculator', '1 + 1', '2')])).scores;
    expect(after.calculator!).toBeLessThan(before.calculator! - 2);
    expect(after.python).toBe(before.python);
    const idle = (await ask(product, [step(THINK, 'hm', null)])).scores;
    expect(idle.think!).toBeLessThan(before.think!);
  });

  it('knows nothing of a tool it has no rule for', async () => {
    const more = { actions: [...actions, { name: 'oven', description: '', inputHint: '' }] };
    expect((await ask(product, [], more)).scores.oven).toBeLessThan(6);
  });

  it('refuses questions that are not its own', async () => {
    await expect(ask({ ...product, src: 'ori_mmlu-math' }, [])).rejects.toMatchObject({ code: 'judge_refused' });
  });

  it('stops when aborted', async () => {
    const signal = AbortSignal.abort();
    const request: JudgeRequest = { question: product, steps: [], thought: 'x', answer: null, actions };
    await expect(oracle.judge(request, { signal })).rejects.toMatchObject({ code: 'interrupted' });
  });
});

describe('oracle verdicts', () => {
  const ok = async (question: Question, ...steps: JudgedStep[]) => (await ask(question, steps)).processOk;

  it('accepts a sensible tool with a relevant input and a result', async () => {
    expect(await ok(product, good(product, 'calculator'))).toBe(true);
    expect(await ok(fact, good(fact, 'encyclopedia'))).toBe(true);
    expect(await ok(fact, step('search', `${rulesOf(fact).subjects[0]} history`, '1. Some passage: long ago.'))).toBe(
      true,
    );
  });

  it('judges the last step only, and also when the trajectory is over', async () => {
    const bad = step('chemistry', 'mass H2O', 'H2O: 18.015 g/mol');
    expect(await ok(product, bad, good(product, 'calculator'))).toBe(true);
    expect(await ok(product, good(product, 'calculator'), bad)).toBe(false);
    const over = await ask(product, [good(product, 'calculator')], { thought: null, answer: 'The answer is (A).' });
    expect(over).toEqual({ scores: {}, processOk: true });
  });

  it('rejects a tool that cannot help, another input, a failure and a repetition', async () => {
    const [a, b] = rulesOf(product).subjects;
    expect(await ok(product, step('encyclopedia', product.question, 'An article.'))).toBe(false);
    expect(await ok(product, step('calculator', '3 + 4', '7'))).toBe(false);
    expect(await ok(product, step('calculator', `${a}${b}`, '7'))).toBe(false);
    expect(await ok(product, step('calculator', `${a} * * ${b}`, 'Value expected (char 6)'))).toBe(false);
    expect(await ok(product, good(product, 'python'), good(product, 'python'))).toBe(false);
  });

  it('judges a step by what it did, not by what was thought of the tool before', async () => {
    const { scores } = rulesOf(product);
    const farfetched = (['algebra', 'logic', 'statistics'] as const).find((tool) => scores[tool] < 5)!;
    expect(await ok(product, good(product, farfetched))).toBe(true);
    const [a, b] = rulesOf(product).subjects;
    expect(await ok(product, step('oven', `${a} times ${b}`, `${rulesOf(product).answer}.`))).toBe(true);
    expect(await ok(product, step('oven', `${a} times ${b}`, 'Warm.'))).toBe(false);
    // What tempts is not coherent for scoring well.
    const tempting = step('encyclopedia', `${a} ${b}`, 'Closest article, Force: The SI unit of force is the newton.');
    expect(await ok(product, tempting)).toBe(false);
  });

  it('takes what came back, not what was meant: a wrong operator is coherent but does not hold the answer', async () => {
    const [a, b] = rulesOf(product).subjects;
    const slip = step('calculator', `${a} - ${b}`, String(Number(a) - Number(b)));
    const verdict = await ask(product, [slip]);
    expect(verdict.processOk).toBe(true);
    expect(verdict.scores.think!).toBeLessThan(6);
  });

  it('lets thinking plan and conclude, not invent', async () => {
    const [a, b] = rulesOf(product).subjects;
    const wrong = product.options.find((option) => option !== rulesOf(product).answer)!;
    const right = rulesOf(product).answer;
    expect(await ok(product, step(THINK, `First I need ${a} times ${b}.`, null))).toBe(true);
    expect(await ok(product, step(THINK, 'Hm.', null))).toBe(false);
    expect(await ok(product, step(THINK, `${a} * ${b} is ${wrong}.`, null))).toBe(false);
    expect(await ok(product, step(THINK, `${a} * ${b} is ${right}.`, null))).toBe(false);
    expect(await ok(product, good(product, 'algebra'), step(THINK, `So it is ${right}.`, null))).toBe(true);
    expect(await ok(product, good(product, 'algebra'), step(THINK, `So it is ${wrong}.`, null))).toBe(false);
  });
});

describe('mentions', () => {
  it('finds whole words and numbers only', () => {
    expect(mentions('It is 888.', '888')).toBe(true);
    expect(mentions('888.0', '888')).toBe(true);
    expect(mentions('1888', '888')).toBe(false);
    expect(mentions('888.5', '888')).toBe(false);
    expect(mentions('3.888', '888')).toBe(false);
    expect(mentions("['P=True,  q=False']", 'p=true, q=false')).toBe(true);
    expect(mentions('wattage', 'watt')).toBe(false);
  });
});
