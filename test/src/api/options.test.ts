/** Every call that takes options refuses a mistyped one, by name and with the known ones: plain JavaScript has no compiler. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as engine from 'spark-rl/engine';
import * as rollout from 'spark-rl/rollout';
import * as run from 'spark-rl/run';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeBatch } from '../../bindings/support.js';
import { SETTINGS } from '../rollout/parts.js';

const folder = mkdtempSync(path.join(tmpdir(), 'spark-options-'));
const modelPath = run.resolveConfig().model.path;
const batch = makeBatch([5, 3]);
const any = (value: unknown) => value as never;
const never = any({});
let model: engine.Model;
let adapter: engine.Adapter;
let critic: engine.Critic;
let generator: rollout.LlamaCppGenerator;
let sequence: rollout.GeneratorSequence;

beforeAll(async () => {
  model = await engine.openModel(modelPath, { threads: 2 });
  adapter = await model.createAdapter({ rank: 2 });
  critic = await model.createCritic({ rank: 2, hidden: 8 });
  generator = await rollout.openLlamaCpp({ modelPath, contextSize: 64 });
  sequence = await generator.open();
});
afterAll(async () => {
  model.dispose();
  await generator.dispose();
  rmSync(folder, { recursive: true });
});

/** By what the message calls the options: a key that is there, and the call with given options. */
const calls: Readonly<Record<string, readonly [known: string, call: (options: never) => unknown]>> = {
  'openModel: options': ['threads', (o) => engine.openModel(modelPath, o)],
  'createAdapter: options': ['targets', (o) => model.createAdapter(o)],
  'createCritic: options': ['trunk', (o) => model.createCritic(o)],
  'loadAdapter: options': ['signal', (o) => model.loadAdapter('x.gguf', o)],
  'logprobs: options': ['signal', (o) => model.logprobs(batch, null, o)],
  'choiceLogprobs: options': ['signal', (o) => model.choiceLogprobs(batch, null, o)],
  'logprobsAndValues: options': ['signal', (o) => model.logprobsAndValues(batch, adapter, critic, o)],
  'save: options': ['adapter', (o) => model.save(path.join(folder, 'm.gguf'), o)],
  'optimizerStep: options': ['learningRate', (o) => adapter.optimizerStep(o)],
  'zeroGrad: options': ['signal', (o) => adapter.zeroGrad(o)],
  'saveState: options': ['signal', (o) => adapter.saveState(path.join(folder, 'a.state'), o)],
  'loadState: options': ['signal', (o) => adapter.loadState(path.join(folder, 'a.state'), o)],
  'plan: shape': ['lossTokens', (o) => adapter.plan(o)],
  'plan: options': ['signal', (o) => adapter.plan({ tokens: 4 }, o)],
  'tensors: options': ['signal', (o) => adapter.tensors('value', o)],
  'adapter.save: options': ['signal', (o) => adapter.save(path.join(folder, 'a.gguf'), 'gguf', o)],
  'accumulate: options': ['signal', (o) => adapter.accumulate(batch, new Float32Array(8), o)],
  'accumulateSft: options': ['normalizer', (o) => adapter.accumulateSft(batch, o)],
  'accumulatePolicy: options': ['klCoefficient', (o) => adapter.accumulatePolicy(batch, o)],
  'accumulatePolicy: options.value': [
    'coefficient',
    (value) => adapter.accumulatePolicy(batch, { normalizer: 1, value }),
  ],
  'values: options': ['signal', (o) => critic.values(batch, o)],
  'accumulateValue: options': ['normalizer', (o) => critic.accumulateValue(batch, o)],

  'openLlamaCpp: options': ['kvCacheType', (o) => rollout.openLlamaCpp(o)],
  'openServer: options': ['sequences', (o) => rollout.openServer(o)],
  'generator.logprobs: options': ['quick', (o) => generator.logprobs([1, 2], undefined, o)],
  'sequence.generate: options': ['maxTokens', (o) => sequence.generate(o)],
  'sequence.choose: sampling': ['temperature', (o) => sequence.choose([[1], [2]], o)],
  'openLocalJudge: options': ['form', (o) => rollout.openLocalJudge(o)],
  'createApiJudge: options': ['maxCostUsd', (o) => rollout.createApiJudge(o)],
  'withCache: options': ['stats', (o) => rollout.withCache(rollout.createOracle(), folder, o)],
  'makeMini: options': ['perCategory', (o) => rollout.makeMini(o)],
  'loadQuestions: options': ['verifier', (o) => rollout.loadQuestions('none.jsonl', o)],
  'createGrader: options': ['verifierTimeoutMs', (o) => rollout.createGrader(o)],
  'filterQuestions: options': ['categories', (o) => rollout.filterQuestions([], o)],
  'rolloutQuestion: settings': ['stepRetries', (o) => rollout.rolloutQuestion(never, never, o)],
  'rolloutWithoutTools: settings': ['maxChainTokens', (o) => rollout.rolloutWithoutTools(never, never, o)],
  'selectAction: settings': ['rule', (o) => rollout.selectAction([], {}, o)],
  'defineTool: definition': ['input', (o) => rollout.defineTool(o)],
  'openMcp: options': ['listings', (o) => rollout.openMcp([], o)],
  'openWeb: options': ['recorder', (o) => rollout.openWeb([], o)],
  'Recorder: options': ['writes', (o) => new rollout.Recorder(o)],
  'buildCorpus: options': ['passageChars', (o) => rollout.buildCorpus([], 'x', o)],
  'createBuiltinRegistry: options': ['searchBackend', (o) => rollout.createBuiltinRegistry(o)],
  'createBuiltinRegistry: options.python': ['packages', (o) => rollout.createBuiltinRegistry({ python: o })],
  'tools.run: context': ['timeoutMs', (o) => new rollout.ToolRegistry().run('x', 'y', o)],
  'TrajectoryStore.open: options': ['onStored', (o) => rollout.TrajectoryStore.open(path.join(folder, 't.jsonl'), o)],

  'Run.open: options': ['folder', (o) => run.Run.open({ name: path.join(folder, 'run') }, o)],
  'Run.read: options': ['log', (o) => run.Run.read(folder, o)],
  'Run.readWithParts: options': ['log', (o) => run.Run.readWithParts(folder, o)],
  'replay: options': ['questions', (o) => run.replay('x.jsonl', o)],
  'findWarnings: thresholds': ['thinkShare', (o) => run.findWarnings([], [], o)],
  'estimateDisk: work': ['rolloutSets', (o) => run.estimateDisk(never, o)],
  'generateStage: set': ['selection', (o) => run.generateStage(o)],
  'trainStage: spec': ['method', (o) => run.trainStage(o)],
  'evaluateStage: spec': ['tools', (o) => run.evaluateStage(o)],
  'policyStage: spec': ['adapter', (o) => run.policyStage(o)],
  'rejudgeStage: spec': ['rollouts', (o) => run.rejudgeStage(o)],
  'comparing: experiment': ['stages', (o) => run.comparing(o)],
  'runSweep: options': ['seeds', (o) => run.runSweep(never, {}, o)],
  'planOf: options': ['stages', (o) => run.planOf(o)],
  'seedInterval: options': ['samples', (o) => run.seedInterval(() => 0, o)],
};

const thrown = async (call: () => unknown) => {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return 'nothing was thrown';
};

describe('options', () => {
  it.each(Object.entries(calls))('%s', async (what, [known, call]) => {
    const mistyped = `${known.slice(0, 1)}_${known.slice(1)}`;
    const error = await thrown(() => call(any({ [mistyped]: 1 })));
    expect(error).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(new RegExp(`^${what}: expected some of .*\\b${known}\\b.*, got ${mistyped};`)),
    });
    for (const nothing of [null, 'text']) {
      expect(await thrown(() => call(any(nothing)))).toMatchObject({
        code: 'invalid_argument',
        message: expect.stringContaining(`${what}: expected an object, got ${nothing}`),
      });
    }
  });

  /** Calls without options, which they cannot do without. */
  it.each([
    'optimizerStep: options',
    'accumulateSft: options',
    'openLlamaCpp: options',
    'openServer: options',
    'sequence.generate: options',
    'sequence.choose: sampling',
    'openLocalJudge: options',
    'createApiJudge: options',
    'makeMini: options',
    'rolloutQuestion: settings',
    'selectAction: settings',
    'defineTool: definition',
    'tools.run: context',
    'generateStage: set',
    'trainStage: spec',
    'evaluateStage: spec',
    'policyStage: spec',
    'rejudgeStage: spec',
    'comparing: experiment',
  ])('%s may not be left out', async (what) => {
    const error = await thrown(() => calls[what]![1](undefined as never));
    expect(error).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('expected an object, got undefined'),
    });
  });

  const given = { stop: [], maxTokens: 1, temperature: 0, seed: 1 };
  const set = { selection: 'min-score', tau: 6 } as const;
  it.each<[RegExp, () => unknown]>([
    [/^openLlamaCpp: options\.modelPath: expected the path/, () => rollout.openLlamaCpp(any({}))],
    [/^sequence\.generate: options\.stop: expected a list of texts/, () => sequence.generate(any({}))],
    [/options\.maxTokens: expected a number/, () => sequence.generate(any({ ...given, maxTokens: '3' }))],
    [/options\.temperature: .* got -1/, () => sequence.generate({ ...given, temperature: -1 })],
    [/options\.seed: expected a number/, () => sequence.generate(any({ ...given, seed: undefined }))],
    [/^sequence\.choose: sampling\.temperature/, () => sequence.choose([[1], [2]], any({ seed: 1 }))],
    [/^sequence\.append: tokens: .* got 'a'/, () => sequence.append(any('abc'))],
    [/^sequence\.append: tokens: .* got -1/, () => sequence.append([1, -1])],
    [
      /^tools\.run: input: expected a text, got 5/,
      () => new rollout.ToolRegistry().run('x', any(5), { timeoutMs: 1, maxObservationChars: 1 }),
    ],
    [
      /^tools\.run: context\.timeoutMs: .* got -1/,
      () => new rollout.ToolRegistry().run('x', 'y', { timeoutMs: -1, maxObservationChars: 1 }),
    ],
    [
      /^generateStage: set\.selection: expected one of .*min-score.* got 'foo'/,
      () => run.generateStage(any({ ...set, selection: 'foo' })),
    ],
    [
      /^trainStage: spec\.method: expected one of sft, ppo, got 'dpo'/,
      () => run.trainStage(any({ ...set, name: 'x', method: 'dpo', rho: 0, init: 'base' })),
    ],
    [/^Run\.open: config: expected an object .* got undefined/, () => run.Run.open(any(undefined))],
    [/^Run\.read: expected the folder of a run, got undefined/, () => run.Run.read(any(undefined))],
    [
      /^withRun: expected the work as the third argument/,
      () => run.withRun({ name: path.join(folder, 'no') }, {}, any(undefined)),
    ],
  ])('%s', async (message, call) => {
    expect(await thrown(call)).toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(message) });
  });

  it('withRun names the mistyped one before anything is made', async () => {
    const name = path.join(folder, 'never');
    const error = await thrown(() => run.withRun({ name }, any({ foldr: folder, signl: 1 }), async () => {}));
    expect((error as Error).message).toBe(
      'Run.open: options: expected some of parts, log, signal, folder, fresh, forNow, got foldr, signl; correct it or leave it out',
    );
    expect(await thrown(() => run.Run.read(name))).toMatchObject({ code: 'no_data' });
    expect(await thrown(() => run.Run.open({ name }, any({ forNow: ['servr'] })))).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(
        /forNow: expected sections of the configuration, got 'servr'; they are .*\bserver\b/,
      ),
    });
    expect(existsSync(name)).toBe(false);
  });

  it('what does a stage takes a run and a stage', async () => {
    for (const [call, words] of [
      [() => run.perform(any(undefined), any({})), /^perform: run: expected a run/],
      [() => run.runLadder(any({})), /^runLadder: run: expected a run/],
    ] as const) {
      expect(await thrown(call)).toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(words) });
    }
    await using opened = await run.Run.open({ name: path.join(folder, 'stageless') });
    expect(await thrown(() => run.perform(opened, any(undefined)))).toMatchObject({ code: 'invalid_argument' });
  });

  it('runRollouts refuses wrong settings of rollouts', async () => {
    const deps = { generator, judge: null, tools: new rollout.ToolRegistry() };
    const question = rollout.makeMini({ seed: 1, perCategory: 1, split: 'train' })[0]!;
    const error = await thrown(() => rollout.runRollouts([question], deps, any({ ...SETTINGS, tua: 3 }), () => {}));
    expect(error).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('got tua') });
  });
});
