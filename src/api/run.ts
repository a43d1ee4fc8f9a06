/**
 * `spark-rl/run`: whole runs. `Run.open` opens a folder with the parts that the configuration names or with your own,
 * `perform` does one stage of a run unless its stored result still holds, `runLadder` does the whole ladder.
 */
export {
  type Config,
  type ConfigPatch,
  configSchema,
  patchFromAssignment,
  readConfigFile,
  resolveConfig,
} from '../config/index.js';
export { SparkError, type SparkErrorCode } from '../errors.js';
export type { Accuracy, CategoryAccuracy } from '../evaluate/accuracy.js';
export { type Agreement, type ProtocolResult, type Replay, type ReplayOptions, replay } from '../evaluate/replay.js';
export { type Answered, type CategoryEntropy, type StageEvaluation, summarize } from '../evaluate/summary.js';
export {
  findWarnings,
  type StageResult,
  type StageTraining,
  type Thresholds,
  type TrainingRow,
  type Warning,
  type WarningCode,
} from '../evaluate/warnings.js';
export { type Ladder, ladderStages, ladderText, ladderTrainings, runLadder } from '../experiments/ladder.js';
export { createLog, type Log, silentLog } from '../log.js';
export { type RunReport, readReport } from '../report/read.js';
export {
  compareRuns,
  type Difference,
  listRuns,
  type RunComparison,
  type RunEntry,
  removeRun,
} from '../run/catalogue.js';
export { announceDisk, type DiskEstimate, estimateDisk, type Work } from '../run/disk.js';
export type { RunFacts, RunFolder, StoredConfig } from '../run/folder.js';
export { type Change, changes, type Facts, hashOf, hashOfPath, inWords } from '../run/freshness.js';
export type { MetricRow, MetricsFile, MetricValue } from '../run/metricsFile.js';
export type { OpenedJudge, Parts, UserParts } from '../run/parts.js';
export type { RunQuestions } from '../run/questions.js';
export type { Finished, StageRecord, StageRecords } from '../run/records.js';
export { Run, type RunOptions, withRun } from '../run/run.js';
export { BASE, BASE_TOOLS, type EvaluateSpec, evaluateStage } from '../stages/evaluate.js';
export { type GenerateSummary, generateStage } from '../stages/generate.js';
export { type GenerationPrice, priceOfGeneration } from '../stages/price.js';
export { type Outcome, perform, type Stage } from '../stages/stage.js';
export { type TrainSpec, type TrainSummary, trainStage } from '../stages/train.js';
