/** A training under watch: what a rule stops is kept and can go on to the same bits, what warns goes on, what is off is not said. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { SparkError } from '../../../src/errors.js';
import { silentLog } from '../../../src/log.js';
import { readReport } from '../../../src/report/read.js';
import type { StageRecord } from '../../../src/run/records.js';
import { Run } from '../../../src/run/run.js';
import { BASE_TOOLS, evaluateName, evaluateStage } from '../../../src/stages/evaluate.js';
import { generateStage } from '../../../src/stages/generate.js';
import { perform } from '../../../src/stages/stage.js';
import { trainStage } from '../../../src/stages/train.js';
import { StageWatch } from '../../../src/stages/watchTraining.js';
import { readLines, temporaryFolder } from '../cli/runCli.js';
import { SET, SHORT, spec } from './shortTraining.js';

const name = path.join(temporaryFolder(), 'watched');
const PATCH = { name, ...SHORT };

let warnings: string[] = [];
let progress: string[] = [];
const log = {
  ...silentLog,
  warn: (message: string) => void warnings.push(message),
  progress: (message: string) => void progress.push(message),
};

async function open(rule: 'warn' | 'stop' | 'off', more: object = {}): Promise<Run> {
  [warnings, progress] = [[], []];
  return Run.open({ ...PATCH, watch: { rules: { kl_past_target: rule } }, ...more }, { log });
}
async function train(stage: string, rule: 'warn' | 'stop' | 'off') {
  await using run = await open(rule);
  const summary = await perform(run, trainStage(spec(stage)));
  return { ...summary, bytes: readFileSync(run.adapterOf(stage)!) };
}
const at = (...parts: string[]) => path.join(name, ...parts);
const rowsOf = (stage: string) =>
  readLines<Record<string, unknown>>(at('metrics.jsonl')).filter((row) => row.stage === stage);
const stepsOf = (stage: string) => rowsOf(stage).flatMap(({ step }) => (step === undefined ? [] : [step]));
const said = () => warnings.filter((one) => one.includes('[kl_past_target]'));
/** Where the rule stopped it. */
let stop = 0;
const STOPPED = {
  code: 'failure_sign',
  message: expect.stringMatching(
    /^spark is stopped by watch\.rules\.kl_past_target, seen after step \d: mean KL .* past the target 1e-9: lower the .*; for other settings remove .*checkpoints/,
  ),
};

beforeAll(async () => {
  await using run = await open('warn');
  await perform(run, generateStage(SET));
});

describe('a training', () => {
  it('is stopped by a rule, keeps its checkpoint, and does not go on by being asked again', async () => {
    await expect(train('spark', 'stop')).rejects.toMatchObject(STOPPED);
    expect(said()).toHaveLength(1);
    stop = stepsOf('spark').length;
    expect(stop).toBeGreaterThan(0);
    expect(said()[0]).toContain(`spark after step ${stop}: [kl_past_target] mean KL`);
    expect(existsSync(at('checkpoints', 'spark', 'latest.json'))).toBe(true);
    const before = readFileSync(at('metrics.jsonl'), 'utf8');
    await expect(train('spark', 'stop')).rejects.toMatchObject(STOPPED);
    expect(readFileSync(at('metrics.jsonl'), 'utf8')).toBe(before);
  });

  it('goes on from there with the rule off, to the bits of one that was only warned', async () => {
    const gone = await train('spark', 'warn');
    expect(rowsOf('spark').filter(({ event }) => event === 'start')).toMatchObject([
      { resumed: false, targetKl: 1e-9 },
      { resumed: true, afterStep: stop },
    ]);
    const policy = rowsOf('spark').filter(({ event }) => event === 'policy');
    expect(policy.map(({ thinkShare }) => Number(thinkShare) > 0 && Number(thinkShare) < 1)).toEqual([
      true,
      true,
      true,
    ]);
    // Said before the stop, and not again.
    expect(said()).toEqual([]);
    const straight = await train('straight', 'warn');
    expect(said()).toHaveLength(1);
    expect(stepsOf('spark')).toEqual(stepsOf('straight'));
    expect(stepsOf('spark').length).toBeGreaterThan(stop);
    expect(gone.bytes.equals(straight.bytes)).toBe(true);
    const { signs } = gone;
    expect(signs).toMatchObject([{ code: 'kl_past_target', step: stop, lastStep: stepsOf('spark').at(-1) }]);
    expect(straight.signs).toEqual(signs);
    expect(progress.at(-1)).toMatch(/ {2}! kl_past_target$/);
    const { stages } = JSON.parse(readFileSync(at('stages.json'), 'utf8')) as { stages: Record<string, StageRecord> };
    expect(stages['train spark']!.finished!.result).toMatchObject({ signs });
  });

  it('shows in the report what was said, and says nothing where it is switched off', async () => {
    const quiet = await train('quiet', 'off');
    expect([said(), quiet.signs]).toEqual([[], []]);
    expect(progress.join()).not.toContain('!');
    await using run = await open('warn');
    const { warnings: found, html } = await readReport(run);
    expect(found.map(({ stage, code, step }) => `${stage} ${code} ${step}`)).toEqual(
      ['spark', 'straight', 'quiet'].map((stage) => `${stage} kl_past_target ${stop}`),
    );
    expect(html).toContain(`from step ${stop}`);
  });

  it('that the engine ends for a number that is not finite is known to the report', async () => {
    await using run = await open('stop');
    const watch = new StageWatch(run, 'spoilt');
    for (const row of [
      { stage: 'spoilt', event: 'start' },
      { stage: 'spoilt', step: 1, loss: 1 },
    ]) {
      run.folder.metrics.append(row);
      watch.look(row);
    }
    const failing = watch.over(() => Promise.reject(new SparkError('not_finite', 'gradient of q.A is NaN')));
    await expect(failing).rejects.toMatchObject({ code: 'not_finite' });
    const { warnings: found } = await readReport(run);
    expect(found).toContainEqual({
      ...{ stage: 'spoilt', code: 'not_finite', step: 1, lastStep: 1 },
      message: 'gradient of q.A is NaN: lower the learning rate or maxGradNorm',
    });
    // The next try takes the step anew.
    await run.folder.metrics.rewind('spoilt', 1);
    expect(rowsOf('spoilt').map(({ event }) => event)).toEqual(['start', undefined]);
  });

  it('is stopped by its last row, too, but one that the user interrupts says so', async () => {
    const abort = new AbortController();
    await using run = await Run.open({ ...PATCH, watch: { rules: { not_finite: 'stop' } } }, { signal: abort.signal });
    const watch = new StageWatch(run, 'left');
    watch.look({ stage: 'left', step: 1, loss: Number.NaN });
    expect(watch.signal.aborted).toBe(true);
    const last = watch.over(async () => ({ steps: 1, samples: 1 }));
    await expect(last).rejects.toMatchObject({ code: 'failure_sign' });
    abort.abort();
    const left = watch.over(() => Promise.reject(new SparkError('interrupted', 'interrupted by the caller')));
    await expect(left).rejects.toMatchObject({ code: 'interrupted' });
  });
});

describe('an evaluation', () => {
  const summary = (entropyBits: number, correct: number) => ({
    ...{ questions: 14, correct, accuracy: correct / 14, low: 0, high: 1, unparsedRate: 0, perCategory: [] },
    ...{ perCategoryEntropy: [], actions: {}, entropyBits, entropyNormalized: 0, effectiveActions: 2, thinkShare: 0 },
  });
  const stage = (of: string, result: ReturnType<typeof summary>) => ({
    ...evaluateStage({ ...BASE_TOOLS, name: of }),
    dependsOn: async () => ({}),
    execute: async () => ({ result, files: [], complete: true }),
  });

  it('warns, or ends the command by a rule with its result kept, also when it comes again', async () => {
    const first = await open('warn');
    await perform(first, stage('a', summary(1, 14)));
    await perform(first, stage('b', summary(2, 2)));
    expect(warnings).toEqual([
      expect.stringMatching(/^eval b: \[diversity_up_accuracy_down\] entropy rose from 1\.00/),
    ]);
    first.close();
    await using run = await open('warn', { watch: { rules: { diversity_up_accuracy_down: 'stop' } } });
    await perform(run, stage('a', summary(1, 14)));
    for (const result of [summary(2, 2), summary(2, 1)]) {
      await expect(perform(run, stage('b', result))).rejects.toMatchObject({
        code: 'failure_sign',
        message: expect.stringMatching(/^eval b ends the command by watch\.rules\.diversity_up_accuracy_down: entropy/),
      });
    }
    expect(run.records.get(evaluateName('b')).finished?.result).toMatchObject({ correct: 2 });
  });
});

it('refuses a rule that there is not, by name', () => {
  expect(() => resolveConfig({ watch: { rules: { kl_runaway: 'halt' } } })).toThrow(/watch\.rules\.kl_runaway/);
  expect(() => resolveConfig({ watch: { rules: { klRunaway: 'stop' } } })).toThrow(/klRunaway/);
  expect(() => resolveConfig({ watch: { limits: { thinkShare: 50 } } })).toThrow(/watch\.limits\.thinkShare/);
});
