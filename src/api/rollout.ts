/**
 * `spark-rl/rollout`: questions, tools, judges and generators, and the trajectories they make together. The judge
 * scores every step of a trajectory, and the selection picks its action from the scores.
 */
export { SparkError, type SparkErrorCode } from '../errors.js';
export type {
  Generated,
  GenerateOptions,
  Generator,
  GeneratorSequence,
  Tokenizer,
  WeighingGenerator,
  WeighingSequence,
} from '../inference/generator.js';
export {
  type LlamaCppGenerator,
  type LlamaCppOptions,
  type LogprobOptions,
  openLlamaCpp,
  openTokenizer,
} from '../inference/llamaCpp.js';
export { openServer, type ServerOptions } from '../inference/server.js';
export { type ApiJudge, type ApiJudgeOptions, createApiJudge } from '../judge/apiJudge.js';
export type { Budget, Reservation } from '../judge/budget.js';
export { type CachedJudge, withCache } from '../judge/cache.js';
export type { Judge, JudgedStep, JudgeRequest, JudgeVerdict } from '../judge/judge.js';
export { type LocalJudge, type LocalJudgeOptions, openLocalJudge } from '../judge/localJudge.js';
export { createOracle } from '../judge/oracle.js';
export type { Price, TokenUsage } from '../judge/prices.js';
export type { JudgeStats } from '../judge/stats.js';
export { createLog, type Log, silentLog } from '../log.js';
export { exportQuestions } from '../questions/export.js';
export { type Extraction, extractAnswer, PROTOCOLS, type Protocol } from '../questions/extraction.js';
export { type FilterOptions, filterQuestions } from '../questions/filter.js';
export { createGrader, type Grade, type Grader, type GraderOptions } from '../questions/grade.js';
export { type LoadOptions, loadQuestions } from '../questions/load.js';
export { type MiniOptions, type MiniSplit, makeMini } from '../questions/mini.js';
export { CATEGORIES, type Question, questionSchema } from '../questions/question.js';
export type { ToVerify, Verifier } from '../questions/verifier.js';
export { VERIFIERS, type VerifierSettings, verifierSchema } from '../questions/verifierSettings.js';
export { type Reward, stepReward } from '../reward.js';
export { type PlainDeps, type PlainSettings, rolloutWithoutTools } from '../rollout/plain.js';
export { isTrajectory, rolloutQuestion } from '../rollout/rollout.js';
export { type ResultHandler, type RunSummary, runAll, runRollouts } from '../rollout/run.js';
export { type Selection, type SelectionSettings, selectAction } from '../rollout/select.js';
export type { RolloutDeps, RolloutSettings, Tools } from '../rollout/settings.js';
export { actionTokens } from '../rollout/step.js';
export { noteSecret, redact } from '../secrets/redact.js';
export { BUILTIN_TOOLS } from '../tools/builtin.js';
export type { Passage } from '../tools/child/passages.js';
export { type BuildOptions, buildCorpus } from '../tools/corpusFile/build.js';
export type { CorpusSeal } from '../tools/corpusFile/seal.js';
export { defineTool, type ToolDefinition } from '../tools/defineTool.js';
export type { McpAction, McpListing } from '../tools/mcp/listing.js';
export { type McpOptions, type McpTools, openMcp } from '../tools/mcp/mcp.js';
export type { McpServerOptions } from '../tools/mcp/settings.js';
export { type RecordedCall, Recorder, type RecorderOptions, type RecordMode } from '../tools/recorder.js';
export { type BuiltinOptions, createBuiltinRegistry, ToolRegistry } from '../tools/registry.js';
export type { SearchBackend } from '../tools/search.js';
export type { PythonEngine, PythonOptions, PythonSettings } from '../tools/system/settings.js';
export { type ActionInfo, THINK, type Tool, type ToolContext, type ToolResult } from '../tools/tool.js';
export type { WebOptions } from '../tools/web/settings.js';
export { openWeb, type WebToolOptions } from '../tools/web/web.js';
export { nameOfSet, type RolloutSet, trajectoryId } from '../trajectory/rolloutSet.js';
export { readTrajectories, type StoreOptions, TrajectoryStore } from '../trajectory/store.js';
export {
  type Score,
  SELECTION_RULES,
  type Segment,
  type SegmentKind,
  type SelectionRule,
  type Skip,
  type Step,
  type Trajectory,
} from '../trajectory/trajectory.js';
