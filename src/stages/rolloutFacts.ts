/** The settings of rollouts, and the facts they depend on. */
import type { Config } from '../config/index.js';
import { modelSha256 } from '../inference/ggufParts.js';
import type { Question } from '../questions/question.js';
import type { RolloutSettings } from '../rollout/settings.js';
import { type Change, type Facts, hashOf } from '../run/freshness.js';
import type { Run } from '../run/run.js';
import { nameOfSet, type RolloutSet } from '../trajectory/rolloutSet.js';

/** The settings of a rollout from the configuration. */
export function rolloutSettings(
  { rollout, tools, seed }: Config,
  chosen: Pick<RolloutSettings, 'selection' | 'tau' | 'temperature' | 'minSteps'>,
): RolloutSettings {
  const { timeoutMs, maxObservationChars } = tools;
  return { ...rollout, ...chosen, toolTimeoutMs: timeoutMs, maxObservationChars, seed, attempt: 0 };
}

/** The questions by content, each under its id, so that more or fewer questions are told apart from other questions. */
export function questionFacts(questions: readonly Question[]): Facts {
  return Object.fromEntries(questions.map((question) => [question.question_id, hashOf(question).slice(0, 8)]));
}

/** Whether a change says no more than that there is a question more or less. */
export function isOneQuestion({ name, before, now }: Change): boolean {
  return name.startsWith('questions.') && (before === undefined || now === undefined);
}

/** The facts that rollouts and evaluations have in common: limits, tools, model, seed. */
export async function actingFacts({ config, parts, partsHash, signal }: Run): Promise<Facts> {
  const { selection: _rule, tau: _threshold, temperature: _sampled, minSteps: _least, ...limits } = config.rollout;
  const { timeoutMs, maxObservationChars } = config.tools;
  return {
    model: await modelSha256(config.model.path, signal),
    ...limits,
    tools: { actions: hashOf(parts.actions()), timeoutMs, maxObservationChars },
    contextSize: config.inference.contextSize,
    seed: config.seed,
    parts: partsHash,
  };
}

export async function rolloutFacts(run: Run, set: RolloutSet): Promise<Facts> {
  const { temperature, minSteps } = run.config.rollout;
  return {
    set: nameOfSet(set),
    temperature,
    minSteps,
    judge: await run.parts.judgeName(),
    ...(await actingFacts(run)),
  };
}
