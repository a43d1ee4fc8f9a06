/** What a report is made of: plain data, so that `report` can draw a run again from its files alone. */
import type { StageResult, StageTraining, Warning } from '../evaluate/warnings.js';

export interface ReportInput {
  readonly title: string;
  /** When the run ended, as it is to be shown: an ISO date, say. */
  readonly created: string;
  /** The resolved configuration; printed as JSON. `ppo.targetKl` is drawn into the KL chart when it is there. */
  readonly config: unknown;
  /** In the order of the ladder. */
  readonly stages: readonly StageResult[];
  /**
   * Rows of metrics.jsonl by stage. Drawn where present: `loss`, `policyLoss`, `k3`, `clipFraction`, `valueLoss`,
   * `gradNorm` against `step`; `rewardDiversity` and `rewardCoherence`; `entropyBits` against `epoch`.
   */
  readonly training: readonly StageTraining[];
  readonly warnings: readonly Warning[];
}
