/**
 * Calls every export of the package once, from typed code, through the entry that a user imports: exports compile, run,
 * and work with each other. Fails for a new export that has no line here.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as all from 'spark-rl';
import * as engine from 'spark-rl/engine';
import * as rollout from 'spark-rl/rollout';
import * as run from 'spark-rl/run';
import * as train from 'spark-rl/train';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';

const folder = mkdtempSync(path.join(tmpdir(), 'spark-exports-'));
const at = (name: string) => path.join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const [question] = rollout.makeMini({ seed: 1, perCategory: 1, split: 'train' }) as [rollout.Question];
const oracle = rollout.createOracle();
const settings: rollout.RolloutSettings = {
  ...{
    selection: 'min-score',
    tau: 6,
    maxSteps: 1,
    minSteps: 0,
    example: true,
    answer: 'auto',
    temperature: 0,
    seed: 1,
    attempt: 0,
    stepRetries: 0,
  },
  ...{ maxThoughtTokens: 16, maxInputTokens: 16, maxAnswerTokens: 16, toolTimeoutMs: 5000, maxObservationChars: 80 },
};
const small = {
  questions: { trainLimit: 14, testLimit: 14, validationLimit: 14 },
  rollout: { maxSteps: 2, maxThoughtTokens: 24, maxInputTokens: 24, maxAnswerTokens: 16 },
  tools: { enabled: ['calculator'] },
  eval: { maxChainTokens: 24 },
  sft: { epochs: 1, batchTrajectories: 16 },
  ppo: { epochs: 1, iterations: 1, batchTrajectories: 16, init: 'base' },
};

/** Rollouts with the real model, which the other layers then work with. */
async function roll(): Promise<rollout.Trajectory[]> {
  await using tools = rollout.createBuiltinRegistry({ tools: ['calculator'] });
  await using generator = await rollout.openLlamaCpp({
    modelPath: run.resolveConfig().model.path,
    sequences: 2,
    contextSize: 512,
  });
  const deps: rollout.RolloutDeps = { generator, judge: oracle, tools };
  const one = await rollout.rolloutQuestion(question, deps, settings);
  expect(rollout.isTrajectory(one)).toBe(true);
  const plain: rollout.PlainSettings = { validation: [], temperature: 0, maxChainTokens: 8, seed: 1, attempt: 0 };
  expect(rollout.isTrajectory(await rollout.rolloutWithoutTools(question, { generator }, plain))).toBe(true);
  const done: rollout.Trajectory[] = [];
  const keep: rollout.ResultHandler = (result) => void (rollout.isTrajectory(result) && done.push(result));
  await rollout.runRollouts([question], deps, settings, keep);
  const { trajectories } = await rollout.runAll(
    [question],
    { generator },
    (asked, signal) => rollout.rolloutQuestion(asked, { ...deps, signal }, { ...settings, attempt: 1 }),
    keep,
  );
  expect(trajectories).toBe(1);
  return done;
}

const trajectories = roll();

const calls: Readonly<Record<string, () => unknown>> = {
  // engine
  SparkError: () => expect(new engine.SparkError('no_data', 'x').code).toBe('no_data'),
  openModel: async () => {
    using model = await engine.openModel(run.resolveConfig().model.path, { threads: 2 });
    using adapter = await model.createAdapter({ rank: 2 });
    const batch = { tokens: Int32Array.of(1, 2), cuSeqlens: Int32Array.of(0, 2), lossMask: Uint8Array.of(0, 1) };
    expect((await model.logprobs(batch, adapter))[1]).toBeLessThan(0);
  },
  // rollout
  runRollouts: () => trajectories,
  runAll: () => trajectories,
  rolloutQuestion: () => trajectories,
  rolloutWithoutTools: () => trajectories,
  openLlamaCpp: () => trajectories,
  isTrajectory: () => trajectories,
  createBuiltinRegistry: () => trajectories,
  async defineTool() {
    const input = z.object({ text: z.string() });
    const tool = rollout.defineTool({ name: 'twice', description: 'Doubles.', input, run: ({ text }) => text + text });
    const registry = new rollout.ToolRegistry().register(tool);
    const result = await registry.run('twice', 'ab', { timeoutMs: 1000, maxObservationChars: 80 });
    expect(result).toEqual({ ok: true, observation: 'abab' });
  },
  async openMcp() {
    const script = path.resolve('test/src/tools/mcp/scripted.mjs');
    const server: rollout.McpServerOptions = { name: 's', command: process.execPath, args: [script], tools: ['say'] };
    await using mcp: rollout.McpTools = await rollout.openMcp([server]);
    const registry = new rollout.ToolRegistry().register(mcp.tools[0]!);
    const result = await registry.run('s_say', 'hello', { timeoutMs: 20_000, maxObservationChars: 80 });
    expect(result).toMatchObject({ ok: true, observation: expect.stringMatching(/^hello/) });
  },
  async openWeb() {
    const engine: rollout.WebOptions = { name: 'wiki', engine: 'wikipedia' };
    const recorder = new rollout.Recorder({ file: at('none.jsonl'), mode: 'replay', writes: false });
    const [tool] = rollout.openWeb([engine], { recorder });
    const registry = new rollout.ToolRegistry().register(tool!);
    const asked = registry.run('wiki', 'x', { timeoutMs: 1000, maxObservationChars: 80 });
    await expect(asked).rejects.toMatchObject({ code: 'tool_unavailable' });
  },
  Recorder: () => expect(rollout.Recorder).toBeTypeOf('function'),
  buildCorpus: async () => {
    writeFileSync(at('text.txt'), 'words');
    const seal: rollout.CorpusSeal = await rollout.buildCorpus([at('text.txt')], at('text.corpus'));
    expect(seal.articles).toBe(1);
  },
  BUILTIN_TOOLS: () => expect(rollout.BUILTIN_TOOLS).toContain('calculator'),
  CATEGORIES: () => expect(rollout.CATEGORIES).toHaveLength(14),
  PROTOCOLS: () => expect(rollout.PROTOCOLS.length).toBeGreaterThan(3),
  SELECTION_RULES: () => expect(rollout.SELECTION_RULES).toContain('min-score'),
  THINK: () => expect(rollout.THINK).toBe('think'),
  ToolRegistry: async () => {
    const tool: rollout.Tool = {
      ...{ name: 'echo', description: 'Says it again.', inputHint: 'anything' },
      run: async (input) => ({ ok: true, observation: input }),
    };
    const limits: rollout.ToolContext = { timeoutMs: 1000, maxObservationChars: 9 };
    expect(await new rollout.ToolRegistry().register(tool).run('echo', 'x', limits)).toMatchObject({
      observation: 'x',
    });
  },
  TrajectoryStore: async () => {
    const store = await rollout.TrajectoryStore.open(at('store.jsonl'));
    for (const one of await trajectories) if (!store.has(one.id)) store.append(one);
    store.close();
  },
  readTrajectories: async () => {
    await calls.TrajectoryStore!();
    for await (const { id } of rollout.readTrajectories(at('store.jsonl'))) expect(id).toContain(':');
  },
  createApiJudge: () => {
    const judge = rollout.createApiJudge({ model: 'm', baseUrl: 'http://127.0.0.1:9/v1', env: {} });
    expect(judge.id).toContain('m@');
  },
  openLocalJudge: async () => {
    const judge = await rollout.openLocalJudge({ modelPath: run.resolveConfig().model.path, form: 'plain' });
    expect(judge.id).toContain('local:');
    await judge.dispose();
  },
  createOracle: () => expect(oracle.id).toContain('oracle'),
  withCache: () => rollout.withCache(oracle, at('cache')).close(),
  createLog: () => rollout.createLog().progress('x'),
  silentLog: () => rollout.silentLog.info('x'),
  exportQuestions: () => rollout.exportQuestions([question], at('questions.jsonl')),
  loadQuestions: async () => {
    await rollout.exportQuestions([question], at('questions.jsonl'));
    expect(await rollout.loadQuestions(at('questions.jsonl'))).toEqual([question]);
  },
  createGrader: async () => {
    const grade: rollout.Grader = rollout.createGrader();
    expect(await grade(question, 'The answer is (A).', 'block')).toMatchObject({
      answer: 'A',
    } satisfies Partial<rollout.Grade>);
  },
  VERIFIERS: () => expect(rollout.VERIFIERS).toContain('number'),
  verifierSchema: () => {
    const exact: rollout.VerifierSettings = rollout.verifierSchema.parse('exact');
    expect(exact).toEqual({ name: 'exact', ignoreCase: true });
  },
  questionSchema: () => expect(rollout.questionSchema.parse(question)).toEqual(question),
  extractAnswer: () => expect(rollout.extractAnswer('the answer is (C)', 'official-local').letter).toBe('C'),
  filterQuestions: () => expect(rollout.filterQuestions([question], { limit: 1 })).toEqual([question]),
  makeMini: () => expect(question.options).toHaveLength(10),
  nameOfSet: () => expect(rollout.nameOfSet({ selection: 'min-score', tau: 6 })).toBe('min-score-tau6'),
  trajectoryId: () => expect(rollout.trajectoryId(1, { selection: 'max-score', tau: 6 }, 0)).toBe('1:max-score:0'),
  noteSecret: () => rollout.noteSecret('a-secret-of-this-test'),
  redact: () => {
    rollout.noteSecret('a-secret-of-this-test');
    expect(rollout.redact('a-secret-of-this-test')).toBe('***');
  },
  selectAction: () =>
    expect(
      rollout.selectAction(['a', 'b'], { a: 9, b: 7 }, { rule: 'min-score', tau: 6, used: () => 0, random: () => 0 }),
    ).toEqual({ action: 'b', choice: 'viable' }),
  stepReward: async () => {
    const { steps } = (await trajectories)[0]!;
    for (const step of steps) rollout.stepReward(step, 0.5);
  },
  openTokenizer: async () => {
    const tokenizer = await rollout.openTokenizer(run.resolveConfig().model.path);
    const tokens = rollout.actionTokens([{ name: 'think' }, { name: 'python' }], tokenizer);
    expect(tokens.map(({ tokens: own }) => tokenizer.detokenize(own))).toEqual(['think</action>', 'python</action>']);
    await tokenizer.dispose();
  },
  openServer: async () => {
    const options: rollout.ServerOptions = {
      baseUrl: 'ftp://x',
      model: 'm',
      modelPath: run.resolveConfig().model.path,
    };
    await expect(rollout.openServer(options)).rejects.toMatchObject({ code: 'invalid_config' });
  },
  actionTokens: () => calls.openTokenizer!(),
  // train
  METHOD_NAMES: () => expect(train.METHOD_NAMES).toEqual(expect.arrayContaining(['sft', 'ppo'])),
  methods: () => expect(train.methods.ppo.with({}).stage(0).name).toBe('ppo'),
  defineMethod: () => {
    const method = train.defineMethod('mine', train.sftSettings, (given) => train.methods.sft.with(given));
    expect(method.with({}).stage(0).selection).toBe('max-score');
  },
  sftSettings: () => expect(train.sftSettings.parse({}).epochs).toBe(3),
  ppoSettings: () => expect(train.ppoSettings.parse({}).clip).toBe(0.2),
  collectSamples: async () => {
    const objective = train.methods.ppo.with({});
    const samples = await train.collectSamples(objective, await trajectories, () => FLAT);
    expect(samples.length).toBeGreaterThan(0);
  },
  sftSample: async () => expect(train.sftSample((await trajectories)[0]!).lossTokens).toBeGreaterThan(0),
  ppoSample: async () => expect(train.ppoSample((await trajectories)[0]!, () => null)).toBeNull(),
  judgedSample: async () => expect(train.judgedSample((await trajectories)[0]!, () => null)).toBeNull(),
  withDecisions: async () => {
    const [one] = await trajectories;
    const judged: train.JudgedActions = { actions: ['calculator', 'think'], rho: 0.5, tau: 6 };
    const { decisions } = train.withDecisions(train.sftSample(one!), one!, judged, true);
    expect(decisions.states[0]!.scores).toHaveLength(2);
  },
  pack: async () => {
    const samples = (await trajectories).map(train.sftSample);
    const batch = train.pack(samples);
    const perToken = Float32Array.from(batch.tokens);
    expect(train.unpackTokens(samples, perToken)).toHaveLength(samples.length);
    expect(train.unpackSteps(samples, new Float32Array(0))).toHaveLength(samples.length);
    expect(train.microBatches(samples, 1, train.commonPrefix(samples, 64))).toHaveLength(samples.length);
  },
  unpackTokens: () => calls.pack!(),
  unpackSteps: () => calls.pack!(),
  microBatches: () => calls.pack!(),
  commonPrefix: () => calls.pack!(),
  trainSft: () => learn(),
  trainPpo: () => learn(),
  createCritic: () => learn(),
  // run
  BASE: () => expect(run.BASE.tools).toBe(false),
  BASE_TOOLS: () => expect(run.BASE_TOOLS.tools).toBe(true),
  configSchema: () => expect(run.configSchema.parse({}).seed).toBe(1),
  resolveConfig: () => expect(run.resolveConfig({ seed: 2 }).seed).toBe(2),
  readConfigFile: async () => expect((await run.readConfigFile('quickstart')).name).toBe('quickstart'),
  patchFromAssignment: () => expect(run.patchFromAssignment('a.b=1')).toEqual({ a: { b: 1 } }),
  changes: () => expect(run.changes({ a: 1 }, { a: 2 })).toEqual([{ name: 'a', before: 1, now: 2 }]),
  inWords: () => expect(run.inWords(run.changes({ a: 1 }, { a: 2 }))).toBe('a 1, now 2'),
  hashOf: () => expect(run.hashOf({})).toHaveLength(64),
  hashOfPath: async () => {
    writeFileSync(at('file'), '');
    expect(await run.hashOfPath(at('file'))).toHaveLength(64);
  },
  Run: async () => {
    await using opened = await run.Run.open({ name: at('opened') });
    await opened.storeConfig();
    expect(run.Run.read(opened.folder.root).config.seed).toBe(1);
  },
  withRun: () => wholeRun(),
  runLadder: () => wholeRun(),
  perform: () => wholeRun(),
  generateStage: () => wholeRun(),
  trainStage: () => wholeRun(),
  evaluateStage: () => wholeRun(),
  policyStage: () => wholeRun(),
  validationSet: () => wholeRun(),
  readReport: () => wholeRun(),
  estimateDisk: () => wholeRun(),
  announceDisk: () => wholeRun(),
  ladderText: () => wholeRun(),
  listRuns: () => wholeRun(),
  compareRuns: () => wholeRun(),
  removeRun: () => wholeRun(),
  ladderStages: () => expect(run.ladderStages(run.resolveConfig()).map(({ name }) => name)).toContain('train spark'),
  ladderTrainings: () => expect(run.ladderTrainings(run.resolveConfig())).toHaveLength(3),
  ladderExperiment: () => swept(),
  runSweep: () => swept(),
  sweptText: () => swept(),
  planOf: () => swept(),
  planText: () => swept(),
  comparing: () => swept(),
  row: () => swept(),
  ablations: async () => {
    const names = await run.ablations.rho(run.resolveConfig(), async ({ name }) => name);
    expect(names).toBe('ablate-rho');
  },
  rejudgeStage: () => {
    const judge = { name: 'other', ...run.resolveConfig().judge };
    const spec = { judge, selection: 'min-score', tau: 6, rollouts: 0 } as const;
    expect(run.rejudgeStage(spec).name).toBe('rejudge other');
  },
  mcnemar: () => expect(run.mcnemar([[true, false]]).p).toBe(1),
  meanOf: () => expect(run.meanOf([Float64Array.of(1, 0)])(0, Uint32Array.of(1, 1))).toBe(0.5),
  seedInterval: () => expect(run.seedInterval(() => 1, { seeds: 2, questions: 2, samples: 9 })?.estimate).toBe(1),
  tInterval: () => expect(run.tInterval([1, 3])?.estimate).toBe(2),
  priceOfGeneration: async () => expect((await run.priceOfGeneration(run.resolveConfig(small))).paid).toBe(false),
  replay: async () => {
    const output = { question_id: 1, answer: 'C', category: 'math', generated_text: 'the answer is (C)' };
    writeFileSync(at('outputs.jsonl'), JSON.stringify(output));
    expect((await run.replay(at('outputs.jsonl'))).outputs).toBe(1);
  },
  summarize: async () => expect(run.summarize(await trajectories, ['think']).questions).toBe(2),
  findWarnings: () => expect(run.findWarnings([], [])).toEqual([]),
};

const FLAT: train.Reward = { diversity: 1, coherence: 0, reward: 1 };

let learned: Promise<void> | null = null;
/** One step of each method, on the shipped model. */
function learn(): Promise<void> {
  learned ??= (async () => {
    using model = await engine.openModel(run.resolveConfig().model.path, { threads: 2 });
    const actor = await model.createAdapter({ rank: 2 });
    const context: train.TrainContext = {
      ...{ model, stage: 'test', seed: 1, log: train.silentLog, checkpointFolder: null, checkpointEvery: 10 },
      metrics: () => undefined,
    };
    const all = await trajectories;
    const sft = train.sftSettings.parse({ epochs: 1 });
    expect((await train.trainSft({ actor, samples: all.map(train.sftSample), settings: sft, context })).steps).toBe(1);
    const settings = train.ppoSettings.parse({ epochs: 1, iterations: 1 });
    const critic = await train.createCritic(model, actor, settings, { rank: 2 });
    const samples = await train.collectSamples(train.methods.ppo.with(settings), all, () => FLAT);
    expect((await train.trainPpo({ actor, critic, samples, settings, context })).steps).toBe(1);
  })();
  return learned;
}

/** An experiment over seeds without a stage to do: test/src/experiments has those that do something. */
function swept(): Promise<void> {
  sweeping ??= sweepNothing();
  return sweeping;
}

let sweeping: Promise<void> | null = null;
async function sweepNothing(): Promise<void> {
  const config = run.resolveConfig(small, { name: at('sweep') });
  const { stages } = run.ladderExperiment(config);
  expect(run.planText(await run.planOf({ runs: [{ config, folder: at('sweep') }], stages }))).toContain('15 left');
  const { tables, notes } = run.comparing({ name: 'ladder', title: 'x', stages: [], rows: [run.row('base')] });
  const none: run.Experiment<number, { sum: number }> = {
    name: 'ladder',
    stages: [],
    collect: async ({ config: { seed } }) => seed,
    summarize: (all) => ({ sum: all.reduce((sum, { collected }) => sum + collected, 0) }),
    tables: ({ sum }) => [{ title: 'Seeds', rows: [['sum'], [String(sum)]] }],
    notes: () => [],
  };
  expect([typeof tables, typeof notes]).toEqual(['function', 'function']);
  const done = await run.runSweep(none, config, { seeds: 3 });
  expect(done.summary.sum).toBe(6);
  expect(run.sweptText(none, done)).toContain('Seeds');
}

let whole: Promise<void> | null = null;
/** A ladder of seven questions; what it learns does not matter here. */
function wholeRun(): Promise<void> {
  whole ??= (async () => {
    const name = at('ladder');
    const parts: run.UserParts = { reward: () => FLAT };
    const few = { questions: { trainLimit: 7, testLimit: 7, validationLimit: 7 }, parity: { check: false } };
    const config = run.resolveConfig(await run.readConfigFile('quickstart'), small, { name, ...few });
    const ladder = await run.withRun(config, { parts }, async (opened) => {
      await run.announceDisk(opened, { rolloutSets: 2, trainings: 3, evaluations: 5 });
      expect((await run.estimateDisk(opened, { rolloutSets: 2, trainings: 3, evaluations: 5 })).total).toBeGreaterThan(
        0,
      );
      await run.perform(opened, run.generateStage({ selection: 'max-score', tau: 6 }));
      expect(run.trainStage(run.ladderTrainings(opened.config)[0]!).name).toBe('train sft');
      expect(run.evaluateStage(run.BASE).name).toBe('evaluate base');
      await run.perform(opened, run.generateStage(run.validationSet(opened.config)));
      const policy = await run.perform(opened, run.policyStage({ name: 'base', adapter: 'base' }));
      expect(policy.entropyBits).toBeGreaterThan(0);
      return run.runLadder(opened);
    });
    expect(run.ladderText(ladder)).toContain('spark');
    expect((await run.readReport(run.Run.read(name))).stages).toEqual(ladder.stages);
    expect(run.listRuns(folder).map((entry) => entry.name)).toContain('ladder');
    expect(run.compareRuns([name, name]).settings).toEqual([]);
    expect(run.removeRun(name, run.silentLog).folder).toBe(name);
  })();
  return whole;
}

describe('every export', () => {
  it('has a call here, in the entry of its layer and in the whole', () => {
    const layers = [engine, rollout, train, run].flatMap((entry) => Object.keys(entry));
    expect(Object.keys(all).sort()).toEqual([...new Set(layers)].sort());
    expect(Object.keys(calls).sort()).toEqual(Object.keys(all).sort());
  });

  it.each(Object.keys(calls))('%s', async (name) => {
    await calls[name]!();
  });
});
