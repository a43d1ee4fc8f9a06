/** The position of a PPO training, which is stored in every checkpoint, and how it moves on. */
import { OUTLIER_NATS, type Outlier } from './divergence.js';
import type { StepReport } from './policySums.js';
import type { TrainContext } from './trainer.js';
import type { ValidationState } from './validation.js';

/** The batch that comes next, and what has been counted so far. */
export interface Position {
  iteration: number;
  epoch: number;
  batch: number;
  steps: number;
  /** Σ N_a over them */
  tokens: number;
  epochsStopped: number;
  /** Σ bounded k2 and tokens of the current epoch, for the target-KL stop */
  epochKl: number;
  epochTokens: number;
  /** Σ KL over the actions and states of the current epoch, for the same */
  epochActionKl: number;
  epochDecisions: number;
  /** Epochs of all iterations that are over, and whether the policy after the last of them is still to be measured */
  epochsDone: number;
  unmeasured: boolean;
  finalKl: number;
  finalValueLoss: number;
  /** Of measures on validation questions; null before the first */
  validation: ValidationState | null;
  /** Most packed tokens of a pass */
  passTokens: number;
}

/** `iteration`: the first that is trained, `epochsDone` those of the iterations before it. */
export function startPosition(passTokens: number, iteration = 0, epochsDone = 0): Position {
  return {
    passTokens,
    iteration,
    epoch: 0,
    batch: 0,
    steps: 0,
    tokens: 0,
    epochsStopped: 0,
    epochKl: 0,
    epochTokens: 0,
    epochActionKl: 0,
    epochDecisions: 0,
    epochsDone,
    unmeasured: false,
    finalKl: 0,
    finalValueLoss: 0,
    validation: null,
  };
}

/** Moves on to the next batch, epoch or iteration. `epochOver`: the epoch ends here, whatever batches are left. */
export function advance(
  at: Position,
  { epochs, iterations }: { readonly epochs: number; readonly iterations: number },
  batchesPerEpoch: number,
  epochOver: boolean,
): void {
  at.batch += 1;
  if (!epochOver && at.batch < batchesPerEpoch) return;
  Object.assign(at, { batch: 0, epoch: at.epoch + 1, epochKl: 0, epochTokens: 0, epochActionKl: 0, epochDecisions: 0 });
  at.epochsDone += 1;
  if (at.epoch === epochs) Object.assign(at, { epoch: 0, iteration: at.iteration + 1 });
  // The next iteration begins with a pass that reads the same policy, and measures it then.
  at.unmeasured = at.epoch > 0 || at.iteration === iterations;
}

/** `told`: the outliers that the log has named before. Every one is in the metrics, and the log names each once. */
export function record(at: Position, { report, farthest }: Step, context: TrainContext, told: Set<string>): void {
  at.steps += 1;
  at.tokens += report.tokens;
  at.epochKl += report.k2Bounded * report.tokens;
  at.epochTokens += report.tokens;
  at.epochActionKl += (report.actionKl ?? 0) * (report.decisions ?? 0);
  at.epochDecisions += report.decisions ?? 0;
  at.finalKl = report.k2Bounded;
  at.finalValueLoss = report.valueLoss;
  const { iteration, epoch, steps } = at;
  context.metrics({ stage: context.stage, iteration, epoch, step: steps, ...report });
  if (farthest !== null) logOutlier(farthest, report.outliers, at, context, told);
  context.log.progress(
    `${context.stage} step ${steps}  policy ${report.policyLoss.toFixed(4)}  kl ${report.k2Bounded.toFixed(4)}  ` +
      `value ${report.valueLoss.toFixed(4)}`,
  );
}

/** What an optimizer step did: its metrics, and the token that had moved farthest when it was past OUTLIER_NATS. */
export interface Step {
  readonly report: StepReport;
  readonly farthest: Outlier | null;
}

function logOutlier(
  outlier: Outlier,
  count: number,
  at: Position,
  { stage, metrics, log, detokenize }: TrainContext,
  told: Set<string>,
): void {
  const { id, position, token, logprob, reference } = outlier;
  const text = detokenize === undefined ? `token ${token}` : JSON.stringify(detokenize([token]));
  metrics({ stage, event: 'outlier', afterStep: at.steps, count, id, position, token, text, logprob, reference });
  const place = `${id} ${position}`;
  if (told.has(place)) return;
  told.add(place);
  log.info(
    `${stage} step ${at.steps}: ${count} of the batch's tokens are more than ${OUTLIER_NATS} nats from the reference, the ` +
      `farthest ${text} at ${position} of ${id}: ${reference.toFixed(1)} there, ${logprob.toFixed(1)} now`,
  );
}

/** How much farther than asked for the actions may go before an epoch ends: what is learned overshoots a little. */
export const ACTION_KL_SLACK = 1.5;

export interface KlLimits {
  /** For the tokens: mean bounded k2 to the reference */
  readonly targetKl: number;
  /** Mean KL(π* ‖ p_ref); null where the actions are not learned from their scores, so that their tokens count as any others */
  readonly goalKl: number | null;
}

/**
 * Whether the epoch is to end before its last batch, because the mean over it so far has passed the target: that of the
 * tokens' bounded k2, or of the exact KL over the actions. Logs it. Not asked after the last batch, where the epoch is over
 * anyway.
 */
export function klPassed(at: Position, limits: KlLimits, batchesPerEpoch: number, context: TrainContext): boolean {
  if (at.batch + 1 >= batchesPerEpoch) return false;
  const { targetKl, goalKl } = limits;
  const epochKl = at.epochKl / at.epochTokens;
  const epochActionKl = at.epochDecisions === 0 ? 0 : at.epochActionKl / at.epochDecisions;
  // What is taught may be nearer than the target, as where little is below τ and ρ is 0, or farther, with a λ set by hand.
  const most = ACTION_KL_SLACK * Math.max(targetKl, goalKl ?? 0);
  const ofActions = goalKl !== null && epochActionKl > most;
  if (epochKl <= targetKl && !ofActions) return false;
  at.epochsStopped += 1;
  const { iteration, epoch, batch } = at;
  const row = { stage: context.stage, event: 'target_kl', afterStep: at.steps, iteration, epoch, batch, epochKl };
  context.metrics(goalKl === null ? row : { ...row, epochActionKl, goalKl });
  const what =
    epochKl > targetKl
      ? `mean KL ${epochKl.toFixed(3)} passed the target ${targetKl}`
      : `mean KL over the actions ${epochActionKl.toFixed(3)} passed ${most.toFixed(3)}, ${ACTION_KL_SLACK} times what is taught`;
  context.log.warn(
    `${context.stage}: iteration ${iteration}, epoch ${epoch} stopped after batch ${batch}: ${what}; ` +
      'a lower learning rate or a higher klCoefficient keeps it below for longer',
  );
  return true;
}
