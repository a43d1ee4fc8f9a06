/**
 * `spark-rl/run`: whole runs. `Run.open` opens a folder with the parts that the configuration names or with your own,
 * `perform` does one stage of a run unless its stored result still holds, `runLadder` does the whole ladder, `runSweep` an
 * experiment (the ladder, an ablation, one of your own) over seeds.
 */
export {
  type Config,
  type ConfigPatch,
  configSchema,
  type OtherJudge,
  patchFromAssignment,
  readConfigFile,
  resolveConfig,
} from '../config/index.js';
export { SparkError, type SparkErrorCode } from '../errors.js';
export type { Accuracy, CategoryAccuracy } from '../evaluate/accuracy.js';
export { type McNemar, mcnemar } from '../evaluate/mcnemar.js';
export { type Agreement, type ProtocolResult, type Replay, type ReplayOptions, replay } from '../evaluate/replay.js';
export {
  type Draw,
  type Interval,
  meanOf,
  type SeedInterval,
  type SeedIntervalOptions,
  seedInterval,
  tInterval,
} from '../evaluate/seedInterval.js';
export {
  type Answered,
  type AnsweredStep,
  type CategoryEntropy,
  type StageEvaluation,
  summarize,
} from '../evaluate/summary.js';
export {
  findWarnings,
  type StageResult,
  type StageTraining,
  type Thresholds,
  type TrainingRow,
  type Warning,
  type WarningCode,
} from '../evaluate/warnings.js';
export type { SeenSign } from '../evaluate/watch.js';
export { type AblationName, ablations } from '../experiments/ablations.js';
export { type ComparingExperiment, type ComparingSpec, comparing } from '../experiments/comparing.js';
export type {
  ComparedRow,
  Comparison,
  Difference as StageDifference,
  Measured,
  PolicyChoices,
} from '../experiments/comparison.js';
export type { Experiment, Seeded } from '../experiments/experiment.js';
export type { JudgeComparison, JudgeRow } from '../experiments/judge.js';
export {
  type Ladder,
  ladderExperiment,
  ladderStages,
  ladderText,
  ladderTrainings,
  runLadder,
} from '../experiments/ladder.js';
export { type Cell, type Plan, type PlanOptions, planOf, planText } from '../experiments/plan.js';
export type { Provenance } from '../experiments/provenance.js';
export { type Answers, type Row, type RowAnswers, row } from '../experiments/rows.js';
export { runSweep, type SweepOptions, type SweepResult, type Swept, sweptText } from '../experiments/sweep.js';
export { createLog, type Log, silentLog } from '../log.js';
export { type RunReport, readReport } from '../report/read.js';
export type { Table } from '../report/tables.js';
export {
  compareRuns,
  type Difference,
  listRuns,
  type RemoveOptions,
  type RunComparison,
  type RunEntry,
  removeRun,
} from '../run/catalogue.js';
export { announceDisk, type DiskEstimate, estimateDisk, type Work } from '../run/disk.js';
export type { RunFacts, RunFolder, StoredConfig } from '../run/folder.js';
export { type Change, changes, type Facts, hashOf, hashOfPath, inWords } from '../run/freshness.js';
export type { OpenedJudge } from '../run/judge.js';
export type { MetricRow, MetricsFile, MetricValue } from '../run/metricsFile.js';
export type { Parts } from '../run/parts.js';
export type { QuestionPart, RunQuestions } from '../run/questions.js';
export type { Finished, Pace, StageRecord, StageRecords } from '../run/records.js';
export { Run, type RunOptions, withRun } from '../run/run.js';
export type { UserParts } from '../run/userParts.js';
export {
  BASE,
  BASE_TOOLS,
  type EvaluatedAdapter,
  type EvaluatedPart,
  type EvaluateSpec,
  evaluateStage,
} from '../stages/evaluate.js';
export { type ChosenSet, type GenerateSummary, generateStage } from '../stages/generate.js';
export { type PolicySpec, type PolicyState, type PolicySummary, policyStage, validationSet } from '../stages/policy.js';
export { type GenerationPrice, priceOfGeneration } from '../stages/price.js';
export { type RejudgeSpec, type RejudgeSummary, rejudgeStage } from '../stages/rejudge.js';
export { type Outcome, perform, type Stage } from '../stages/stage.js';
export { type TrainSpec, type TrainSummary, trainStage } from '../stages/train.js';
