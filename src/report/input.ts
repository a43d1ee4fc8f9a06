/** What a report is made of: plain data that can be read from a run's files. */
import type { StageResult, StageTraining, Warning } from '../evaluate/warnings.js';
import type { Table } from './tables.js';
import type { Transcripts } from './transcripts.js';

export interface ReportInput {
  readonly title: string;
  /** The date that the page shows. */
  readonly created: string;
  /** The resolved configuration, printed as JSON. If it has `ppo.targetKl`, the KL chart shows it. */
  readonly config: unknown;
  /** In the order of the ladder. */
  readonly stages: readonly StageResult[];
  /**
   * Rows of metrics.jsonl by stage. Drawn where present: `loss`, `policyLoss`, `k2Bounded`, `actionKl`, `actionLoss`,
   * `clipFraction`, `valueLoss`, `gradNorm` against `step`; `rewardDiversity` and `rewardCoherence`; of `policy` rows
   * `entropyBits`, `belowTau` and `rarestViable` against `epochsDone`.
   */
  readonly training: readonly StageTraining[];
  readonly warnings: readonly Warning[];
  /** Answers to read; absent where no stage with actions has answered yet. */
  readonly transcripts?: Transcripts;
  /** Of several runs: tables that compare them, and how to read these. */
  readonly many?: { readonly tables: readonly Table[]; readonly notes: readonly string[] };
}
