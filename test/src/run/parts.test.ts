/** A user's own parts, as objects and from a module. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/config/index.js';
import { SparkError } from '../../../src/errors.js';
import { createOracle } from '../../../src/judge/oracle.js';
import { silentLog } from '../../../src/log.js';
import { Run } from '../../../src/run/run.js';
import { checkParts, loadParts } from '../../../src/run/userParts.js';
import { generateStage } from '../../../src/stages/generate.js';
import { perform } from '../../../src/stages/stage.js';
import { trainStage } from '../../../src/stages/train.js';
import { createBuiltinRegistry } from '../../../src/tools/registry.js';
import { readTrajectories } from '../../../src/trajectory/store.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { readLines, temporaryFolder } from '../cli/runCli.js';

const folder = temporaryFolder();
const config = (name: string, more: object = {}) => ({
  name: path.join(folder, name),
  questions: { trainLimit: 14, testLimit: 14 },
  rollout: { maxSteps: 2, maxThoughtTokens: 24, maxInputTokens: 24, maxAnswerTokens: 16 },
  tools: { enabled: ['calculator'] },
  eval: { maxChainTokens: 24 },
  ppo: { iterations: 1, epochs: 1, init: 'base' },
  ...more,
});
const SET = { selection: 'min-score', tau: 6 } as const;
const SPARK = { name: 'spark', method: 'ppo', ...SET, rho: 0.5, init: 'base' } as const;

describe('a run with parts of its own', () => {
  it('asks its judge, uses its tools and pays its reward; each of them decides what is fresh', async () => {
    const oracle = createOracle();
    let asked = 0;
    const judge = {
      id: 'mine:1',
      judge: (...args: Parameters<typeof oracle.judge>) => {
        asked += 1;
        return oracle.judge(...args);
      },
    };
    const tools = createBuiltinRegistry({ tools: ['calculator'] }).register({
      name: 'echo',
      description: 'Says it again.',
      inputHint: 'anything',
      run: async (input) => ({ ok: true, observation: input }),
    });
    const run = await Run.open(config('own'), { parts: { judge, tools, reward: () => flat(1) } });
    await perform(run, generateStage(SET));
    expect(asked).toBeGreaterThan(14);
    const { value } = await readTrajectories(run.folder.trajectoriesFile('min-score-tau6')).next();
    expect(value.judge).toBe('mine:1');
    expect(Object.keys(value.steps[0].scores)).toEqual(['calculator', 'echo', 'think']);
    await perform(run, trainStage(SPARK));
    const rewards = readLines<Record<string, unknown>>(run.folder.metrics.file).find((row) => row.event === 'rewards');
    expect(rewards).toMatchObject({ rewardDiversity: 1, rewardCoherence: 0, reward: 1 });
    run.close();

    // The stage depends on the samples, which another reward changes, and not on the function itself.
    const other = await Run.open(config('own'), { parts: { judge, tools, reward: () => flat(2) } });
    await perform(other, trainStage(SPARK));
    const starts = readLines<Record<string, unknown>>(other.folder.metrics.file).filter((row) => row.event === 'start');
    expect(starts).toHaveLength(2);
    other.close();

    const stranger = await Run.open(config('own'), { parts: { judge: { ...judge, id: 'mine:2' }, tools } });
    await expect(perform(stranger, generateStage(SET))).rejects.toMatchObject({
      code: 'run_exists',
      message: expect.stringContaining('judge "mine:1", now "mine:2"'),
    });
    stranger.close();
    await tools.dispose();
  });

  it('takes them from a module that the configuration names, by content', async () => {
    const file = path.join(folder, 'my-parts.mjs');
    writeFileSync(file, 'export const reward = () => ({ diversity: 3, coherence: 0, reward: 3 });\n');
    const run = await Run.open(config('module', { parts: file }));
    expect(run.partsHash).toMatch(/^[0-9a-f]{64}$/);
    expect(run.parts.reward(0.5)({} as never)).toEqual({ diversity: 3, coherence: 0, reward: 3 });
    run.close();
    const made = path.join(folder, 'made.mjs');
    writeFileSync(made, "export default ({ seed }) => ({ judge: { id: 'j' + seed, judge() {} } });\n");
    expect((await loadParts(resolveConfig({ parts: made, seed: 9 }))).parts.judge?.id).toBe('j9');
  });

  it('disposes of tools that a function of the module made for the run, and of no others', async () => {
    const ended: string[] = [];
    Object.assign(globalThis, { toolsEnded: ended });
    const tools = (name: string) =>
      `({ actions: () => [], run() {}, async dispose() { globalThis.toolsEnded.push('${name}'); } })`;
    const made = path.join(folder, 'tools-made.mjs');
    const shared = path.join(folder, 'tools-shared.mjs');
    writeFileSync(made, `export default () => ({ tools: ${tools('made')} });\n`);
    writeFileSync(shared, `export const tools = ${tools('shared')};\n`);
    for (const parts of [made, shared]) (await Run.open(config('ended', { parts }))).close();
    // By a module, but replaced by the caller's.
    const own = { actions: () => [], run: () => Promise.reject(new Error('not called')) };
    (await Run.open(config('ended', { parts: made }), { parts: { tools: own } })).close();
    expect(ended).toEqual(['made']);
  });

  it.each([
    [
      'a score past 10',
      () => ({ scores: { calculator: 1000, think: 7 }, processOk: true }),
      /0 to 10 .*calculator, got 1000/,
    ],
    ['NaN', () => ({ scores: { calculator: Number.NaN, think: 7 }, processOk: true }), /got NaN/],
    ['a text', () => ({ scores: { calculator: '9', think: 7 }, processOk: true }), /got 9/],
    ['nothing', () => undefined, /expected \{ scores, processOk \}, got undefined/],
    ['no yes or no', () => ({ scores: { think: 7 } }), /processOk/],
  ])('ends when its judge answers %s', async (what, answer, words) => {
    const judge = { id: 'mine', judge: async () => answer() as never };
    await using run = await Run.open(config(`judge ${what}`), { parts: { judge } });
    const made = perform(run, generateStage(SET));
    await expect(made).rejects.toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(words) });
  });

  it('ends when a tool cannot work at all; nothing of that is stored', async () => {
    const tools = {
      actions: () => createBuiltinRegistry({ tools: ['calculator'] }).actions(),
      run: () => Promise.reject(new SparkError('tool_unavailable', 'the licence server is down')),
    };
    await using run = await Run.open(config('unavailable'), { parts: { tools } });
    await expect(perform(run, generateStage(SET))).rejects.toMatchObject({ code: 'tool_unavailable' });
    expect(readFileSync(run.folder.trajectoriesFile('min-score-tau6'), 'utf8')).not.toContain('licence');
  });

  it('leaves a tool behind at its deadline when its registry does not', async () => {
    const actions = () => createBuiltinRegistry({ tools: ['calculator'] }).actions();
    const tools = { actions, run: () => new Promise<never>(() => {}) };
    const short = config('late', { questions: { trainLimit: 2 }, tools: { timeoutMs: 20 } });
    await using run = await Run.open(short, { parts: { tools } });
    await perform(run, generateStage({ selection: 'max-score', tau: 6 }));
    const steps = readLines<Trajectory>(run.folder.trajectoriesFile('max-score')).flatMap((one) => one.steps);
    const called = steps.filter(({ action }) => action === 'calculator');
    expect(called.length).toBeGreaterThan(0);
    expect(called.every(({ toolError, observation }) => toolError === 'tool_timeout' && observation !== null)).toBe(
      true,
    );
  });

  it('trains on what its generator wrote, with a warning where that is not known to be the model, or is another', async () => {
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (line: string) => warnings.push(line) };
    await using run = await Run.open(config('generators', { parity: { tokens: 48 } }), { log });
    await perform(run, generateStage(SET));
    const file = run.folder.trajectoriesFile('min-score-tau6');
    const train = async (name: string, ...ids: string[]) => {
      const lines = readLines<Trajectory>(file).map((line, index) => ({
        ...line,
        generator: ids[index] ?? line.generator,
      }));
      writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      await perform(run, trainStage({ ...SPARK, name }));
      return warnings.splice(0).filter((line) => line.includes('trajectories'));
    };
    expect(await train('own')).toEqual([]);
    expect(await train('named', 'mine:1', 'mine:1', 'yours')).toEqual([
      expect.stringMatching(/named: 3 of 14 trajectories.*"mine:1", "yours".*not known.*spark-tiny\.gguf/),
    ]);
    const other = `sha256:${'0'.repeat(64)}`;
    expect(await train('other', other, other, other)).toEqual([
      expect.stringMatching(/other: 3 of 14 trajectories were written by another model than spark-tiny\.gguf/),
    ]);
  });

  it('says what is wrong with them', async () => {
    expect(() => checkParts({ judge: {} }, 'here')).toThrow(
      /here: expected some of generator, engine, judge.*judge\.id/,
    );
    expect(() => checkParts({ rewards: 1 }, 'here')).toThrow(/[Uu]nrecognized key.*rewards/);
    expect(() => checkParts({ tools: { actions() {} } }, 'here')).toThrow(/an object with actions\(\) and run\(\)/);
    await expect(loadParts(resolveConfig({ parts: path.join(folder, 'none.mjs') }))).rejects.toMatchObject({
      code: 'io_error',
    });
    const broken = path.join(folder, 'broken.mjs');
    writeFileSync(broken, 'export const = 1;');
    await expect(loadParts(resolveConfig({ parts: broken }))).rejects.toMatchObject({ code: 'invalid_config' });
  });
});

function flat(value: number) {
  return { diversity: value, coherence: 0, reward: value };
}

describe('one run', () => {
  it('has the same tools in all its stages, until it is closed', async () => {
    const run = await Run.open(config('tools'));
    const tools = run.parts.tools();
    const ask = () => tools.run('calculator', '6 * 7', { timeoutMs: 10_000, maxObservationChars: 100 });
    expect(await ask()).toEqual({ ok: true, observation: '42' });
    expect(run.parts.tools()).toBe(tools);
    run.close();
    expect(await ask()).toMatchObject({ ok: false, observation: expect.stringContaining('shut down') });
  });

  it('holds rollouts under several τ beside each other, and learns SFT once whatever ρ is', async () => {
    const run = await Run.open(config('taus', { sft: { epochs: 1 } }));
    const written = [];
    for (const tau of [5, 7]) written.push(await perform(run, generateStage({ selection: 'min-score', tau })));
    expect(written.map(({ set }) => set)).toEqual(['min-score-tau5', 'min-score-tau7']);
    await perform(run, generateStage({ selection: 'max-score', tau: 5 }));
    // max-score does not depend on τ, so these rollouts exist already.
    expect(await perform(run, generateStage({ selection: 'max-score', tau: 7 }))).toMatchObject({ already: 14 });
    const sft = { name: 'sft', method: 'sft', selection: 'max-score', init: 'base' } as const;
    const first = await perform(run, trainStage({ ...sft, tau: 5, rho: 0 }));
    expect(await perform(run, trainStage({ ...sft, tau: 7, rho: 0.5 }))).toEqual(first);
    expect(run.adapterOf('sft')).toContain('adapters/sft-');
    await expect(perform(run, trainStage({ ...SPARK, tau: 6 }))).rejects.toMatchObject({
      code: 'no_data',
      message: expect.stringMatching(/generate --run .* --selection min-score --tau 6/),
    });
    run.close();
  });

  it('starts from an adapter by what its folder holds', async () => {
    const run = await Run.open(config('init', { sft: { epochs: 1 } }));
    await perform(run, generateStage({ selection: 'max-score', tau: 6 }));
    await perform(run, generateStage(SET));
    await perform(
      run,
      trainStage({ name: 'sft', method: 'sft', selection: 'max-score', tau: 6, rho: 0, init: 'base' }),
    );
    const peft = run.adapterOf('sft')!.replace('.gguf', '-peft');
    const first = await perform(run, trainStage({ ...SPARK, init: peft }));
    expect(await perform(run, trainStage({ ...SPARK, init: peft }))).toEqual(first);
    writeFileSync(path.join(peft, 'README.md'), 'Another file: the folder is not what it was.');
    expect((await perform(run, trainStage({ ...SPARK, init: peft }))).adapter).not.toBe(first.adapter);
    await expect(perform(run, trainStage({ ...SPARK, init: 'nowhere' }))).rejects.toMatchObject({ code: 'no_data' });
    run.close();
  });

  it('keeps the checkpoint until the result is recorded: a power cut between both trains nothing again', async () => {
    const run = await Run.open(config('cut', { sft: { epochs: 1 } }));
    await perform(run, generateStage({ selection: 'max-score', tau: 6 }));
    const stage = trainStage({ name: 'sft', method: 'sft', selection: 'max-score', tau: 6, rho: 0, init: 'base' });
    const steps = () =>
      run.folder.metrics.read().filter(({ stage: of, step }) => of === 'sft' && step !== undefined).length;
    const finish = run.records.finish.bind(run.records);
    run.records.finish = () => Promise.reject(new Error('power cut'));
    await expect(perform(run, stage)).rejects.toThrow('power cut');
    const before = steps();
    expect([before > 0, existsSync(run.folder.checkpointFolder('sft'))]).toEqual([true, true]);
    run.records.finish = finish;
    await perform(run, stage);
    expect([steps(), existsSync(run.folder.checkpointFolder('sft'))]).toEqual([before, false]);
    run.close();
  });
});
