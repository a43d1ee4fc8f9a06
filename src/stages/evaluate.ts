/** The stage that answers the test questions with one adapter, into eval/<name>.jsonl, and summarizes the answers. */
import { rmSync } from 'node:fs';
import { SparkError } from '../errors.js';
import { type Answered, type StageEvaluation, summarize } from '../evaluate/summary.js';
import { stageSigns } from '../evaluate/warnings.js';
import { checkKeys, type KeysOf } from '../options.js';
import type { Question } from '../questions/question.js';
import { rolloutWithoutTools } from '../rollout/plain.js';
import { isTrajectory } from '../rollout/rollout.js';
import { type ResultHandler, type RunSummary, runAll, runRollouts } from '../rollout/run.js';
import { ActionUsage } from '../rollout/usage.js';
import { type Facts, hashOfPath } from '../run/freshness.js';
import type { StageRecord } from '../run/records.js';
import { noStage, type Run } from '../run/run.js';
import { trajectoryId } from '../trajectory/rolloutSet.js';
import { readTrajectories, skipsFile, TrajectoryStore } from '../trajectory/store.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { percent } from '../units.js';
import { actingFacts, isOneQuestion, questionFacts, rolloutSettings } from './rolloutFacts.js';
import type { Outcome, Stage } from './stage.js';
import { thresholdsOf } from './watchTraining.js';

export interface EvaluateSpec {
  /** Name of the file and of the row in tables. */
  readonly name: string;
  /** `base`: no adapter; `{ stage }`: one that the run has trained; `{ path }`: a GGUF LoRA file. */
  readonly adapter: 'base' | { readonly stage: string } | { readonly path: string };
  /** False: the model writes one chain of thought under the official prompt. */
  readonly tools: boolean;
}

const SPEC = { name: true, adapter: true, tools: true } as const satisfies KeysOf<EvaluateSpec>;

/** The two evaluations of the untrained model. */
export const BASE: EvaluateSpec = { name: 'base', adapter: 'base', tools: false };
export const BASE_TOOLS: EvaluateSpec = { name: 'base-tools', adapter: 'base', tools: true };

export function evaluateName(stage: string): string {
  return `evaluate ${stage}`;
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
  checkKeys(spec, SPEC, 'evaluateStage: spec');
  return {
    name: evaluateName(spec.name),
    dependsOn: (run) => evaluateFacts(run, spec),
    async prepare(run, changed) {
      // When only the set of questions has changed, the answers are still valid; else they are removed.
      if (changed?.every(isOneQuestion)) return;
      const file = run.folder.evalFile(spec.name);
      rmSync(file, { force: true });
      rmSync(skipsFile(file), { force: true });
    },
    execute: (run) => evaluate(run, spec),
    settle: (run) => lookForSigns(run, spec.name),
  };
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

function adapterOf(run: Run, { adapter }: EvaluateSpec): string | null {
  if (adapter === 'base') return null;
  if ('path' in adapter) return adapter.path;
  const file = run.adapterOf(adapter.stage);
  if (file === null) throw noStage(run, adapter.stage);
  return file;
}

async function evaluateFacts(run: Run, spec: EvaluateSpec): Promise<Facts> {
  const { config, questions, signal } = run;
  const adapter = adapterOf(run, spec);
  return {
    adapter: adapter === null ? null : await hashOfPath(adapter, signal),
    withTools: spec.tools,
    eval: config.eval,
    shots: config.questions.shots === null ? null : await hashOfPath(config.questions.shots, signal),
    ...(await actingFacts(run)),
    questions: questionFacts(await questions.test()),
  };
}

async function evaluate(run: Run, spec: EvaluateSpec): Promise<Outcome<StageEvaluation>> {
  const { folder, log } = run;
  const questions = await run.questions.test();
  const file = folder.evalFile(spec.name);
  const done = new Map<number, Answered>();
  const keep = (trajectory: Trajectory) => done.set(trajectory.questionId, answered(trajectory));
  const store = await TrajectoryStore.open(file, { log, onStored: keep });
  const todo = questions.filter(({ question_id }) => !store.has(trajectoryId(question_id, POLICY, 0)));
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
        log.progress(`eval ${spec.name} ${done.size}/${questions.length}`);
      });
      skips = summary.skips;
    }
  } finally {
    store.close();
  }
  const result = summarize(oneEach(questions, done), actionNames(run));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const skipped = skips === 0 ? '' : `, ${skips} questions skipped (eval/${spec.name}.skips.jsonl says why)`;
  const { accuracy, entropyBits } = result;
  log.info(
    `eval ${spec.name}: ${percent(accuracy)} of ${questions.length}, entropy ${entropyBits.toFixed(2)} bits, ${seconds} s${skipped}`,
  );
  return { result, files: [file], complete: skips === 0, units: todo.length };
}

/** In an evaluation the policy chooses its actions itself. */
const POLICY = { selection: 'policy', tau: null } as const;

/** An evaluation's answers by question, in the order of the test questions; one without a trajectory is wrong. */
export async function readAnswers(run: Run, name: string): Promise<ReadonlyMap<number, Answered>> {
  const done = new Map<number, Answered>();
  for await (const trajectory of readTrajectories(run.folder.evalFile(name), run.log)) {
    done.set(trajectory.questionId, answered(trajectory));
  }
  const questions = await run.questions.test();
  const each = oneEach(questions, done);
  return new Map(questions.map(({ question_id }, index) => [question_id, each[index]!]));
}

/** The result of an unfinished evaluation, where open questions count as wrong; null when it has no answer yet. */
export async function partialEvaluation(
  run: Run,
  name: string,
): Promise<{ result: StageEvaluation; left: number } | null> {
  const done = new Map<number, Answered>();
  for await (const trajectory of readTrajectories(run.folder.evalFile(name), run.log)) {
    done.set(trajectory.questionId, answered(trajectory));
  }
  if (done.size === 0) return null;
  const questions = await run.questions.test();
  const left = questions.filter(({ question_id }) => !done.has(question_id)).length;
  return { result: summarize(oneEach(questions, done), actionNames(run)), left };
}

/** What the summary needs of a trajectory; its tokens and texts are not kept in memory. */
function answered({ category, correct, answer, steps }: Trajectory): Answered {
  return { category, correct, answer, steps: steps.map(({ action }) => ({ action })) };
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
  const { config, parts, signal } = run;
  const { temperature, minSteps, maxChainTokens } = config.eval;
  const generator = await parts.generator(adapterOf(run, spec));
  try {
    if (!spec.tools) {
      const validation = await run.questions.shots();
      const settings = { validation, temperature, maxChainTokens, seed: config.seed, attempt: 0 };
      const chain = (question: Question, stop: AbortSignal) =>
        rolloutWithoutTools(question, { generator, signal: stop }, settings);
      return await runAll(todo, { generator, signal }, chain, handle);
    }
    const deps = { generator, judge: null, tools: parts.tools(), usage: new ActionUsage(), signal };
    const settings = rolloutSettings(config, {
      ...{ selection: 'policy', tau: config.rollout.tau, temperature, minSteps },
    });
    return await runRollouts(todo, deps, settings, handle);
  } finally {
    await generator.dispose();
  }
}

function actionNames({ parts }: Run): string[] {
  return parts.actions().map(({ name }) => name);
}
