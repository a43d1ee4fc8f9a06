/**
 * The stage that has another judge judge some of a rollout set: the same states, thoughts and steps that the run's own judge
 * was asked about. Its verdicts go to judged/<judge>.jsonl, one rollout a line, and are asked for once.
 */
import { existsSync, rmSync } from 'node:fs';
import pLimit from 'p-limit';
import { z } from 'zod';
import type { OtherJudge } from '../config/index.js';
import { SparkError, throwIfAborted, toSparkError } from '../errors.js';
import { linesOf, readJsonl } from '../jsonl/read.js';
import { JsonlAppender } from '../jsonl/write.js';
import { type Judge, type JudgeRequest, type JudgeVerdict, NO_VERDICT } from '../judge/judge.js';
import { batchPrice, estimateCost, requirePrice } from '../judge/prices.js';
import { concurrencyOf } from '../judge/settings.js';
import { type KeysOf, requireKeys } from '../options.js';
import { filterQuestions } from '../questions/filter.js';
import type { Question } from '../questions/question.js';
import { ask, told } from '../rollout/ask.js';
import { judgedSteps } from '../rollout/step.js';
import { RunFolder } from '../run/folder.js';
import { type Facts, hashOf, hashOfPath } from '../run/freshness.js';
import { judgeNameOf } from '../run/judge.js';
import { listActions, openOtherJudge } from '../run/parts.js';
import { RunQuestions } from '../run/questions.js';
import type { Run } from '../run/run.js';
import { loadParts } from '../run/userParts.js';
import { nameOfSet, trajectoryId } from '../trajectory/rolloutSet.js';
import { scoresSchema } from '../trajectory/schema.js';
import { readTrajectories } from '../trajectory/store.js';
import type { SelectionRule, Trajectory } from '../trajectory/trajectory.js';
import type { Outcome, Stage } from './stage.js';

export interface RejudgeSpec {
  /** An entry of `ablate.judges`. */
  readonly judge: OtherJudge;
  /** The rollout set. */
  readonly selection: SelectionRule;
  readonly tau: number;
  /** How many of its rollouts, balanced over the categories; 0: all. */
  readonly rollouts: number;
}

const SPEC = {
  judge: true,
  selection: true,
  tau: true,
  rollouts: true,
} as const satisfies KeysOf<RejudgeSpec>;

const lineSchema = z.object({
  /** Of the trajectory */
  id: z.string(),
  /** Id of the judge */
  judge: z.string(),
  steps: z.array(z.object({ scores: scoresSchema, processOk: z.boolean().nullable() })),
});

/** What a judge says of a rollout: for each step nine scores, none where it refused, and whether the step was coherent. */
export type JudgedRollout = z.infer<typeof lineSchema>;

export interface RejudgeSummary {
  readonly judge: string;
  readonly rollouts: number;
  readonly steps: number;
  /** Requests to which the judge gave no verdict; they are not asked again. */
  readonly refused: number;
}

export function rejudgeStage(spec: RejudgeSpec): Stage<RejudgeSummary> {
  requireKeys(spec, SPEC, 'rejudgeStage: spec');
  return {
    name: `rejudge ${spec.judge.name}`,
    dependsOn: (run) => rejudgeFacts(run, spec),
    async prepare(run, changed) {
      if (changed?.length !== 0) rmSync(run.folder.judgedFile(spec.judge.name), { force: true });
    },
    execute: (run) => rejudge(run, spec),
    async price(config, root, goesOn) {
      const all = (await new RunQuestions(config).train()).length;
      const rollouts = spec.rollouts === 0 ? all : Math.min(all, spec.rollouts);
      const { judge } = spec;
      const paid = !('parts' in judge) && judge.kind === 'api';
      const already = goesOn ? Math.min(rollouts, judgedSoFar(root, judge.name)) : 0;
      const none = { questions: rollouts, already, calls: 0, paid, dollars: 0, inputTokens: 0, outputTokens: 0 };
      if (!paid) return none;
      const direct = requirePrice(judge.model, judge.price);
      const price = judge.batch ? batchPrice(direct) : direct;
      const actions = await listActions(config, (await loadParts(config)).parts, { root });
      const { usd, ...cost } = estimateCost(rollouts - already, config.rollout.maxSteps, { actions, price });
      return { ...none, ...cost, dollars: usd ?? 0 };
    },
  };
}

/** Rollouts that the judge has judged; 0 where there is no run yet. */
function judgedSoFar(root: string, judge: string): number {
  if (RunFolder.peek(root) === null) return 0;
  return linesOf(RunFolder.existing(root).judgedFile(judge)).length;
}

/** The rollouts that are judged again, the same for every judge. */
export async function chosenRollouts(
  run: Run,
  { selection, tau, rollouts }: Pick<RejudgeSpec, 'selection' | 'tau' | 'rollouts'>,
): Promise<readonly { readonly trajectory: Trajectory; readonly question: Question }[]> {
  const questions = filterQuestions(await run.questions.train(), { seed: run.config.seed });
  const order = new Map(
    questions.map((question, at) => [trajectoryId(question.question_id, { selection, tau }, 0), at]),
  );
  const found: { trajectory: Trajectory; question: Question }[] = [];
  for await (const trajectory of readTrajectories(
    run.folder.trajectoriesFile(nameOfSet({ selection, tau })),
    run.log,
  )) {
    const at = order.get(trajectory.id);
    if (at !== undefined && trajectory.steps.length > 0) found.push({ trajectory, question: questions[at]! });
  }
  found.sort((a, b) => order.get(a.trajectory.id)! - order.get(b.trajectory.id)!);
  return rollouts === 0 ? found : found.slice(0, rollouts);
}

/** What the judge has said so far, by the id of the trajectory. */
export async function readJudged(run: Run, name: string): Promise<ReadonlyMap<string, JudgedRollout>> {
  const file = run.folder.judgedFile(name);
  const judged = new Map<string, JudgedRollout>();
  if (!existsSync(file)) return judged;
  for await (const line of readJsonl(file, lineSchema)) judged.set(line.id, line);
  return judged;
}

async function rejudgeFacts(run: Run, spec: RejudgeSpec): Promise<Facts> {
  const { judge } = spec;
  const chosen = await chosenRollouts(run, spec);
  return {
    judge: await judgeFact(run, judge),
    rollouts: hashOf(chosen.map(({ trajectory }) => trajectory)),
    actions: hashOf(run.parts.actions()),
  };
}

async function judgeFact({ config, signal }: Run, judge: OtherJudge): Promise<Facts[string]> {
  if ('parts' in judge) return hashOfPath(judge.parts, signal);
  // A local judge's name says what is in its file.
  if (judge.kind === 'local') return judgeNameOf(judge, config, signal);
  return { kind: judge.kind, model: judge.model };
}

async function rejudge(run: Run, spec: RejudgeSpec): Promise<Outcome<RejudgeSummary>> {
  const { folder, log, config } = run;
  const file = folder.judgedFile(spec.judge.name);
  const done = new Map(await readJudged(run, spec.judge.name));
  const chosen = await chosenRollouts(run, spec);
  const todo = chosen.filter(({ trajectory }) => !done.has(trajectory.id));
  const { judge, counters, warnings, used, judgeAll, close } = await openOtherJudge(config, spec.judge, {
    cacheFolder: folder.judgeCacheFolder,
    ledgerFile: folder.batchesFile(spec.judge.name),
    actions: () => run.parts.actions(),
    log,
    signal: run.signal,
  });
  const appender = new JsonlAppender(file, false);
  const stop = new AbortController();
  const signal = AbortSignal.any([run.signal, stop.signal]);
  const limit = pLimit(concurrencyOf('parts' in spec.judge ? config.judge : spec.judge));
  let failure: SparkError | null = null;
  try {
    if (judgeAll !== undefined) {
      const all = todo.flatMap((rollout) => requestsOf(run, rollout));
      await judgeAll(all.map(told), run.signal);
    }
    const work = todo.map(({ trajectory, question }) =>
      limit(async () => {
        if (signal.aborted) return;
        try {
          const line = await judgeRollout(run, judge, { trajectory, question, signal });
          appender.append(line);
          done.set(line.id, line);
          log.progress(`rejudge ${spec.judge.name} ${done.size}/${chosen.length}`);
        } catch (error) {
          // The first failure aborts the others; their errors only follow from it.
          failure ??= toSparkError(error);
          stop.abort(failure);
        }
      }),
    );
    await Promise.all(work);
    throwIfAborted(run.signal);
    if (failure !== null) throw failure;
    for (const warning of warnings()) log.warn(warning);
  } finally {
    // After an interruption, too: what the judge did was paid for.
    folder.metrics.append({ event: 'rejudge', judge: spec.judge.name, ...counters() });
    appender.close();
    await close();
  }
  const steps = chosen.flatMap(({ trajectory }) => done.get(trajectory.id)!.steps);
  const refused = steps.filter(({ scores }) => Object.keys(scores).length === 0).length;
  const result = { judge: judge.id, rollouts: chosen.length, steps: steps.length, refused };
  const took = used();
  log.info(
    `rejudge ${spec.judge.name}: ${steps.length} states of ${chosen.length} rollouts, ${refused} without a verdict` +
      `${took === null ? '' : `; ${took}`}`,
  );
  return { result, files: [file], complete: true, units: todo.length };
}

async function judgeRollout(
  run: Run,
  judge: Judge,
  rollout: { readonly trajectory: Trajectory; readonly question: Question; readonly signal: AbortSignal },
): Promise<JudgedRollout> {
  const verdicts: JudgeVerdict[] = [];
  for (const request of requestsOf(run, rollout)) verdicts.push(await verdictOf(judge, request, rollout.signal));
  const judged = rollout.trajectory.steps.map((_, at) => ({
    scores: { ...verdicts[at]!.scores },
    processOk: verdicts[at + 1]!.processOk,
  }));
  return { id: rollout.trajectory.id, judge: judge.id, steps: judged };
}

/** The requests are those of the rollout (rollout/step.ts): a step's coherence comes with the request after it. */
function requestsOf(
  { parts }: Run,
  { trajectory, question }: { readonly trajectory: Trajectory; readonly question: Question },
): JudgeRequest[] {
  const { steps, answerText } = trajectory;
  return Array.from({ length: steps.length + 1 }, (_, at) => ({
    question,
    steps: judgedSteps(steps.slice(0, at)),
    thought: steps[at]?.thought ?? null,
    answer: at === steps.length ? answerText : null,
    actions: parts.actions(),
  }));
}

const NOTHING: JudgeVerdict = { scores: {}, processOk: null };

/** A verdict without anything when the judge refuses or cannot be read; what else goes wrong ends the stage. */
async function verdictOf(judge: Judge, request: JudgeRequest, signal: AbortSignal): Promise<JudgeVerdict> {
  throwIfAborted(signal);
  try {
    return await ask(judge, request, signal);
  } catch (error) {
    if (error instanceof SparkError && NO_VERDICT.has(error.code)) return NOTHING;
    throw error;
  }
}
