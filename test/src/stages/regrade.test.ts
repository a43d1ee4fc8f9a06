/** Questions without options in a run: their answers are graded by their verifiers, and again when nothing but these changes. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import type { Judge } from '../../../src/judge/judge.js';
import type { Verifier } from '../../../src/questions/verifier.js';
import { Run } from '../../../src/run/run.js';
import { askPolicy } from '../../../src/stages/ask.js';
import { BASE, evaluateStage } from '../../../src/stages/evaluate.js';
import { generateStage } from '../../../src/stages/generate.js';
import { perform } from '../../../src/stages/stage.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { temporaryFolder } from '../cli/runCli.js';
import { continuations, ScriptedGenerator } from '../inference/scripted.js';
import { tableJudge } from '../rollout/parts.js';

const folder = temporaryFolder();
const SET = { selection: 'max-score', tau: 6 } as const;
const MODEL = continuations([
  ['<input>', 'It is 42.</input><answer>The answer is 42.5.</answer>'],
  ['by step.', ' Let me see. The answer is 42.5.'],
  ['\n', '<thought>Think.</thought>'],
]);

function write(verifiers: readonly unknown[]): string {
  const file = path.join(folder, 'mine.jsonl');
  const row = (verifier: unknown, index: number) => ({ question: `What is ${index}?`, answer: 42, verifier });
  writeFileSync(file, verifiers.map((one, index) => `${JSON.stringify(row(one, index))}\n`).join(''));
  return file;
}

let opened = 0;
const judge = tableJudge(() => ({ scores: { think: 8 }, processOk: true }));

async function work(verifiers: readonly unknown[], verifier?: Verifier, name = 'run') {
  const file = write(verifiers);
  const generator = async () => {
    opened += 1;
    return new ScriptedGenerator(MODEL);
  };
  const questions = { train: file, test: file, trainLimit: 2, testLimit: 0 };
  const config = { name: path.join(folder, name), questions, tools: { enabled: ['calculator'] } };
  const parts = { generator, judge: judge as Judge, ...(verifier === undefined ? {} : { verifier }) };
  await using run = await Run.open(config, { parts });
  await perform(run, generateStage(SET));
  const { correct } = await perform(run, evaluateStage(BASE));
  const stored = run.folder.trajectoriesFile('max-score');
  const lines = readFileSync(stored, 'utf8').trim().split('\n');
  const trained = lines.map((line) => JSON.parse(line) as Trajectory);
  return { trained, correct, stored };
}

const graded = ({ trained }: Awaited<ReturnType<typeof work>>) =>
  trained.map(({ answer, correct }) => [answer, correct]);

it('grades a run’s answers, and again without a model when only verifiers change', async () => {
  // Of three questions two are trained on, and one is the test.
  const within = (absolute: number) => ({ name: 'number', absolute });
  const first = await work([within(0), within(0), within(0)]);
  expect(graded(first)).toEqual([
    ['42.5', false],
    ['42.5', false],
  ]);
  expect([first.correct, opened]).toEqual([0, 2]);
  expect(judge.requests.some(({ question }) => 'verifier' in question)).toBe(false);

  const asked = judge.requests.length;
  const second = await work([within(1), within(1), within(1)]);
  expect(graded(second)).toEqual([
    ['42.5', true],
    ['42.5', true],
  ]);
  expect([second.correct, opened, judge.requests.length]).toEqual([1, 2, asked]);
  expect(second.trained.map(({ tokens }) => tokens)).toEqual(first.trained.map(({ tokens }) => tokens));
});

it('does not mistake what the model is asked for: another name or unit asks for other rollouts', async () => {
  await expect(work([{ name: 'number', unit: 'km' }, 'number', 'number'])).rejects.toMatchObject({
    code: 'run_exists',
  });
});

it('leaves the file as it is where grading fails', async () => {
  const mine = (id: string, verify: Verifier['verify']): Verifier => ({ id, verify });
  const own = ['own', 'own', 'own'];
  const first = await work(
    own,
    mine('mine:1', () => true),
    'own',
  );
  expect([first.correct, ...graded(first).map(([, correct]) => correct)]).toEqual([1, true, true]);
  const names = () => readdirSync(path.dirname(first.stored));
  const [before, there] = [readFileSync(first.stored, 'utf8'), names()];
  const broken = mine('mine:2', () => {
    throw new Error('not yet');
  });
  await expect(work(own, broken, 'own')).rejects.toMatchObject({ code: 'verifier_failed' });
  expect([readFileSync(first.stored, 'utf8'), names()]).toEqual([before, there]);
  const third = await work(
    own,
    mine('mine:3', () => null),
    'own',
  );
  expect([third.correct, ...graded(third)]).toEqual([0, [null, false], [null, false]]);
});

it('tells an asked policy whether it is right, and asks for what can be graded', async () => {
  const script = continuations([['\n', '<answer>42.5</answer>']]);
  const writer = Object.assign(new ScriptedGenerator(script), { wantsInstructions: true });
  await using run = await Run.open(
    { name: path.join(folder, 'asked'), questions: { verifier: 'number' }, tools: { enabled: ['calculator'] } },
    { parts: { generator: async () => writer } },
  );
  const context = { config: run.config, parts: run.parts, signal: run.signal };
  const ask = (answer?: string) => askPolicy({ question: 'What?', options: [], answer, adapter: null }, context);
  const right = await ask('42.5');
  expect(right).toMatchObject({ answer: '42.5', correct: true });
  expect(writer.detokenize(right.tokens)).toContain('finish with:\n<answer>a number alone</answer>');
  expect(await ask('42')).toMatchObject({ correct: false });
  expect(await ask()).toMatchObject({ answer: '42.5', correct: false });
  await expect(ask('much')).rejects.toMatchObject({ code: 'invalid_argument' });
});
