/** A training that measures itself on validation questions: its best is kept, and a kill or an interruption changes nothing. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { silentLog } from '../../../src/log.js';
import { readReport } from '../../../src/report/read.js';
import { listRuns } from '../../../src/run/catalogue.js';
import { Run } from '../../../src/run/run.js';
import { trainingRows } from '../../../src/run/trainingRows.js';
import { evaluateStage } from '../../../src/stages/evaluate.js';
import { generateStage } from '../../../src/stages/generate.js';
import { validationSet } from '../../../src/stages/policy.js';
import { perform } from '../../../src/stages/stage.js';
import { type TrainSpec, trainStage } from '../../../src/stages/train.js';
import { outOfPatience, type ValidationState, validated } from '../../../src/train/validation.js';
import { readLines, temporaryFolder } from '../cli/runCli.js';
import { scalarsIn } from '../tracking/events.js';
import { SET, SHORT, spec } from './shortTraining.js';

const base = temporaryFolder();
const rolled = path.join(base, 'rolled');
const PATCH = {
  ...SHORT,
  questions: { ...SHORT.questions, validationLimit: 14 },
  ppo: { ...SHORT.ppo, targetKl: 1e9 },
};
/** Measured after 0, 2, 4, … of 10 steps, where nothing is generated. */
const CHEAP = { every: 2, measures: ['policy'], best: 'rarestViable' };

let progress: string[] = [];
async function open(name: string, more: object, signal?: AbortSignal, said: (message: string) => void = () => {}) {
  progress = [];
  const note = (message: string) => {
    progress.push(message);
    said(message);
  };
  const log = { ...silentLog, info: said, progress: note };
  return Run.open({ ...PATCH, name: path.join(base, name), ...more }, { log, ...(signal ? { signal } : {}) });
}

async function train(name: string, evaluation: object, of: TrainSpec = spec('spark'), signal?: AbortSignal) {
  await using run = await open(name, { eval: evaluation }, signal);
  const summary = await perform(run, trainStage(of));
  const best = run.adapterOf(`${of.name}-best`);
  return { ...summary, last: readFileSync(run.adapterOf(of.name)!), best: best === null ? null : readFileSync(best) };
}
/** A run with the rollouts. */
function fresh(name: string) {
  cpSync(rolled, path.join(base, name), { recursive: true });
  return name;
}
const rowsOf = (name: string) =>
  readLines<Record<string, number | string>>(path.join(base, name, 'metrics.jsonl')).filter(
    ({ event }) => event === 'validation',
  );
const files = (name: string) => readdirSync(path.join(base, name, 'adapters', 'spark-best'));

beforeAll(async () => {
  await using run = await open('rolled', {});
  await perform(run, generateStage(SET));
  await perform(run, generateStage(validationSet(run.config)));
});

describe('the best adapter', () => {
  let straight: Awaited<ReturnType<typeof train>>;
  let shown: string[];
  beforeAll(async () => {
    straight = await train(fresh('straight'), CHEAP);
    shown = progress;
  });

  it('is that of the best measure, kept under a name of its own, and what the stage gives is the last', async () => {
    const rows = rowsOf('straight');
    expect(rows.map(({ stepsDone }) => stepsDone)).toEqual([0, 2, 4, 6, 8, 10]);
    const values = rows.map(({ rarestViable }) => rarestViable as number);
    const most = Math.max(...values);
    const { validation } = straight;
    expect(validation).toMatchObject({ measure: 'rarestViable', value: most, evaluations: 6, stoppedEarly: false });
    expect(validation!.step).toBe(2 * values.indexOf(most));
    expect(rows.at(-1)).toMatchObject({ best: 'rarestViable', bestValue: most, bestStep: validation!.step });
    expect(files('straight')).toEqual([`step-${validation!.step}.gguf`]);
    expect(straight.metrics.steps).toBe(10);
    // An evaluation finds what the training saw: the adapter is that of the step.
    expect(new Set(values).size).toBe(values.length);
  });

  it('is measured without changing what is trained', async () => {
    const plain = await train(fresh('plain'), {});
    expect(plain.last.equals(straight.last)).toBe(true);
    expect([plain.validation, plain.best]).toEqual([undefined, null]);
    expect(existsSync(path.join(base, 'plain', 'adapters', 'spark-best'))).toBe(false);
  });

  it('stands on the progress line, in the report, in TensorBoard and in the list of runs', async () => {
    expect(shown.filter((line) => line.startsWith('spark step 3')).at(-1)).toMatch(
      / {2}validation rarestViable 0\.\d+ after 2 steps, (the best|best 0\.\d+ after 0)$/,
    );
    await using run = await open('straight', { eval: CHEAP });
    const { html } = await readReport(run);
    expect(html).toContain('measured on validation questions');
    expect(html).toContain('Rarest viable action on validation questions');
    const curve = scalarsIn(path.join(base, 'straight', 'tensorboard', 'spark'));
    expect(curve.filter((point) => point.startsWith('validation/rarestViable '))).toHaveLength(6);
    const entry = listRuns(base).find(({ name }) => name === 'straight');
    expect(entry!.best).toEqual([expect.stringMatching(/^spark-best: rarestViable 0\.\d+ after \d+ steps$/)]);
    expect(run.adapterOf('spark-best')).toMatch(/spark-best.step-\d+\.gguf$/);
  });

  it('is the same after an interruption, after a kill in the middle of a measure, and after both', async () => {
    const abort = new AbortController();
    // Between two measures.
    const said = (message: string) => message.startsWith('spark step 5 ') && abort.abort();
    const stopped = await open(fresh('stopped'), { eval: CHEAP }, abort.signal, said);
    await expect(perform(stopped, trainStage(spec('spark')))).rejects.toMatchObject({ code: 'interrupted' });
    stopped.close();
    cpSync(path.join(base, 'stopped'), path.join(base, 'damaged'), { recursive: true });
    // A kill leaves what was written: the checkpoint before the measure, a file that nobody names, rows past the checkpoint.
    const place = path.join(base, 'stopped', 'adapters', 'spark-best');
    mkdirSync(place, { recursive: true });
    writeFileSync(path.join(place, 'step-6.gguf'), 'torn');
    const file = path.join(base, 'stopped', 'metrics.jsonl');
    const last = rowsOf('stopped').at(-1)!;
    writeFileSync(
      file,
      `${readFileSync(file, 'utf8')}${JSON.stringify({ ...last, beforeStep: 7, stepsDone: 6, rarestViable: 1 })}\n`,
    );
    const gone = await train('stopped', CHEAP);
    expect(rowsOf('stopped')).toEqual(rowsOf('straight'));
    expect(files('stopped')).toEqual(files('straight'));
    expect(gone.validation).toEqual(straight.validation);
    expect(gone.best!.equals(straight.best!)).toBe(true);
    expect(gone.last.equals(straight.last)).toBe(true);
    const [stage] = trainingRows(readLines(file) as never);
    expect(stage!.rows.filter(({ event }) => event === 'validation')).toHaveLength(6);
  });

  it('that was changed meanwhile is refused by name', async () => {
    for (const one of files('damaged'))
      writeFileSync(path.join(base, 'damaged', 'adapters', 'spark-best', one), 'other');
    await expect(train('damaged', CHEAP)).rejects.toMatchObject({
      code: 'invalid_file',
      message: expect.stringMatching(/spark-best.step-\d\.gguf, the best adapter so far, is damaged: .*starts afresh/),
    });
  });
});

describe('patience', () => {
  const eager = { ...CHEAP, every: 1, best: 'entropyBits', patience: 2 };

  it('ends a training, which goes on from a checkpoint to the same stop', async () => {
    const straight = await train(fresh('early'), eager);
    const rows = rowsOf('early');
    const { step } = straight.validation!;
    expect(straight.validation).toMatchObject({ stoppedEarly: true, evaluations: rows.length });
    expect(straight.metrics.steps).toBe(step + 2);
    expect(rows.at(-1)).toMatchObject({ stepsDone: step + 2, patienceLeft: 0 });
    expect(straight.metrics.steps).toBeLessThan(10);
    const abort = new AbortController();
    // In a measure's last moment.
    const said = (message: string) =>
      message.startsWith('spark validation') && message.includes(`after ${step + 1} steps`) && abort.abort();
    const stopped = await open(fresh('early-stopped'), { eval: eager }, abort.signal, said);
    await expect(perform(stopped, trainStage(spec('spark')))).rejects.toMatchObject({ code: 'interrupted' });
    stopped.close();
    const gone = await train('early-stopped', eager);
    expect(gone.validation).toEqual(straight.validation);
    expect(rowsOf('early-stopped')).toEqual(rows);
    expect(gone.last.equals(straight.last)).toBe(true);
  });

  it('is counted from the best, and a measure is taken once', async () => {
    const state = (sinceBest: number): ValidationState => ({
      steps: 4,
      count: 3,
      sinceBest,
      best: {} as never,
      row: {},
    });
    const measured: number[] = [];
    const validation = {
      every: 4,
      patience: 2,
      resume: async () => {},
      measure: async (_: unknown, steps: number) => {
        measured.push(steps);
        return { ...state(0), steps };
      },
    };
    expect([0, 1, 2, 3].map((since) => outOfPatience(validation, state(since)))).toEqual([false, false, true, true]);
    expect(outOfPatience({ ...validation, patience: 0 }, state(99))).toBe(false);
    let at: ValidationState | null = null;
    for (const steps of [0, 0, 3, 4, 4, 5, 6])
      at = await validated(validation, null as never, { steps, last: steps === 6 }, at);
    expect(measured).toEqual([0, 4, 6]);
  });
});

it('measures the accuracy of answers, which is what an evaluation of that adapter finds', async () => {
  const { validation } = await train(fresh('answered'), { every: 100 });
  const rows = rowsOf('answered');
  expect(rows.map(({ stepsDone, questions }) => [stepsDone, questions])).toEqual([
    [0, 14],
    [10, 14],
  ]);
  expect(validation!.value).toBe(Math.max(...rows.map(({ accuracy }) => accuracy as number)));
  await using run = await open('answered', { eval: { every: 100 } });
  const spec = { name: 'spark-best', adapter: { stage: 'spark-best' }, tools: true, questions: 'validation' } as const;
  const evaluation = await perform(run, evaluateStage(spec));
  const { accuracy, low, high, unparsedRate, entropyBits } = evaluation;
  const row = rows.find(({ stepsDone }) => stepsDone === validation!.step);
  expect(row).toMatchObject({ accuracy, low, high, unparsedRate, answerEntropyBits: entropyBits });
});

describe('settings', () => {
  const config = (patch: object) => () => resolveConfig({ questions: { validationLimit: 14 }, eval: patch });

  it('that measure nothing, or something that is not taken, are refused by name', () => {
    expect(() => resolveConfig({ eval: { every: 5 } })).toThrow(
      /eval\.every: expected 0 without validation questions, got 5/,
    );
    expect(config({ every: 5, best: 'belowTau' })).toThrow(/eval\.best: expected a measure that is taken .*add policy/);
    expect(config({ every: 5, measures: ['policy'] })).toThrow(/eval\.best: .*add accuracy/);
    expect(config({ patience: 2 })).toThrow(/eval\.patience: expected 0 with eval\.every 0/);
    expect(config({ every: 5, measures: ['policy', 'policy'] })).toThrow(/eval\.measures: expected each once/);
  });

  it('are facts of the training, and not of an evaluation', async () => {
    await using few = await open(fresh('few'), { eval: { every: 2, limit: 7 } });
    await using all = await open(fresh('all'), { eval: { every: 2 } });
    await using other = await open(fresh('other'), {});
    await using run = await open('rolled', { eval: CHEAP });
    const facts = (of: Run) => trainStage(spec('spark')).dependsOn(of);
    const { validation, ...rest } = await facts(run);
    expect(validation).toMatchObject({ every: 2, best: 'rarestViable', patience: 0, tau: 6 });
    expect(await facts(other)).toEqual(rest);
    const questions = async (of: Run) => ((await facts(of)).validation as { questions: string }).questions;
    expect(await questions(few)).not.toBe(await questions(all));
    const evaluation = evaluateStage({ name: 'base-tools', adapter: 'base', tools: true });
    expect(await evaluation.dependsOn(run)).toEqual(await evaluation.dependsOn(other));
  });

  it('wants the rollouts whose states are measured, by the command that makes them', async () => {
    await using run = await open('bare', { eval: CHEAP, rollout: { ...SHORT.rollout, tau: 7 } });
    cpSync(path.join(rolled, 'trajectories'), path.join(base, 'bare', 'trajectories'), { recursive: true });
    await expect(perform(run, trainStage(spec('spark')))).rejects.toMatchObject({
      code: 'no_data',
      message: expect.stringMatching(
        /expected rollouts on validation questions .*spark-rl generate --run .* --validation/,
      ),
    });
  });
});
