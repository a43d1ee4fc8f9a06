/** The position of a PPO training, which is stored in every checkpoint, and how it moves on. */
import type { StepReport } from './policySums.js';
import type { TrainContext } from './trainer.js';

/** The batch that comes next, and what has been counted so far. */
export interface Position {
  iteration: number;
  epoch: number;
  batch: number;
  steps: number;
  epochsStopped: number;
  /** Σ k3 and tokens of the current epoch, for the target-KL stop */
  epochKl: number;
  epochTokens: number;
  finalKl: number;
  finalValueLoss: number;
  /** Most packed tokens of a pass */
  passTokens: number;
}

export function startPosition(passTokens: number): Position {
  return {
    passTokens,
    iteration: 0,
    epoch: 0,
    batch: 0,
    steps: 0,
    epochsStopped: 0,
    epochKl: 0,
    epochTokens: 0,
    finalKl: 0,
    finalValueLoss: 0,
  };
}

/** Moves on to the next batch, epoch or iteration. `epochOver`: the epoch ends here, whatever batches are left. */
export function advance(
  at: Position,
  settings: { readonly epochs: number },
  batchesPerEpoch: number,
  epochOver: boolean,
): void {
  at.batch += 1;
  if (!epochOver && at.batch < batchesPerEpoch) return;
  Object.assign(at, { batch: 0, epoch: at.epoch + 1, epochKl: 0, epochTokens: 0 });
  if (at.epoch === settings.epochs) Object.assign(at, { epoch: 0, iteration: at.iteration + 1 });
}

export function record(at: Position, report: StepReport, context: TrainContext): void {
  at.steps += 1;
  at.epochKl += report.k3 * report.tokens;
  at.epochTokens += report.tokens;
  at.finalKl = report.k3;
  at.finalValueLoss = report.valueLoss;
  const { iteration, epoch, steps } = at;
  context.metrics({ stage: context.stage, iteration, epoch, step: steps, ...report });
  context.log.progress(
    `${context.stage} step ${steps}  policy ${report.policyLoss.toFixed(4)}  kl ${report.k3.toFixed(4)}  value ${report.valueLoss.toFixed(4)}`,
  );
}

/** Whether the mean k3 of the epoch so far is past the target; logs it when it is. */
export function klPassed(at: Position, targetKl: number, context: TrainContext): boolean {
  const epochKl = at.epochKl / at.epochTokens;
  if (epochKl <= targetKl) return false;
  at.epochsStopped += 1;
  const { iteration, epoch, batch } = at;
  context.metrics({ stage: context.stage, event: 'target_kl', afterStep: at.steps, iteration, epoch, batch, epochKl });
  context.log.warn(
    `${context.stage}: iteration ${iteration}, epoch ${epoch} stopped after batch ${batch}: mean KL ${epochKl.toFixed(3)} ` +
      `passed the target ${targetKl}; a lower learning rate or a higher klCoefficient keeps it below for longer`,
  );
  return true;
}
