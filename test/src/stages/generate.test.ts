/** What `generate` says it did, and when it does nothing: with a scripted generator and judges of the test's own. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { SparkError } from '../../../src/errors.js';
import { createOracle } from '../../../src/judge/oracle.js';
import type { Log } from '../../../src/log.js';
import { exportQuestions } from '../../../src/questions/export.js';
import { makeMini } from '../../../src/questions/mini.js';
import { withRun } from '../../../src/run/run.js';
import { type ChosenSet, generateStage } from '../../../src/stages/generate.js';
import { GenerateProgress } from '../../../src/stages/generateProgress.js';
import { inferenceRow, inferenceText } from '../../../src/stages/inferenceWork.js';
import { priceOfGeneration } from '../../../src/stages/price.js';
import { perform } from '../../../src/stages/stage.js';
import { temporaryFolder } from '../cli/runCli.js';
import { continuations, ScriptedGenerator } from '../inference/scripted.js';
import { question, tableJudge } from '../rollout/parts.js';
import { exampleTrajectory, TWO_STEPS } from '../trajectory/example.js';

const folder = temporaryFolder();
const SET = { selection: 'max-score', tau: 6 } as const;

/** Thinks once and answers. */
const MODEL = continuations([
  ['<input>', 'C it is.</input><answer>The answer is (C).</answer>'],
  ['\n', '<thought>Think.</thought>'],
]);
let opened = 0;
const generator = async (script: typeof MODEL) => {
  opened += 1;
  return new ScriptedGenerator(script, { sequences: 4 });
};
const verdict = { scores: { think: 8 }, processOk: true };
const always = tableJudge(() => verdict);

/** Fourteen questions that the oracle has never seen, one in each of the first categories. */
const foreign = path.join(folder, 'foreign.jsonl');
await exportQuestions(
  Array.from({ length: 14 }, (_, index) => question(index + 1)),
  foreign,
);

function generate(
  name: string,
  settings: object,
  judge: typeof always | null = always,
  { script = MODEL, set = SET }: { script?: typeof MODEL; set?: ChosenSet } = {},
) {
  const lines: string[] = [];
  const progress: string[] = [];
  const log: Log = {
    info: (line) => lines.push(line),
    warn: (line) => lines.push(line),
    progress: (line) => progress.push(line),
  };
  const config = { name: path.join(folder, name), tools: { enabled: ['calculator'] }, ...settings };
  const writer = () => generator(script);
  const parts = judge === null ? { generator: writer } : { generator: writer, judge };
  const done = withRun(config, { parts, log }, (run) => perform(run, generateStage(set)));
  return { done, lines, progress };
}

const mini = (trainLimit: number) => ({ questions: { trainLimit } });

describe('generate', () => {
  it('warns where no trajectory has a step, and holds minSteps to be another rule', async () => {
    const hasty = continuations([['\n', '<answer>It is C.</answer>']]);
    const steps = (minSteps: number) => ({ ...mini(14), rollout: { minSteps } });
    const { done, lines } = generate('hasty', steps(0), always, { script: hasty });
    expect(await done).toMatchObject({ written: 14, actions: {} });
    expect(lines.join('\n')).toContain('none of 14 trajectories has a step');
    expect(lines.join('\n')).toContain('rollout.minSteps');
    await expect(generate('hasty', steps(1)).done).rejects.toMatchObject({
      code: 'run_exists',
      message: expect.stringContaining('minSteps 0, now 1'),
    });
    const made = generate('slow', mini(14));
    await made.done;
    expect(made.lines.join('\n')).not.toContain('has a step');
  });

  it('says how many questions were skipped, with which codes, and what the first said', async () => {
    const judge = tableJudge(({ question: { category } }) => {
      if (category === 'law') throw new SparkError('judge_refused', 'not about law');
      if (category === 'math') throw new SparkError('judge_unparsable', 'not about sums');
      return verdict;
    });
    const { done, lines, progress } = generate('some', mini(28), judge);
    const summary = await done;
    expect(summary).toMatchObject({
      ...{ written: 24, already: 0, trajectories: 24, skipped: 4 },
      skipCodes: { judge_refused: 2, judge_unparsable: 2 },
      firstSkip: { code: expect.stringMatching(/^judge_/), message: expect.stringMatching(/^not about/) },
    });
    expect(progress).toHaveLength(28);
    expect(progress.at(-1)).toMatch(
      /^generate max-score 24\/28 \(4 skipped\) .* tokens\/s {2}ETA 0 s {2}H 0.00 bit {2}think 100%$/,
    );
    expect(lines.at(-1)).toMatch(
      /max-score: 24 trajectories written, 0 were there, 4 skipped, of 28 questions in .* s\n4 skipped: 2 judge_\w+, 2 judge_\w+; the first, [a-z_]+: not about/,
    );
  });

  it('ends with an error when not one trajectory came out; another judge can then begin in the same run', async () => {
    const judge = tableJudge(() => {
      throw new SparkError('judge_refused', 'the filter said no');
    });
    const refused = generate('none', mini(14), { ...judge, id: 'refusing' });
    await expect(refused.done).rejects.toMatchObject({
      code: 'no_data',
      message: expect.stringMatching(
        /none of 14 questions gave a trajectory.*14 judge_refused; the first, judge_refused: the filter said no.*max-score\.skips\.jsonl/s,
      ),
    });
    expect(await generate('none', mini(14)).done).toMatchObject({ written: 14, skipped: 0, firstSkip: null });
  });

  it('stops before it pays for more when the judge tells no action from another, also in the next command', async () => {
    const zero = tableJudge(() => ({ scores: { calculator: 0, think: 0 }, processOk: true }));
    const watch = (watchStates: number) => ({ ...mini(28), judge: { watchStates } });
    for (const more of [0, 4]) {
      await expect(generate('zeros', watch(8), zero).done).rejects.toMatchObject({
        code: 'judge_useless',
        message: expect.stringMatching(
          /the judge table gave all actions the same score in each of the first 8 states.*watchStates/,
        ),
      });
      // Four rollouts are under way at a time.
      expect(zero.requests.length).toBeLessThanOrEqual(2 * (8 + 4 + more));
    }
    let calls = 0;
    const once = tableJudge(() => ({ scores: { calculator: calls++ === 3 ? 1 : 0, think: 0 }, processOk: true }));
    expect(await generate('once', watch(8), once).done).toMatchObject({ written: 28 });
    expect(await generate('allowed', watch(0), zero).done).toMatchObject({ written: 28 });
  });

  it('stops when no score reaches τ, where τ decides; and counts the steps in which none did', async () => {
    const low = tableJudge(() => ({ scores: { calculator: 3, think: 5 }, processOk: true }));
    const set = { selection: 'min-score', tau: 6 } as const;
    const watch = (watchStates: number) => ({ ...mini(14), judge: { watchStates } });
    await expect(generate('low', watch(8), low, { set }).done).rejects.toThrow(
      /no action a score of τ \(6\) in the first 8/,
    );
    // The highest score is the highest, whatever τ is.
    expect(await generate('high', watch(8), low).done).toMatchObject({ written: 14, fallbacks: 14 });
    const { done, lines } = generate('fallen', watch(0), low, { set });
    expect(await done).toMatchObject({ written: 14, fallbacks: 14 });
    expect(lines.join('\n')).toContain('no action viable in 14 of 14 steps');
    const row = readFileSync(path.join(folder, 'fallen', 'metrics.jsonl'), 'utf8');
    expect(JSON.parse(row)).toMatchObject({ event: 'generate', fallback_rate: 1 });
  });

  it('audits choices in doubt, keeps all verdicts, and says what they show', async () => {
    // In the order of the tools it likes one, in the other order the other.
    const fickle = tableJudge(({ actions }) => ({
      scores: actions[0]!.name === 'calculator' ? { calculator: 7, think: 8 } : { think: 6.5, calculator: 8.5 },
      processOk: true,
    }));
    const set = { selection: 'min-score', tau: 6 } as const;
    const audited = { ...mini(14), rollout: { audit: 'cheap' } };
    const { done, lines } = generate('audited', audited, fickle, { set });
    expect(await done).toMatchObject({
      actions: { think: 14 },
      audit: { states: 14, audited: 14, noise: Math.sqrt((0.75 ** 2 + 0.75 ** 2) / 1), changed: 1, luck: -1.5 },
    });
    expect(lines.join('\n')).toContain(
      '14 of 14 states scored again, noise 1.06 points; the means chose another action in 100.0 %',
    );
    const [row] = readFileSync(path.join(folder, 'audited', 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    expect(JSON.parse(row!)).toMatchObject({ audit_share: 1, audit_changed: 1, audit_luck: -1.5 });
    const [trajectory] = readFileSync(
      path.join(folder, 'audited', 'trajectories', 'min-score-tau6.jsonl'),
      'utf8',
    ).split('\n');
    expect(JSON.parse(trajectory!).steps[0]).toMatchObject({
      scores: { calculator: 7.75, think: 7.25 },
      verdicts: [
        { calculator: 7, think: 8 },
        { calculator: 8.5, think: 6.5 },
      ],
    });
    await expect(generate('audited', mini(14), fickle, { set }).done).rejects.toThrow(/audit "?cheap"?, now "?off/);
  });

  it('counts what was there of the questions that are asked for, and says what else the set holds', async () => {
    await generate('fewer', mini(28)).done;
    const { done, lines } = generate('fewer', mini(14));
    expect(await done).toMatchObject({ questions: 14, written: 0, already: 14, trajectories: 28 });
    expect(lines.at(-1)).toMatch(/0 trajectories written, 14 were there, 0 skipped, of 14 .*; the set holds 28/);
    const promised = { ...mini(14), generation: { deterministic: true } };
    await expect(generate('fewer', promised).done).rejects.toThrow(/deterministic .*now true/);
  });
});

describe('the price', () => {
  const api = (name: string, limit: number) =>
    resolveConfig({
      ...{ name: path.join(folder, name), ...mini(limit), tools: { enabled: ['calculator'] } },
      ...{ rollout: { ...SET, maxSteps: 3 }, judge: { kind: 'api', price: { input: 1, output: 1 } } },
    });

  it('is of what is left to do', async () => {
    const whole = await priceOfGeneration(api('priced', 28));
    expect(whole).toMatchObject({ questions: 28, already: 0, calls: 28 * 4, paid: true });
    await generate('priced', mini(14)).done;
    const rest = await priceOfGeneration(api('priced', 28));
    expect(rest).toMatchObject({ questions: 28, already: 14, calls: 14 * 4 });
    expect(rest.dollars).toBeCloseTo(whole.dollars / 2);
    const elsewhere = { ...api('another', 14), rollout: { ...api('another', 14).rollout, maxSteps: 1 } };
    expect(await priceOfGeneration(elsewhere, path.join(folder, 'priced'))).toMatchObject({ already: 14, calls: 0 });
    const thorough = { ...api('priced', 28), rollout: { ...api('priced', 28).rollout, audit: 'thorough' as const } };
    expect(await priceOfGeneration(thorough)).toMatchObject({ calls: 14 * (3 * 3 + 1) });
    const other = { ...api('priced', 14), rollout: { ...api('priced', 14).rollout, selection: 'min-score' as const } };
    expect(await priceOfGeneration(other)).toMatchObject({ already: 0, calls: 14 * 4 });
  });
});

describe('the oracle', () => {
  const other = { questions: { train: foreign, trainLimit: 0 }, judge: { kind: 'oracle' } };

  it('is refused for questions that it does not know, before any model is opened or a set is begun', async () => {
    opened = 0;
    for (const judge of [null, createOracle() as typeof always]) {
      await expect(generate('foreign', other, judge).done).rejects.toMatchObject({
        code: 'invalid_config',
        message: expect.stringMatching(/mini questions only.*14 of 14 .*question \d+, src "test".*judge\.kind: api/s),
      });
    }
    expect(opened).toBe(0);
    await expect(priceOfGeneration(resolveConfig(other))).rejects.toThrow(/mini questions only/);
    // A judge of one's own may know them.
    expect(await generate('foreign', other).done).toMatchObject({ written: 14 });
  });

  it('takes mini questions from a file', async () => {
    const file = path.join(folder, 'mini.jsonl');
    await exportQuestions(makeMini({ seed: 5, perCategory: 1, split: 'train' }), file);
    const { done } = generate(
      'exported',
      { questions: { train: file, trainLimit: 0 }, judge: { kind: 'oracle' } },
      null,
    );
    expect(await done).toMatchObject({ written: 14 });
    const changed = path.join(folder, 'changed.jsonl');
    writeFileSync(changed, readFileSync(file, 'utf8').replace(/"question":"/, '"question":"Say: '));
    const wrong = generate(
      'changed',
      { questions: { train: changed, trainLimit: 0 }, judge: { kind: 'oracle' } },
      null,
    );
    await expect(wrong.done).rejects.toThrow(/1 of 14 /);
  });
});

/** The model wrote 7 tokens of each step and 3 of the answer. */
const writes17 = exampleTrajectory(TWO_STEPS, [{}, {}]);
const actions = { calculator: 1, search: 1, think: 2, logic: 0 };
const so = { actions, text: () => ', no action viable in 1 of 4 steps' };

it('a generator that counts its work has it in a line and in the metrics', () => {
  const decoding = { busyMs: 900, spanMs: 1000 };
  expect(inferenceText({})).toBeNull();
  expect(inferenceRow({ decoding: { busyMs: 0, spanMs: 0 } })).toEqual({});
  expect(inferenceText({ decoding })).toMatch(/at work 90.0 % of the time[^;]*$/);
  const counted = { decoding, prefixes: { reused: 1, evaluated: 2, again: 345 } };
  expect(inferenceText(counted)).toMatch(/345 tokens again, fewer with a higher inference\.sequences/);
  expect(inferenceRow(counted)).toEqual({ inference_busy_share: 0.9, inference_tokens_again: 345 });
});

it('the progress line says how far, how fast, until when, at what cost and with which actions', () => {
  let now = 1000;
  const progress = new GenerateProgress(100, () => now);
  expect(progress.line('s', { actions: {}, text: () => '' }, {})).toBe('generate s 0/100');
  now += 4000;
  progress.add(writes17);
  progress.add(null);
  expect(progress.line('s', so, { judge_cost_usd: 1.239, judge_missing_rate: 0.0049, judge_calls: 9 })).toBe(
    'generate s 1/100 (1 skipped)  0.25 trajectories/s  4.3 tokens/s  ETA 3 min  $1.24  missing 0.5 %  H 1.50 bit  ' +
      'think 50% calculator 25% search 25% logic 0%, no action viable in 1 of 4 steps',
  );
  // A price that is not known is not 0.
  expect(progress.line('s', so, { judge_cost_usd: null, judge_missing_rate: null })).not.toMatch(/\$|missing/);
});

it('the progress line forgets how fast it was long ago', () => {
  let now = 0;
  const progress = new GenerateProgress(100_000, () => now);
  for (let k = 0; k < 200; k++) {
    now += k < 100 ? 1 : 2000;
    progress.add(writes17);
  }
  expect(progress.line('s', so, {})).toContain('0.50 trajectories/s  8.5 tokens/s  ETA 55 h 27 min');
});
