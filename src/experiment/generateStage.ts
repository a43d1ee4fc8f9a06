/** Rollouts of one policy into a run's trajectories.jsonl; what is there already is not made again. */

import path from 'node:path';
import type { Config } from '../config.js';
import { SparkError } from '../errors.js';
import { estimateCost, requirePrice } from '../judge/prices.js';
import { isTrajectory } from '../rollout/rollout.js';
import { runRollouts } from '../rollout/run.js';
import type { RolloutSettings } from '../rollout/settings.js';
import { trajectoryId } from '../rollout/settings.js';
import { ActionUsage } from '../rollout/usage.js';
import { readSealed, writeSealed } from '../sealed.js';
import { TrajectoryStore } from '../trajectory/store.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { openGenerator, openJudge, openTools } from './parts.js';
import type { Session } from './session.js';
import { trainQuestions } from './splits.js';

export interface GenerateSummary {
  readonly file: string;
  readonly policy: Trajectory['policy'];
  readonly questions: number;
  readonly written: number;
  readonly already: number;
  readonly skipped: number;
  /** Skips by code. */
  readonly skipCodes: Readonly<Record<string, number>>;
  /** Steps by action, over all trajectories of this policy. */
  readonly actions: Readonly<Record<string, number>>;
  readonly seconds: number;
}

export async function generateStage(session: Session): Promise<GenerateSummary> {
  const { config, run, log, signal } = session;
  const { policy } = config.rollout;
  const questions = await trainQuestions(config);
  await refuseMixture(session);
  const store = await TrajectoryStore.open(run.trajectoriesFile, { log });
  const stored = store.stored.filter((trajectory) => trajectory.policy === policy);
  const todo = questions.filter((question) => !store.has(trajectoryId(question.question_id, policy, 0)));
  const started = performance.now();
  const fresh: Trajectory[] = [];
  let skipCodes: Readonly<Record<string, number>> = {};
  try {
    if (todo.length > 0) {
      skipCodes = await rollOut(session, todo, stored, (result) => {
        if (isTrajectory(result)) {
          store.append(result);
          fresh.push(result);
        } else {
          store.appendSkip(result);
        }
        log.progress(`generate ${policy} ${fresh.length}/${todo.length}`);
      });
    }
  } finally {
    store.close();
  }
  const seconds = (performance.now() - started) / 1000;
  const skipped = Object.values(skipCodes).reduce((sum, count) => sum + count, 0);
  const actions = countActions([...stored, ...fresh]);
  if (signal.aborted) log.warn('generation stopped early');
  const summary = { policy, questions: questions.length, written: fresh.length, already: stored.length, skipped };
  log.info(
    `generate ${policy}: ${fresh.length} trajectories, ${stored.length} were there, ${skipped} skipped, ${seconds.toFixed(1)} s`,
  );
  return { ...summary, file: run.trajectoriesFile, skipCodes, actions, seconds };
}

/** Rollouts of one policy in one run are made under the same rules, or they could not be learned from together. */
async function refuseMixture({ config, run }: Session): Promise<void> {
  const file = path.join(run.root, 'rollouts.json');
  const remedy = 'remove it: the next generate writes it again, so give that the settings the rollouts were made under';
  const made = readSealed<Record<string, unknown>>(file, { remedy }) ?? {};
  const { policy, ...limits } = config.rollout;
  const { kind, model } = config.judge;
  const rules = { ...limits, tools: config.tools, judge: kind === 'api' ? model : kind, model: config.model.path };
  const before = made[policy];
  if (before !== undefined && JSON.stringify(before) !== JSON.stringify(rules)) {
    throw new SparkError(
      'run_exists',
      `${run.root} holds ${policy} rollouts made under other rules than these (${file} has them): ` +
        'give another --run, or the same settings as before',
    );
  }
  await writeSealed(file, { ...made, [policy]: rules });
}

type Handle = Parameters<typeof runRollouts>[3];

async function rollOut(
  session: Session,
  todo: Parameters<typeof runRollouts>[0],
  stored: readonly Trajectory[],
  handle: Handle,
): Promise<Readonly<Record<string, number>>> {
  const { config, run, log, signal } = session;
  const { judge, counters, warnings } = openJudge(session);
  const tools = openTools(config);
  const generator = await openGenerator(session, null).catch(async (error: unknown) => {
    await tools.dispose();
    throw error;
  });
  const usage = new ActionUsage(stored.flatMap((trajectory) => trajectory.steps.map((step) => step.action)));
  try {
    await tools.warm();
    const deps = { generator, judge, tools, usage, signal };
    const settings = rolloutSettings(config, config.rollout.policy, config.rollout.temperature);
    const done = await runRollouts(todo, deps, settings, handle);
    run.metrics.append({ event: 'generate', policy: config.rollout.policy, ...done.skipCodes, ...counters() });
    for (const warning of warnings()) log.warn(warning);
    return done.skipCodes;
  } finally {
    await generator.dispose();
    await tools.dispose();
  }
}

/** The part of a configuration that a rollout is made with. */
export function rolloutSettings(config: Config, policy: Trajectory['policy'], temperature: number): RolloutSettings {
  const { policy: _chosen, temperature: _sampled, ...limits } = config.rollout;
  const { timeoutMs, maxObservationChars } = config.tools;
  return {
    ...limits,
    policy,
    temperature,
    toolTimeoutMs: timeoutMs,
    maxObservationChars,
    seed: config.seed,
    attempt: 0,
  };
}

export interface GenerationPrice {
  readonly questions: number;
  /** One call a step and one for the end. */
  readonly calls: number;
  /** False: the oracle, which costs nothing. */
  readonly paid: boolean;
  readonly dollars: number;
}

/** What judging one policy's rollouts will cost at most steps and usual lengths. */
export async function priceOfGeneration(config: Config): Promise<GenerationPrice> {
  const questions = (await trainQuestions(config)).length;
  const tools = openTools(config);
  const actions = tools.actions();
  await tools.dispose();
  const paid = config.judge.kind === 'api';
  const price = paid ? requirePrice(config.judge.model, config.judge.price) : null;
  const { calls, usd } = estimateCost(questions, config.rollout.maxSteps, { actions, price });
  return { questions, calls, paid, dollars: usd ?? 0 };
}

function countActions(trajectories: readonly Trajectory[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const step of trajectories.flatMap((trajectory) => trajectory.steps)) {
    counts[step.action] = (counts[step.action] ?? 0) + 1;
  }
  return counts;
}
