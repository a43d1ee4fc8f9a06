/** The best adapter that a training has measured on validation questions (`eval.every`), as `<stage>-best` names it. */
import { percent } from '../units.js';
import { bestName } from './folder.js';

export interface TrainedBest {
  /** `eval.best`: by which measure */
  readonly measure: string;
  readonly value: number;
  /** Optimizer steps that were done */
  readonly step: number;
  /** GGUF file, relative to the run folder, and its sha256 */
  readonly adapter: string;
  readonly sha256: string;
  /** How many measures were taken */
  readonly evaluations: number;
  /** Whether the training ended by `eval.patience`. */
  readonly stoppedEarly: boolean;
}

/** `spark-best: accuracy 84.0 % after 40 steps` */
export function bestText(stage: string, { measure, value, step, stoppedEarly }: TrainedBest): string {
  const stopped = stoppedEarly ? '; stopped early' : '';
  return `${bestName(stage)}: ${measure} ${valueText(measure, value)} after ${step} steps${stopped}`;
}

/** A measure's value, as people read it. */
export function valueText(measure: string, value: number): string {
  return measure === 'accuracy' ? percent(value) : value.toFixed(3);
}
