/** The stage that answers the test or validation questions with one adapter, into a file, and summarizes the answers. */
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import { type Answered, answeredStep, type StageEvaluation, summarize } from '../evaluate/summary.js';
import { stageSigns } from '../evaluate/warnings.js';
import type { Generator } from '../inference/generator.js';
import { type KeysOf, requireKeys } from '../options.js';
import type { Question } from '../questions/question.js';
import { rolloutWithoutTools } from '../rollout/plain.js';
import { isTrajectory } from '../rollout/rollout.js';
import { type ResultHandler, type RunSummary, runAll, runRollouts } from '../rollout/run.js';
import { type Facts, hashOfPath } from '../run/freshness.js';
import type { QuestionPart } from '../run/questions.js';
import type { StageRecord } from '../run/records.js';
import { noStage, type Run } from '../run/run.js';
import { trajectoryId } from '../trajectory/rolloutSet.js';
import { readTrajectories, skipsFile, TrajectoryStore } from '../trajectory/store.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { percent } from '../units.js';
import { refuseStrangers } from './judgeable.js';
import { priceOfEvaluation } from './price.js';
import { leavesAnswers, regrade } from './regrade.js';
import { actingFacts, questionFacts, rolloutSettings } from './rolloutFacts.js';
import type { Outcome, Stage } from './stage.js';
import { thresholdsOf } from './watchTraining.js';

export interface EvaluateSpec {
  /** Name of the file and of the row in tables. */
  readonly name: string;
  readonly adapter: EvaluatedAdapter;
  /** False: the model writes one chain of thought under the official prompt. */
  readonly tools: boolean;
  /** Absent: the test questions. */
  readonly questions?: EvaluatedPart;
}

/** `base`: no adapter; `{ stage }`: one that the run has trained; `{ path }`: a GGUF LoRA file. */
export type EvaluatedAdapter = 'base' | { readonly stage: string } | { readonly path: string };

export type EvaluatedPart = Exclude<QuestionPart, 'train'>;

const SPEC = { name: true, adapter: true, tools: true, questions: true } as const satisfies KeysOf<EvaluateSpec>;

/** The two evaluations of the untrained model. */
export const BASE: EvaluateSpec = { name: 'base', adapter: 'base', tools: false };
export const BASE_TOOLS: EvaluateSpec = { name: 'base-tools', adapter: 'base', tools: true };

export function evaluateName(stage: string, part: EvaluatedPart = 'test'): string {
  return `${part === 'test' ? 'evaluate' : 'validate'} ${stage}`;
}

/** Names of the evaluations: the untrained stages first, as in the ladder, then in the order in which they began. */
export function evaluatedNames(records: Readonly<Record<string, StageRecord>>): string[] {
  const prefix = evaluateName('');
  const began = Object.keys(records).filter((name) => name.startsWith(prefix));
  const names = began.map((name) => name.slice(prefix.length));
  const first = [BASE.name, BASE_TOOLS.name].filter((name) => names.includes(name));
  return [...new Set([...first, ...names])];
}

export function evaluateStage(spec: EvaluateSpec): Stage<StageEvaluation> {
  requireKeys(spec, SPEC, 'evaluateStage: spec');
  return {
    name: evaluateName(spec.name, spec.questions),
    dependsOn: (run) => evaluateFacts(run, spec),
    async prepare(run, changed) {
      const questions = await run.questions.of(spec.questions ?? 'test');
      if (isJudged(run.config, spec)) await refuseStrangers(run, questions);
      const file = run.folder.evalFile(spec.name, spec.questions);
      // When only the set of questions or their verifiers have changed, the answers are still valid; else they are removed.
      if (changed !== null && leavesAnswers(changed)) {
        return regrade(run, file, spec.tools ? 'block' : 'chain', { changed, questions });
      }
      rmSync(file, { force: true });
      rmSync(skipsFile(file), { force: true });
    },
    execute: (run) => evaluate(run, spec),
    price: async (config, root) =>
      isJudged(config, spec) ? priceOfEvaluation(config, spec.questions ?? 'test', root) : null,
    settle(run) {
      if (spec.questions !== 'validation') lookForSigns(run, spec.name);
    },
  };
}

/** Nobody judges a chain of thought, which has no steps. */
function isJudged(config: Config, spec: EvaluateSpec): boolean {
  return config.eval.judged && spec.tools;
}

/** Names the failure signs of a finished evaluation beside those before it; a rule ends the command, which keeps the result. */
function lookForSigns({ config, records, log }: Run, name: string): void {
  const all = records.all();
  const finished = evaluatedNames(all).flatMap((one) => {
    const evaluation = all[evaluateName(one)]?.finished?.result as StageEvaluation | undefined;
    return evaluation === undefined ? [] : [{ name: one, evaluation }];
  });
  const index = finished.findIndex((one) => one.name === name);
  for (const { code, message } of stageSigns(finished[index]!, finished.slice(0, index), thresholdsOf(config))) {
    const rule = config.watch.rules[code];
    if (rule === 'warn') log.warn(`eval ${name}: [${code}] ${message}`);
    if (rule !== 'stop') continue;
    throw new SparkError(
      'failure_sign',
      `eval ${name} ends the command by watch.rules.${code}: ${message}. What was done is kept: the same command with ` +
        `--set watch.rules.${code}=warn goes on`,
    );
  }
}

/** Path of the adapter; null: none. */
export function adapterPath(run: Run, adapter: EvaluatedAdapter): string | null {
  if (adapter === 'base') return null;
  if ('path' in adapter) return adapter.path;
  const file = run.adapterOf(adapter.stage);
  if (file === null) throw noStage(run, adapter.stage);
  return file;
}

async function evaluateFacts(run: Run, spec: EvaluateSpec): Promise<Facts> {
  const { config, questions, signal } = run;
  const adapter = adapterPath(run, spec.adapter);
  return {
    adapter: adapter === null ? null : await hashOfPath(adapter, signal),
    withTools: spec.tools,
    eval: answeringOf(config),
    ...(isJudged(config, spec) ? { judge: await run.parts.judgeName(), tau: config.rollout.tau } : {}),
    shots: config.questions.shots === null ? null : await hashOfPath(config.questions.shots, signal),
    ...(await actingFacts(run)),
    ...questionFacts(await questions.of(spec.questions ?? 'test')),
  };
}

/** Of the section what an evaluation depends on; the rest is of trainings. */
function answeringOf({ eval: { temperature, minSteps, maxChainTokens, judged } }: Config): Facts {
  return { temperature, minSteps, maxChainTokens, judged };
}

async function evaluate(run: Run, spec: EvaluateSpec): Promise<Outcome<StageEvaluation>> {
  const { folder, log } = run;
  const part = spec.questions ?? 'test';
  const questions = await run.questions.of(part);
  const file = folder.evalFile(spec.name, part);
  const done = new Map<number, Answered>();
  const keep = (trajectory: Trajectory) => done.set(trajectory.questionId, answered(run, trajectory));
  const store = await TrajectoryStore.open(file, { log, onStored: keep });
  const todo = questions.filter(({ question_id }) => !store.has(trajectoryId(question_id, POLICY, 0)));
  const verb = part === 'test' ? 'eval' : 'validate';
  const started = performance.now();
  let skips = 0;
  try {
    if (todo.length > 0) {
      const summary = await answer(run, spec, todo, (result) => {
        if (isTrajectory(result)) {
          store.append(result);
          keep(result);
        } else {
          store.appendSkip(result);
        }
        log.progress(`${verb} ${spec.name} ${done.size}/${questions.length}`);
      });
      skips = summary.skips;
    }
  } finally {
    store.close();
  }
  const result = summarize(oneEach(questions, done), actionNames(run));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const why = path.relative(folder.root, skipsFile(file));
  const skipped = skips === 0 ? '' : `, ${skips} questions skipped (${why} says why)`;
  const { accuracy, entropyBits } = result;
  log.info(
    `${verb} ${spec.name}: ${percent(accuracy)} of ${questions.length}, entropy ${entropyBits.toFixed(2)} bits, ${seconds} s${skipped}`,
  );
  return { result, files: [file], complete: skips === 0, units: todo.length };
}

/** In an evaluation the policy chooses its actions itself. */
const POLICY = { selection: 'policy', tau: null } as const;

/** An evaluation's answers by question, in the questions' order; one without a trajectory is wrong. */
export async function readAnswers(
  run: Run,
  name: string,
  part: EvaluatedPart = 'test',
): Promise<ReadonlyMap<number, Answered>> {
  const done = await readDone(run, name, part);
  const questions = await run.questions.of(part);
  const each = oneEach(questions, done);
  return new Map(questions.map(({ question_id }, index) => [question_id, each[index]!]));
}

/** The result of an unfinished evaluation, where open questions count as wrong; null when it has no answer yet. */
export async function partialEvaluation(
  run: Run,
  name: string,
): Promise<{ result: StageEvaluation; left: number } | null> {
  const done = await readDone(run, name, 'test');
  if (done.size === 0) return null;
  const questions = await run.questions.test();
  const left = questions.filter(({ question_id }) => !done.has(question_id)).length;
  return { result: summarize(oneEach(questions, done), actionNames(run)), left };
}

async function readDone(run: Run, name: string, part: EvaluatedPart): Promise<Map<number, Answered>> {
  const done = new Map<number, Answered>();
  for await (const trajectory of readTrajectories(run.folder.evalFile(name, part), run.log)) {
    done.set(trajectory.questionId, answered(run, trajectory));
  }
  return done;
}

/** What the summary needs of a trajectory; its tokens and texts are not kept in memory. */
function answered({ config }: Run, { category, correct, answer, steps }: Trajectory): Answered {
  return { category, correct, answer, steps: steps.map((step) => answeredStep(step, config.rollout.tau)) };
}

/** One result for each question. A question without a trajectory (too long, for example) counts as unparsed and wrong. */
function oneEach(questions: readonly Question[], done: ReadonlyMap<number, Answered>): Answered[] {
  return questions.map(({ question_id, category }) => {
    return done.get(question_id) ?? { category, correct: false, answer: null, steps: [] };
  });
}

async function answer(
  run: Run,
  spec: EvaluateSpec,
  todo: readonly Question[],
  handle: ResultHandler,
): Promise<RunSummary> {
  const generator = await run.parts.generator(adapterPath(run, spec.adapter), 'answer');
  if (generator.tokenised !== undefined) run.log.warn(textsAlone(generator));
  try {
    return await (spec.tools ? act(run, spec, generator, todo, handle) : think(run, generator, todo, handle));
  } finally {
    await generator.dispose();
  }
}

function textsAlone({ id }: Generator): string {
  return (
    `${id} gives texts without token ids: they are tokenised here, so that what it reads next may be split into other tokens than ` +
    'it wrote, and a turn that it ended counts as a closed block'
  );
}

/** One chain of thought for each question. */
async function think(
  run: Run,
  generator: Generator,
  todo: readonly Question[],
  handle: ResultHandler,
): Promise<RunSummary> {
  const { config, signal } = run;
  const { temperature, maxChainTokens } = config.eval;
  const grade = run.parts.grader();
  const validation = await run.questions.shots();
  const settings = { validation, temperature, maxChainTokens, seed: config.seed, attempt: 0 };
  const chain = (question: Question, stop: AbortSignal) =>
    rolloutWithoutTools(question, { generator, grade, signal: stop }, settings);
  return runAll(todo, { generator, signal }, chain, handle);
}

/** A rollout for each question, in which the policy chooses its actions. */
async function act(
  run: Run,
  spec: EvaluateSpec,
  generator: Generator,
  todo: readonly Question[],
  handle: ResultHandler,
): Promise<RunSummary> {
  const { config, parts, folder, log } = run;
  const { deps, settings } = actingWith(run, generator, evaluateName(spec.name, spec.questions));
  if (!isJudged(config, spec)) return runRollouts(todo, { ...deps, judge: null }, settings, handle);
  const { judge, counters, warnings, used } = await parts.judge();
  try {
    const summary = await runRollouts(todo, { ...deps, judge }, settings, handle);
    for (const warning of warnings()) log.warn(warning);
    const took = used();
    if (took !== null) log.info(`judge: ${took}`);
    return summary;
  } finally {
    // After an interruption, too: what the judge did was paid for.
    folder.metrics.append({ event: 'evaluate', evaluation: spec.name, ...counters() });
  }
}

/** Rollouts in which the policy chooses its actions. `work`: which of the evaluations, as their trajectories have the same ids. */
function actingWith({ config, parts, signal }: Run, generator: Generator, work: string) {
  const { temperature, minSteps } = config.eval;
  const settings = rolloutSettings(config, { selection: 'policy', tau: config.rollout.tau, temperature, minSteps });
  return { deps: { generator, tools: parts.tools(), grade: parts.grader(), signal }, settings: { ...settings, work } };
}

/**
 * Answers questions with tools, as an evaluation does, unjudged, and keeps the summary alone. `adapter`: a GGUF file; `work`: what
 * for, in words that are the same when it is done again; `said`: is told how many are answered.
 */
export async function tryAnswers(
  run: Run,
  { adapter, work }: { readonly adapter: string; readonly work: string },
  questions: readonly Question[],
  said: (done: number) => void,
): Promise<StageEvaluation> {
  const generator = await run.parts.generator(adapter, 'answer here');
  const done = new Map<number, Answered>();
  try {
    const { deps, settings } = actingWith(run, generator, work);
    await runRollouts(questions, { ...deps, judge: null }, settings, (result) => {
      if (isTrajectory(result)) done.set(result.questionId, answered(run, result));
      said(done.size);
    });
  } finally {
    await generator.dispose();
  }
  return summarize(oneEach(questions, done), actionNames(run));
}

function actionNames({ parts }: Run): string[] {
  return parts.actions().map(({ name }) => name);
}
