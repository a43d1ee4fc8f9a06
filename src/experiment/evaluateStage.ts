/** The test questions answered by one stage, greedily, into eval/<stage>.jsonl; an interrupted evaluation goes on. */

import { existsSync, rmSync } from 'node:fs';
import { type StageEvaluation, summarize } from '../evaluate/summary.js';
import { generatorHash } from '../inference/llamaCpp.js';
import type { Question } from '../questions/question.js';
import { rolloutWithoutTools } from '../rollout/plain.js';
import { isTrajectory } from '../rollout/rollout.js';
import { type ResultHandler, type RunSummary, runAll, runRollouts } from '../rollout/run.js';
import { trajectoryId } from '../rollout/settings.js';
import { ActionUsage } from '../rollout/usage.js';
import { readSealed, writeSealed } from '../sealed.js';
import { readSkips, readTrajectories, skipsFile, TrajectoryStore } from '../trajectory/store.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { rolloutSettings } from './generateStage.js';
import { openGenerator, openTools } from './parts.js';
import type { Session } from './session.js';
import { shotQuestions, testQuestions } from './splits.js';

export interface StageToEvaluate {
  /** Name of the file and of the row in tables. */
  readonly name: string;
  /** GGUF LoRA file; null: the base model alone. */
  readonly adapterPath: string | null;
  /** False: one chain of thought under the official prompt. */
  readonly tools: boolean;
}

export async function evaluateStage(session: Session, stage: StageToEvaluate): Promise<StageEvaluation> {
  const { config, run, log, signal } = session;
  const questions = await testQuestions(config);
  const file = run.evalFile(stage.name);
  const generator = await generatorHash(config.model.path, stage.adapterPath ?? undefined, signal);
  await dropOutdated(session, stage, generator);
  const store = await TrajectoryStore.open(file, { log });
  const done = new Map(store.stored.map((trajectory) => [trajectory.questionId, trajectory]));
  const todo = questions.filter((question) => !store.has(trajectoryId(question.question_id, 'model', 0)));
  const started = performance.now();
  let skips = 0;
  try {
    if (todo.length > 0) {
      const summary = await answer(session, stage, todo, (result) => {
        if (isTrajectory(result)) {
          store.append(result);
          done.set(result.questionId, result);
        } else {
          store.appendSkip(result);
        }
        log.progress(`eval ${stage.name} ${done.size}/${questions.length}`);
      });
      skips = summary.skips;
    }
  } finally {
    store.close();
  }
  const evaluation = summarize(withUnanswered(questions, done), actionNames(session));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const skipped = skips === 0 ? '' : `, ${skips} questions skipped (eval/${stage.name}.skips.jsonl says why)`;
  const { accuracy, entropyBits } = evaluation;
  log.info(
    `eval ${stage.name}: ${(100 * accuracy).toFixed(1)} % of ${questions.length}, entropy ${entropyBits.toFixed(2)} bits, ${seconds} s${skipped}`,
  );
  return evaluation;
}

/** What an earlier evaluation left, or null. */
export async function readEvaluation(session: Session, name: string): Promise<StageEvaluation | null> {
  const file = session.run.evalFile(name);
  if (!existsSync(file)) return null;
  const { log } = session;
  const done = new Map((await readTrajectories(file, log)).map((trajectory) => [trajectory.questionId, trajectory]));
  if (done.size === 0) return null;
  const questions = await testQuestions(session.config);
  const skipped = existsSync(skipsFile(file)) ? await readSkips(file, log) : [];
  const tried = new Set([...done.keys(), ...skipped.map(({ questionId }) => questionId)]);
  const left = questions.filter(({ question_id }) => !tried.has(question_id)).length;
  if (left > 0) {
    log.warn(
      `${file} is not finished: ${left} of ${questions.length} questions have no answer yet and count as wrong; ` +
        `spark-rl eval --run ${session.run.root} --stage ${name} goes on with it`,
    );
  }
  return summarize(withUnanswered(questions, done), actionNames(session));
}

/** One result for each question. A question that gave none (too long, say) counts as unparsed and wrong. */
function withUnanswered(questions: readonly Question[], done: ReadonlyMap<number, Trajectory>) {
  return questions.map(({ question_id, category }) => {
    return done.get(question_id) ?? { category, correct: false, answer: null, steps: [] };
  });
}

async function answer(
  session: Session,
  stage: StageToEvaluate,
  todo: readonly Question[],
  handle: ResultHandler,
): Promise<RunSummary> {
  const { config, signal } = session;
  const { temperature, maxChainTokens } = config.eval;
  const generator = await openGenerator(session, stage.adapterPath);
  const tools = openTools(config);
  try {
    if (!stage.tools) {
      const validation = await shotQuestions(config);
      const settings = { validation, temperature, maxChainTokens, seed: config.seed, attempt: 0 };
      const chain = (question: Question, stop: AbortSignal) =>
        rolloutWithoutTools(question, { generator, signal: stop }, settings);
      return await runAll(todo, { generator, signal }, chain, handle);
    }
    await tools.warm();
    const deps = { generator, judge: null, tools, usage: new ActionUsage(), signal };
    return await runRollouts(todo, deps, rolloutSettings(config, 'model', temperature), handle);
  } finally {
    await tools.dispose();
    await generator.dispose();
  }
}

/** Answers given by another model or adapter, or under other settings, say nothing about this evaluation. */
async function dropOutdated({ config, run }: Session, stage: StageToEvaluate, generator: string): Promise<void> {
  const file = run.evalFile(stage.name);
  const marker = file.replace(/\.jsonl$/, '.settings.json');
  const { rollout, tools, eval: settings, seed, inference } = config;
  const asked = JSON.stringify([generator, stage.tools, rollout, tools, settings, seed, inference.contextSize]);
  const before = readSealed<{ asked: string }>(marker, { remedy: 'remove it: the stage is evaluated again' });
  if (existsSync(file) && before?.asked !== asked) {
    rmSync(file);
    rmSync(skipsFile(file), { force: true });
  }
  await writeSealed(marker, { asked });
}

function actionNames({ config }: Session): string[] {
  return [...config.tools.enabled, 'think'];
}
