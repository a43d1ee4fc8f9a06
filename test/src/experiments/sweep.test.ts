/** Every experiment in a short form on the embedded default: what it leaves, that it goes on, and what it refuses. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Config, readConfigFile, resolveConfig } from '../../../src/config/index.js';
import type { Comparison } from '../../../src/experiments/comparison.js';
import type { Experiment } from '../../../src/experiments/experiment.js';
import { heldoutExperiment } from '../../../src/experiments/heldout.js';
import { type JudgeComparison, judgeExperiment } from '../../../src/experiments/judge.js';
import { ladderExperiment } from '../../../src/experiments/ladder.js';
import { onlineExperiment } from '../../../src/experiments/online.js';
import { planOf, planText } from '../../../src/experiments/plan.js';
import { rhoExperiment } from '../../../src/experiments/rho.js';
import { signalExperiment } from '../../../src/experiments/signal.js';
import { runSweep, type SweepOptions, sweptText } from '../../../src/experiments/sweep.js';
import { tauExperiment } from '../../../src/experiments/tau.js';
import { type Log, silentLog } from '../../../src/log.js';
import { batchesOf } from '../../../src/run/batches.js';
import { listRuns, removeRun } from '../../../src/run/catalogue.js';
import { lockRun } from '../../../src/run/lock.js';
import { Run, withRun } from '../../../src/run/run.js';
import { SweepFolder } from '../../../src/run/sweepFolder.js';
import { readSealed } from '../../../src/sealed.js';
import { perform } from '../../../src/stages/stage.js';
import { trainStage } from '../../../src/stages/train.js';
import { startOpenAiServer } from '../../loopback/openaiServer.mjs';
import { temporaryFolder } from '../cli/runCli.js';
import { runHere } from '../cli/runHere.js';
import { full } from '../full.js';

const base = temporaryFolder();
const name = path.join(base, 'sweep');
const at = (...parts: string[]) => path.join(name, ...parts);
/** As little as makes every stage do something; what is learned does not matter here. */
const PATCH = {
  name,
  questions: { trainLimit: 7, testLimit: 7, validationLimit: 7 },
  rollout: { maxSteps: 2, maxThoughtTokens: 24, maxInputTokens: 24 },
  tools: { enabled: ['calculator'] },
  eval: { maxChainTokens: 24 },
  sft: { epochs: 1 },
  ppo: { epochs: 1, iterations: 1 },
  parity: { check: false },
};
let config: Config;

/** A log that counts what was done and what was done already. */
function counting(): { log: Log; did: string[]; was: string[] } {
  const [did, was]: [string[], string[]] = [[], []];
  const info = (message: string) => {
    const done = /(\w+ [\w.-]+): done already/.exec(message);
    if (done !== null) was.push(done[1]!);
    else did.push(message);
  };
  return { log: { ...silentLog, info }, did, was };
}

function sweep<Collected, Summary extends object>(
  experiment: Experiment<Collected, Summary>,
  options: Partial<SweepOptions> = {},
) {
  return runSweep(experiment, config, { seeds: 1, ...options });
}

const namesOf = ({ rows }: Comparison) => rows.map((row) => row.name);
const pairsOf = ({ differences }: Comparison) => differences.map(({ row, against }) => `${row} − ${against}`);

beforeAll(async () => {
  // Oracle scores that no rollout reaches would leave nothing to learn from, so SFT takes what it gets.
  config = resolveConfig(await readConfigFile('quickstart'), PATCH);
});

describe('the ladder over seeds', () => {
  it('is interrupted, goes on, and leaves a run for each seed and one result', async () => {
    const abort = new AbortController();
    const stop: Log = {
      ...silentLog,
      info: (message) => {
        if (message.includes('eval base-tools')) abort.abort();
      },
    };
    const experiment = ladderExperiment(config);
    await expect(sweep(experiment, { seeds: 2, log: stop, signal: abort.signal })).rejects.toMatchObject({
      code: 'interrupted',
    });
    expect(existsSync(at('ladder.json'))).toBe(false);
    const going = counting();
    const swept = await sweep(experiment, { seeds: 2, log: going.log, command: 'spark-rl ladder --seeds 2' });
    expect(going.was).toEqual(['evaluate base', 'evaluate base-tools']);
    expect(swept.seeds).toEqual([1, 2]);
    expect(namesOf(swept.summary)).toEqual(['base', 'base-tools', 'sft', 'ppo', 'spark']);
    expect(pairsOf(swept.summary)).toEqual(['base-tools − base', 'sft − base-tools', 'ppo − sft', 'spark − ppo']);
    const { file, page, ...stored } = swept;
    expect(readSealed(file, { remedy: '' })).toEqual(JSON.parse(JSON.stringify(stored)));
    expect(stored.from).toMatchObject({ command: 'spark-rl ladder --seeds 2', machine: { cores: expect.any(Number) } });
    expect(stored.stageSeconds).toBeGreaterThan(0);
    expect(readFileSync(page, 'utf8')).toContain('Paired differences of the policies');
  });

  it('measures every policy in the same validation states, which no training has seen', async () => {
    const { summary } = await sweep(ladderExperiment(config), { seeds: 2 });
    const lines = (file: string) =>
      readFileSync(at('seed-1', file), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    const ids = (file: string) => new Set(lines(file).map(({ questionId }) => questionId));
    const rolled = ids('trajectories/validation-min-score-tau6.jsonl');
    expect(rolled.size).toBe(7);
    for (const seen of ['trajectories/min-score-tau6.jsonl', 'trajectories/max-score.jsonl', 'eval/sft.jsonl']) {
      expect([...ids(seen)].filter((id) => rolled.has(id))).toEqual([]);
    }
    const states = ['base-tools', 'sft', 'ppo', 'spark'].map((stage) => lines(`validation/${stage}.policy.jsonl`));
    const where = (all: (typeof states)[0]) => all.map(({ questionId, step, scores }) => [questionId, step, scores]);
    for (const of of states) expect(where(of)).toEqual(where(states[0]!));
    const [, base, sft] = summary.rows;
    expect(summary.rows[0]!.policy).toBeNull();
    const first = [1, 2].map((seed) => {
      const { stages } = JSON.parse(readFileSync(at(`seed-${seed}`, 'stages.json'), 'utf8'));
      return stages['policy sft'].finished.result;
    });
    for (const measure of ['entropyBits', 'belowTau', 'rarestViable'] as const) {
      const mean = (first[0][measure] + first[1][measure]) / 2;
      expect(sft!.policy![measure]!.overSeeds.estimate).toBeCloseTo(mean, 10);
      const gap = sft!.policy![measure]!.overSeeds.estimate - base!.policy![measure]!.overSeeds.estimate;
      expect(summary.differences[1]!.policy![measure]!.overSeeds.estimate).toBeCloseTo(gap, 10);
    }
    // SFT has moved the policy: the adapter was measured and not the base again.
    expect(Math.abs(summary.differences[1]!.policy!.entropyBits!.overSeeds.estimate)).toBeGreaterThan(1e-4);
  });

  it('knows of judged evaluations what is coherent and what scored below τ', async () => {
    const { summary } = await sweep(ladderExperiment(config), { seeds: 2 });
    const sft = summary.rows[2]!;
    const steps = [1, 2].map((seed) =>
      readFileSync(at(`seed-${seed}`, 'eval/sft.jsonl'), 'utf8')
        .trimEnd()
        .split('\n')
        .flatMap((line) => JSON.parse(line).steps),
    );
    const shares = steps.map((all) => all.filter(({ processOk }) => processOk).length / all.length);
    const below = steps.map((all) => all.filter(({ scores, action }) => scores[action] < 6).length / all.length);
    expect(sft.coherentShare!.overSeeds.estimate).toBeCloseTo((shares[0]! + shares[1]!) / 2, 12);
    expect(sft.belowTauShare!.overSeeds.estimate).toBeCloseTo((below[0]! + below[1]!) / 2, 12);
    expect(summary.rows[0]).toMatchObject({ coherentShare: null, belowTauShare: null });
  });

  it('finished costs nothing, and its numbers are those of its runs', async () => {
    const again = counting();
    const swept = await sweep(ladderExperiment(config), { seeds: 2, log: again.log });
    expect(again.did.filter((message) => /eval |trajectories, \d+ steps/.test(message))).toEqual([]);
    expect(again.did.filter((message) => message.includes(' 0 trajectories written'))).toHaveLength(6);
    for (const { name: stage, accuracy, perSeed } of swept.summary.rows) {
      const ofRuns = [1, 2].map((seed) => {
        const { stages } = JSON.parse(readFileSync(at(`seed-${seed}`, 'stages.json'), 'utf8'));
        return stages[`evaluate ${stage}`].finished.result;
      });
      expect(perSeed.map((one) => [one.correct, one.entropyBits, one.entropyNormalized])).toEqual(
        ofRuns.map((one) => [one.correct, one.entropyBits, one.entropyNormalized]),
      );
      const mean = (ofRuns[0].accuracy + ofRuns[1].accuracy) / 2;
      expect(accuracy.overSeedsAndQuestions.estimate).toBeCloseTo(mean, 12);
      expect(accuracy.overSeeds.seeds).toBe(2);
    }
    const [, difference] = swept.summary.differences;
    const rows = Object.fromEntries(swept.summary.rows.map((row) => [row.name, row.accuracy.overSeeds.estimate]));
    expect(difference!.accuracy.overSeeds.estimate).toBeCloseTo(rows.sft! - rows['base-tools']!, 12);
    expect(sweptText(ladderExperiment(config), swept)).toMatch(/Means over 2 seeds \(1 to 2\), 7 test questions/);
  });

  it('of one seed claims nothing', async () => {
    const swept = await sweep(ladderExperiment(config));
    const text = sweptText(ladderExperiment(config), swept);
    expect(text).toMatch(/One seed \(1\).* say nothing about another seed, so no difference is claimed/);
    expect(text).not.toMatch(/− \S+ \*/);
    expect(swept.summary.rows.every(({ accuracy }) => accuracy.overSeeds.low === null)).toBe(true);
  });
});

describe('ablations share what the ladder has made', () => {
  it.runIf(full)('tau: rollouts and SPaRK for the other τ alone', async () => {
    const going = counting();
    const { summary } = await sweep(tauExperiment(config), { log: going.log });
    const shared = ['evaluate base-tools', 'train sft', 'evaluate sft', 'train spark', 'evaluate spark'];
    expect(going.was).toEqual([...shared, 'policy base-tools', 'policy sft', 'policy spark']);
    expect(namesOf(summary)).toEqual(['base-tools', 'sft', 'spark-tau5', 'spark', 'spark-tau7']);
    expect(pairsOf(summary)).toContain('spark-tau7 − spark');
    for (const tau of [5, 6, 7])
      expect(existsSync(at('seed-1', 'trajectories', `min-score-tau${tau}.jsonl`))).toBe(true);
  });

  it('rho: no rollout at all', async () => {
    const going = counting();
    const some = resolveConfig(config, { ablate: { rho: [0, 0.5] } });
    const { summary } = await runSweep(rhoExperiment(some), some, { seeds: 1, log: going.log });
    expect(going.did.filter((message) => /[1-9]\d* trajectories written/.test(message))).toEqual([]);
    expect(namesOf(summary)).toEqual(['base-tools', 'sft', 'spark-rho0', 'spark']);
    expect(pairsOf(summary)).toEqual(['sft − base-tools', 'spark-rho0 − sft', 'spark − sft', 'spark − spark-rho0']);
  });

  it.runIf(full)(
    'heldout: every question once by adapters of its own half of the categories, and once by the others',
    async () => {
      const experiment = await heldoutExperiment(config);
      const { summary } = await sweep(experiment);
      expect(namesOf(summary)).toEqual(['base-tools', 'sft seen', 'sft held out', 'spark seen', 'spark held out']);
      const file = path.join(at('seed-1'), 'eval');
      const correct = (stage: string) =>
        new Map(
          readFileSync(path.join(file, `${stage}.jsonl`), 'utf8')
            .trimEnd()
            .split('\n')
            .map((line) => JSON.parse(line))
            .map(({ questionId, category, correct: right }) => [questionId, { category, right }] as const),
        );
      const [a, b] = [correct('sft-a'), correct('sft-b')];
      const categories = [...new Set([...a.values()].map(({ category }) => category))].sort();
      const seen = [...a].filter(
        ([id, { category }]) => (categories.indexOf(category) % 2 === 0 ? a : b).get(id)?.right === true,
      );
      expect(summary.rows[1]!.perSeed[0]).toMatchObject({ questions: 7, correct: seen.length });
    },
  );

  it('signal: trainings with settings of their own, from one SFT adapter', async () => {
    const cells = [
      { name: 'few', settings: { batchTrajectories: 2 } },
      { name: 'all', rho: 0, against: ['few'] },
    ];
    const some = resolveConfig(config, { ablate: { signal: cells } });
    const { summary } = await runSweep(signalExperiment(some), some, { seeds: 1 });
    expect(pairsOf(summary)).toEqual(['sft − base-tools', 'few − sft', 'all − few']);
    const { stages } = JSON.parse(readFileSync(at('seed-1', 'stages.json'), 'utf8'));
    const [few, all] = ['few', 'all'].map((stage) => stages[`train ${stage}`].finished);
    expect([few.dependsOn.batchTrajectories, all.dependsOn.batchTrajectories]).toEqual([
      2,
      config.ppo.batchTrajectories,
    ]);
    expect(few.result.metrics.steps).toBeGreaterThan(all.result.metrics.steps);
    // Settings are chosen by this table, so the test questions are not asked.
    expect(summary.questions).toBe('validation');
    expect(Object.keys(stages).filter((stage) => /evaluate (few|all)/.test(stage))).toEqual([]);
    expect(stages['validate few'].finished.result.questions).toBe(7);
  });

  it('online: each iteration learns from rollouts by the adapter before it, and from no others', async () => {
    const some = resolveConfig(config, { ablate: { onlineIterations: 2 } });
    const { summary } = await runSweep(onlineExperiment(some), some, { seeds: 1 });
    expect(namesOf(summary)).toEqual(['base-tools', 'sft', 'spark-iterations2', 'spark-offline', 'spark-online']);
    expect(pairsOf(summary).slice(-1)).toEqual(['spark-online − spark-offline']);
    const { stages } = JSON.parse(readFileSync(at('seed-1', 'stages.json'), 'utf8'));
    const [one, two, offline] = ['spark-online-1', 'spark-online-2', 'spark-offline'].map(
      (stage) => stages[`train ${stage}`].finished,
    );
    const fileOf = (stage: string) => stages[`train ${stage}`].finished.result.adapter;
    const by = (stage: string) => at('seed-1', 'trajectories', `min-score-tau6-by-${stage}.jsonl`);
    const writers = (stage: string) =>
      new Set(
        readFileSync(by(stage), 'utf8')
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line).generator.split('+lora:')[1]),
      );
    for (const stage of ['sft', 'spark-online-1'])
      expect([...writers(stage)]).toEqual([stages[`train ${stage}`].finished.files[fileOf(stage)]]);
    const [line] = readFileSync(by('sft'), 'utf8').split('\n');
    expect(JSON.parse(line!).id).toMatch(/^\d+:min-score-tau6-by-sft:0$/);
    // The same data, start and schedule: the first iteration of either.
    expect([one.dependsOn.samples, one.dependsOn.init]).toEqual([offline.dependsOn.samples, offline.dependsOn.init]);
    expect(two.dependsOn.samples).not.toBe(one.dependsOn.samples);
    expect(Object.keys(one.files)).toContain(path.join('states', 'spark-online-1', 'critic.safetensors'));
    expect(Object.keys(two.files)).toEqual([two.result.adapter]);
    const budget = (stage: string) => summary.budgets.find(({ row }) => row === stage)!;
    expect(budget('spark-online')).toMatchObject({
      optimizerSteps: one.result.metrics.steps + two.result.metrics.steps,
      tokens: one.result.metrics.tokens + two.result.metrics.tokens,
    });
    expect(budget('spark-offline').optimizerSteps).toBe(budget('spark-online').optimizerSteps);
    expect(budget('spark-iterations2').tokens).toBeGreaterThan(0);
    const again = counting();
    await runSweep(onlineExperiment(some), some, { seeds: 1, log: again.log });
    expect(
      again.did.filter((message) => /trajectories, \d+ steps|[1-9]\d* trajectories written/.test(message)),
    ).toEqual([]);
    expect(() => onlineExperiment(config)).toThrow(
      /ablate\.onlineIterations: expected 2 or more.*got ppo\.iterations 1/,
    );
  });

  it('online: rollouts that another adapter wrote are refused, whatever their file is called', async () => {
    const spec = (name: string) =>
      ({ name, method: 'ppo', selection: 'min-score', tau: 6, rho: 0.5, init: 'sft', by: 'sft' }) as const;
    await withRun({ ...config, name: at('seed-1') }, {}, async (run) => {
      const file = run.folder.trajectoriesFile('min-score-tau6-by-sft');
      const kept = readFileSync(file, 'utf8');
      const others = readFileSync(run.folder.trajectoriesFile('min-score-tau6-by-spark-online-1'), 'utf8');
      writeFileSync(file, `${kept.split('\n').slice(0, -2).join('\n')}\n${others.split('\n').at(-2)!}\n`);
      await expect(perform(run, trainStage(spec('stale')))).rejects.toMatchObject({
        code: 'stale_rollouts',
        message: expect.stringMatching(/not written by the adapter .* expected generator sha256:\w+\+lora:\w+, got/),
      });
      writeFileSync(file, kept);
      const wrong = { ...spec('wrong'), init: 'spark' };
      expect(() => trainStage(wrong)).toThrow(/expected rollouts by the adapter it starts from \(spark\), got by: sft/);
      const alone = { ...spec('alone'), online: { iteration: 1, of: 2, after: 'spark-online-1' } };
      expect(() => trainStage({ ...alone, by: 'sft' })).toThrow(/starts from \(spark-online-1\)/);
      expect(() => trainStage({ ...alone, by: 'spark-online-1', method: 'sft' })).toThrow(/method ppo/);
    });
  });

  it('judge: the same states under other judges, asked once', async () => {
    const own = path.join(base, 'contrary.mjs');
    writeFileSync(
      own,
      `export const judge = { id: 'contrary', async judge({ actions, thought, steps }) {
  const scores = thought === null ? {} : Object.fromEntries(actions.map(({ name }, at) => [name, at === 0 ? 9 : 1]));
  return { scores, processOk: steps.length === 0 ? null : false };
} };
`,
    );
    const judges = [
      { name: 'same', kind: 'oracle' },
      { name: 'contrary', parts: own },
    ];
    const some = resolveConfig(config, { ablate: { judges, judgeRollouts: 10 } });
    const { summary } = await runSweep(judgeExperiment(some), some, { seeds: 2 });
    const { judges: rows } = summary as JudgeComparison;
    const [same, contrary] = rows;
    expect(same).toMatchObject({ judge: 'same', unscored: 0 });
    for (const measure of ['flippedMin', 'flippedMax', 'otherViable', 'distance'] as const) {
      expect(same!.agreement[measure]!.estimate).toBe(0);
    }
    expect(same!.agreement.spearman!.estimate).toBeCloseTo(1, 12);
    expect(same!.agreement.sameCoherence!.estimate).toBe(1);
    expect(contrary!.states).toBe(same!.states);
    expect(contrary!.agreement.distance!.estimate).toBeGreaterThan(0.5);
    expect(contrary!.agreement.sameCoherence!.estimate).toBeLessThan(1);
    const again = counting();
    await runSweep(judgeExperiment(some), some, { seeds: 2, log: again.log });
    expect(again.was.filter((stage) => stage.startsWith('rejudge'))).toHaveLength(4);
    const runs = [1, 3].map((seed) => ({ config: { ...some, seed }, folder: SweepFolder.at(name).runFolder(seed) }));
    const plan = await planOf({ runs, stages: judgeExperiment(some).stages });
    expect(plan.cells.map(({ state }) => state)).toEqual([...Array(3).fill('done'), ...Array(3).fill('to do')]);
    // Its verdicts are there, but it is another judge now.
    appendFileSync(own, '// changed');
    const changed = await planOf({ runs: runs.slice(0, 1), stages: judgeExperiment(some).stages });
    expect(changed.cells.map(({ state }) => state)).toEqual(['done', 'done', 'to do']);
    expect(() => judgeExperiment(config)).toThrow(/ablate\.judges: expected a judge or more/);
  });

  it('judge: a local judge is interrupted and goes on, and is asked again when its file or settings change', async () => {
    // A cache of its own: that of all runs would know everything when the tests run a second time.
    const local = { name: 'local', kind: 'local', model: 'policy', form: 'plain', contextSize: 2048, cache: 'run' };
    const set = (more: object = {}) =>
      resolveConfig(config, { ablate: { judges: [{ ...local, ...more }], judgeRollouts: 3 } });
    const some = set();
    const abort = new AbortController();
    const progress = (message: string) => {
      if (message === 'rejudge local 1/3') abort.abort();
    };
    const stopped = runSweep(judgeExperiment(some), some, {
      ...{ seeds: 1, log: { ...silentLog, progress }, signal: abort.signal },
    });
    await expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
    const { summary } = await runSweep(judgeExperiment(some), some, { seeds: 1 });
    const [row] = summary.judges;
    expect(row).toMatchObject({ judge: 'local', unscored: 0 });
    expect(Math.abs(row!.agreement.spearman!.estimate)).toBeLessThan(1);
    const lines = readFileSync(at('seed-1', 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
    const counts = () => lines.map((line) => JSON.parse(line)).filter(({ judge }) => judge === 'local');
    const [first, second] = counts();
    // What was judged before the interruption came from the cache or stood in the file.
    expect(first.judge_calls + second.judge_calls).toBeLessThanOrEqual(row!.states + 3 + 4);
    expect(second).toMatchObject({ judge_cost_usd: 0, judge_output_tokens: 0, judge_missing_rate: 0 });
    const again = counting();
    await runSweep(judgeExperiment(some), some, { seeds: 1, log: again.log });
    expect(again.was).toContain('rejudge local');
    const judgeFact = async (now: Config) => {
      const run = (await Run.inspect(now, SweepFolder.at(name).runFolder(1)))!;
      const { judge } = await judgeExperiment(now).stages[1]!.dependsOn(run);
      run.close();
      return judge;
    };
    const fact = await judgeFact(some);
    expect(fact).toMatch(/^local:sha256:/);
    expect(await judgeFact(set({ processThreshold: 0.9 }))).not.toBe(fact);
  });

  it('judge: an API judge is interrupted and goes on, and no request is sent twice', async () => {
    const server = await startOpenAiServer({ delayMs: 20 });
    try {
      const api = { name: 'api', kind: 'api', model: 'loopback', baseUrl: server.baseUrl, concurrency: 1 };
      const judge = { ...api, price: { input: 1, output: 2 } };
      const some = resolveConfig(config, { ablate: { judges: [judge], judgeRollouts: 6 } });
      const runs = [{ config: some, folder: SweepFolder.at(name).runFolder(1) }];
      const { stages } = judgeExperiment(some);
      expect(await planOf({ runs, stages })).toMatchObject({ left: 1, paid: true, judgeCalls: 18 });
      const abort = new AbortController();
      const progress = (message: string) => {
        if (message === 'rejudge api 3/6') abort.abort();
      };
      const stopped = runSweep(judgeExperiment(some), some, {
        ...{ seeds: 1, log: { ...silentLog, progress }, signal: abort.signal },
      });
      await expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
      const begun = await planOf({ runs, stages });
      expect(begun.cells[1]).toMatchObject({ state: 'begun', judgeCalls: 9 });
      expect(begun.dollars).toBeGreaterThan(0);
      const { summary } = await runSweep(judgeExperiment(some), some, { seeds: 1 });
      const [row] = summary.judges;
      expect(row!.unscored).toBe(0);
      // One request for each state, and one for the end of each rollout.
      expect(server.requests).toHaveLength(row!.states + 6);

      const inBatches = { ...judge, name: 'batched', model: 'loopback-2', batch: true };
      const batched = resolveConfig(config, { ablate: { judges: [inBatches], judgeRollouts: 6 } });
      const half = await planOf({ runs, stages: judgeExperiment(batched).stages });
      expect(half.dollars).toBeCloseTo(begun.dollars, 12);
      const direct = server.requests.length;
      const result = await runSweep(judgeExperiment(batched), batched, { seeds: 1 });
      expect(result.summary.judges[0]).toMatchObject({ states: row!.states, unscored: 0 });
      expect([server.requests.length, server.batches.length]).toEqual([direct + 1, 1]);
      expect(server.batches[0]!.lines).toHaveLength(row!.states + 6 - 1);
      expect(await batchesOf(at('seed-1'), { cancel: true, log: silentLog, signal: abort.signal })).toEqual([]);
    } finally {
      await server.close();
    }
  });

  it('a plan says what is done, begun and left, and what that takes', async () => {
    const runs = [1, 2, 3].map((seed) => ({
      config: { ...config, seed },
      folder: SweepFolder.at(name).runFolder(seed),
    }));
    const plan = await planOf({ runs, stages: ladderExperiment(config).stages });
    expect(plan.cells).toHaveLength(45);
    expect(plan.cells.filter(({ state }) => state === 'done').map(({ seed }) => seed)).toEqual([
      ...Array(15).fill(1),
      ...Array(15).fill(2),
    ]);
    expect(plan).toMatchObject({ left: 15, unknown: [], paid: false, dollars: 0 });
    expect(plan.hours).toBeGreaterThan(0);
    expect(planText(plan)).toMatch(/train sft +2 done, 1 to do\n/);
    const other = resolveConfig(config, { sft: { learningRate: 1e-5 } });
    const changed = await planOf({ runs: [{ ...runs[0]!, config: other }], stages: ladderExperiment(other).stages });
    expect(changed.cells.filter(({ state }) => state === 'to do').map(({ stage }) => stage)).toEqual(['train sft']);
    const api = resolveConfig(config, { judge: { kind: 'api', model: 'gpt-4o' }, name: at('none') });
    const priced = await planOf({ runs: [{ config: api, folder: at('none') }], stages: ladderExperiment(api).stages });
    expect(priced).toMatchObject({ left: 15, paid: true, unknown: ['generate', 'evaluate', 'train', 'policy'] });
    expect(priced.dollars).toBeGreaterThan(0);
    expect(priced.judgeTokens).toBeGreaterThan(0);
    expect(existsSync(at('none'))).toBe(false);
  });
});

describe('a sweep as a folder', () => {
  it('is listed with its runs, compared as them, and no run itself', async () => {
    const list = listRuns(base);
    expect(list.map((entry) => entry.name)).toEqual([
      'sweep',
      ...[1, 2].map((seed) => path.join(name, `seed-${seed}`)),
    ]);
    expect(list[0]).toMatchObject({ problem: null, finished: expect.arrayContaining(['ladder', 'ablate-judge']) });
    const compared = await runHere(['runs', 'compare', name, '--json']);
    expect(compared.json()).toMatchObject({
      runs: [at('seed-1'), at('seed-2')],
      settings: expect.arrayContaining([{ key: 'seed', values: [1, 2] }]),
    });
    const alone = await runHere(['report', '--run', name]);
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringMatching(/expected --out FILE for a page of 2 runs/)]);
    const page = await runHere(['report', '--run', name, '--out', path.join(base, 'sweep.html'), '--json']);
    expect(page.json()).toMatchObject({ runs: [1, 2].map((seed) => `${name}/seed-${seed}`) });
    for (const command of [['train', 'ppo'], ['ladder']]) {
      const refused = await runHere([...command, '--run', name, '--json']);
      expect([command, refused.code]).toEqual([command, 1]);
      expect(refused.json()).toMatchObject({
        error: { code: 'unsupported_file', message: expect.stringMatching(/is a sweep.*seed-1.*--seeds/) },
      });
    }
  });

  it('is refused where a run is', async () => {
    await expect(sweep(ladderExperiment(config), { folder: at('seed-1') })).rejects.toMatchObject({
      code: 'run_exists',
    });
  });

  it('takes its settings from sweep.json, and says on the command line what is left', async () => {
    const planned = await runHere(['ladder', '--run', name, '--seeds', '2', '--dry-run', '--json']);
    expect(planned.json()).toMatchObject({ left: 0 });
    const values = ['ablate', 'rho', '--run', name, '--set', 'ablate.rho=[0,0.5]'];
    expect((await runHere([...values, '--dry-run'])).stdout).toMatch(/train spark-rho0 +1 done\n.*0 left/s);
    const done = await runHere([...values, '--json']);
    expect(done.code).toBe(0);
    expect(done.json()).toMatchObject({
      experiment: 'ablate-rho',
      from: { command: expect.stringContaining('ablate rho') },
    });
  });

  it('refuses bad input', async () => {
    const validated = ['--set', 'questions.validationLimit=14'];
    const wrong: readonly (readonly [string[], RegExp])[] = [
      [['ladder', '--seeds', '0'], /--seeds: expected a whole number from 1.*got 0/],
      [['ladder', '--seeds', '1.5'], /--seeds: expected a whole number/],
      [['ablate', 'rho', '--set', 'ablate.rho=[0,2]'], /ablate\.rho\.1/],
      [['ablate', 'rho', '--set', 'ablate.rho=[0.5]'], /two values or more/],
      [['ablate', 'tau', '--set', 'ablate.tau=[6,6]'], /every value once/],
      [['ablate', 'tau', '--set', 'ablate.taus=[5,6]'], /taus/],
      [['ablate', 'heldout', '--set', 'ablate.heldout=[astrology]'], /ablate\.heldout: expected some .* got astrology/],
      [['ablate', 'judge'], /ablate\.judges: expected a judge or more/],
      [
        ['ablate', 'signal', ...validated, '--set', 'ablate.signal=[{name: x, settings: {clipp: 1}}]'],
        /ablate\.signal\.x\.settings.*clipp/,
      ],
      [['ablate', 'signal'], /questions\.validationLimit: .*got 0/],
      [
        ['ablate', 'signal', ...validated, '--set', 'ablate.signal=[{name: x, against: [y]}]'],
        /ablate\.signal\.x\.against.*got y/,
      ],
      [['ablate', 'signal', ...validated, '--set', 'ablate.signal=[{name: sft}]'], /ablate\.signal\.sft/],
      [['ablate', 'everything'], /everything/],
    ];
    for (const [args, message] of wrong) {
      const refused = await runHere([...args, '--run', path.join(base, 'none'), '--json']);
      expect([args, refused.code, refused.stderr]).toEqual([args, 2, expect.stringMatching(message)]);
    }
    expect(existsSync(path.join(base, 'none'))).toBe(false);
    const options = { seeds: 1, seed: 3 } as never;
    await expect(runSweep(ladderExperiment(config), config, options)).rejects.toThrow(/runSweep: options: .*got seed/);
    await expect(planOf({ runs: [], stages: [], run: 1 } as never)).rejects.toThrow(/planOf: options: .*got run/);
  });

  it('is removed as a whole, unless a process is at work in one of its runs; what is not its own stays', () => {
    const lock = lockRun(at('seed-2'), silentLog);
    expect(() => removeRun(name, silentLog)).toThrow(expect.objectContaining({ code: 'run_locked' }));
    lock.release();
    expect(existsSync(at('seed-1', 'stages.json'))).toBe(true);
    mkdirSync(at('thesis'));
    removeRun(name, silentLog);
    expect([existsSync(at('thesis')), existsSync(at('seed-1')), existsSync(at('ladder.json'))]).toEqual([
      true,
      false,
      false,
    ]);
    rmSync(name, { recursive: true });
  });
});
