/**
 * Checks whether a run's stored prompts are still those that this model's chat template, tokenizer and instructions
 * make of the questions. Comparing log-probs cannot show it, as both engines get the same stored tokens. But a policy
 * that was trained on one prompt and is asked with another has learned something of no use.
 */
import type { Config } from '../config/index.js';
import type { SparkError } from '../errors.js';
import { openTokenizer } from '../inference/llamaCpp.js';
import { headTokens, renderHead } from '../rollout/prompt.js';
import { promptSettings } from '../rollout/settings.js';
import { runRoot } from '../run/folder.js';
import { listActions } from '../run/parts.js';
import { RunQuestions } from '../run/questions.js';
import { loadParts } from '../run/userParts.js';
import type { Trajectory } from '../trajectory/trajectory.js';

export interface PromptCheck {
  /** Trajectories whose question is among the configured ones. */
  readonly compared: number;
  readonly different: number;
  /** The first trajectory whose prompt differs, and the first token that does. */
  readonly first: { readonly id: string; readonly token: number } | null;
}

export async function checkPrompts(
  config: Config,
  trajectories: AsyncIterable<Trajectory>,
  signal: AbortSignal,
): Promise<PromptCheck> {
  const train = await new RunQuestions(config).train();
  const questions = new Map(train.map((question) => [question.question_id, question]));
  const { parts } = await loadParts(config);
  const actions = await listActions(config, parts, { root: runRoot(config.name), signal });
  const tokenizer = await openTokenizer(config.model.path, signal);
  try {
    const settings = promptSettings(tokenizer, actions, config.rollout);
    let compared = 0;
    let different = 0;
    let first: PromptCheck['first'] = null;
    for await (const trajectory of trajectories) {
      const question = questions.get(trajectory.questionId);
      // An imported one was made of another question than this run's, under other tools' names.
      if (question === undefined || trajectory.tokenised === 'later') continue;
      compared += 1;
      const today = headTokens(renderHead(question, settings), tokenizer);
      const token = firstDifference(promptOf(trajectory), today);
      if (token === null) continue;
      different += 1;
      first ??= { id: trajectory.id, token };
    }
    return { compared, different, first };
  } finally {
    await tokenizer.dispose();
  }
}

export function promptOf({ tokens, segments }: Trajectory): number[] {
  return segments.filter(({ kind }) => kind === 'prompt').flatMap(({ start, end }) => tokens.slice(start, end));
}

/** Index of the first token that differs; null when the lists are equal. */
export function firstDifference(a: readonly number[], b: readonly number[]): number | null {
  const most = Math.max(a.length, b.length);
  for (let at = 0; at < most; at++) if (a[at] !== b[at]) return at;
  return null;
}

export function promptCause({ different, compared, first }: PromptCheck): string {
  return (
    `the chat template: ${different} of ${compared} stored prompts are not what this model's template, tokenizer and ` +
    `instructions make of their questions today (${first!.id} from token ${first!.token} on); the model, rollout.maxSteps, ` +
    'rollout.example or the tools are not those of the rollouts: restore them, or generate again'
  );
}

/** The warning for a run whose questions cannot be read. */
export function noPrompts(error: SparkError): string {
  return `prompts: not compared: [${error.code}] ${error.message}`;
}
