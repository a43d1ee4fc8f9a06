/** Several runs on one page: paired differences on common questions, settings that differ, no curve that cannot be told apart. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { summarize } from '../../../src/evaluate/summary.js';
import { type ManyReport, readReports } from '../../../src/report/many.js';
import { Run } from '../../../src/run/run.js';
import { evaluateStage } from '../../../src/stages/evaluate.js';
import { perform } from '../../../src/stages/stage.js';
import { temporaryFolder } from '../cli/runCli.js';
import { runHere } from '../cli/runHere.js';
import { exampleTrajectory, TWO_STEPS } from '../trajectory/example.js';

const base = temporaryFolder();
const at = (name: string) => path.join(base, name);

/** A run that has evaluated `spark`: which questions it answered, and which of them right. */
async function makeRun(name: string, right: Readonly<Record<number, boolean>>, more: object = {}): Promise<void> {
  await using run = await Run.open({ name: at(name), ...more });
  const file = run.folder.evalFile('spark');
  const answers = Object.entries(right).map(([id, correct]) => ({ questionId: Number(id), correct }));
  const result = summarize(
    answers.map(({ correct }) => ({ category: 'math', correct, answer: 'C', steps: [] })),
    ['think'],
  );
  const execute = async () => {
    mkdirSync(path.dirname(file), { recursive: true });
    const lines = answers.map((one) =>
      JSON.stringify(exampleTrajectory(TWO_STEPS, [{}, {}], { id: `${one.questionId}:policy:0`, ...one })),
    );
    writeFileSync(file, `${lines.join('\n')}\n`);
    return { result, files: [file], complete: true };
  };
  const stage = evaluateStage({ name: 'spark', adapter: 'base', tools: true });
  await perform(run, { ...stage, dependsOn: async () => ({}), execute });
  const rows = Array.from({ length: 9 }, (_, index) => ({ stage: `s${index}`, step: 1, loss: 1 }));
  for (const row of more === SEVEN ? rows : rows.slice(0, 1)) run.folder.metrics.append(row);
}
const SEVEN = { rollout: { tau: 7 } };

const open = (...names: string[]) => names.map((name) => ({ name, run: Run.read(at(name)) }));
let report: ManyReport;

beforeAll(async () => {
  await makeRun('a', { 1: true, 2: true, 3: false, 4: false });
  // Question 9 is of this run alone.
  await makeRun('b', { 1: true, 2: false, 3: true, 4: true, 9: true });
  await makeRun('c', { 20: true }, SEVEN);
  report = await readReports(open('a', 'b', 'c'));
});

it('compares the same stage on the questions that both answered, and only those', () => {
  expect(report.stages.map(({ name }) => name)).toEqual(['a/spark', 'b/spark', 'c/spark']);
  const [b, c] = report.differences;
  expect(b).toMatchObject({ stage: 'spark', run: 'b', against: 'a', questions: 4 });
  expect(b!.accuracy!.estimate).toBeCloseTo(1 / 4, 12);
  // Two of three that differ are for b: 2 · (1 + 3) / 8.
  expect(b!.p).toBe(1);
  expect(c).toMatchObject({ run: 'c', questions: 0, accuracy: null });
  expect(report.html).toContain('<th scope="row">b/spark − a/spark</th><td>4</td><td>+25.0 %</td>');
  expect(report.html).toContain('<th scope="row">c/spark − a/spark</th><td>0</td><td>–</td>');
});

it('says which settings differ, and draws curves while their lines can be told apart', async () => {
  expect(report.html).toContain('<th scope="row">rollout.tau</th><td>6</td><td>6</td><td>7</td>');
  expect(report.html).toContain('The curves of 11 trainings are not drawn');
  const two = await readReports(open('a', 'b'));
  expect(two.html).not.toContain('Settings that differ');
  expect(two.html).toMatch(/<h3>SFT loss<\/h3>[\s\S]*a\/s0[\s\S]*b\/s0/);
});

it('refuses one run, and a run twice', async () => {
  await expect(readReports(open('a'))).rejects.toMatchObject({ code: 'invalid_argument' });
  await expect(readReports(open('a', 'a'))).rejects.toThrow(/two runs or more, each once, got a, a/);
});

it('is a page beside the runs, whose own are as they were', async () => {
  const out = at('both.html');
  const done = await runHere(['report', '--run', at('a'), at('b'), '--out', out, '--json']);
  expect(done.json()).toMatchObject({ report: out, differences: [{ questions: 4 }] });
  expect(readFileSync(out, 'utf8')).toContain('Paired differences');
});
