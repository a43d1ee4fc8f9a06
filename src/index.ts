/**
 * The public API. Three layers, each usable alone: the training engine (`openModel`), the parts of SPaRK (questions,
 * tools, judges, rollouts, rewards, training), and whole runs (`withSession`, `runLadder`).
 */
export { type Config, type ConfigPatch, readConfigFile, resolveConfig } from './config.js';
export { openModel } from './engine/index.js';
export type {
  AccumulateMetrics,
  AccumulateOptions,
  Adapter,
  AdapterOptions,
  Batch,
  CallOptions,
  Critic,
  CriticOptions,
  LogprobsAndValues,
  LoraTarget,
  Model,
  ModelInfo,
  OpenModelOptions,
  OptimizerMetrics,
  OptimizerOptions,
  PolicyMetrics,
  PolicyOptions,
  SftMetrics,
  ValueMetrics,
  ValueTerm,
} from './engine/types.js';
export { SparkError, type SparkErrorCode } from './errors.js';
export { replay } from './evaluate/replay.js';
export { type StageEvaluation, summarize } from './evaluate/summary.js';
export { findWarnings } from './evaluate/warnings.js';
export { evaluateStage } from './experiment/evaluateStage.js';
export { generateStage } from './experiment/generateStage.js';
export { type Ladder, runLadder } from './experiment/ladder.js';
export { Session, withSession } from './experiment/session.js';
export { trainStage } from './experiment/trainStage.js';
export type { Generated, GenerateOptions, Generator, GeneratorSequence } from './inference/generator.js';
export { openLlamaCpp } from './inference/llamaCpp.js';
export { createApiJudge } from './judge/apiJudge.js';
export type { ActionInfo, Judge, JudgedStep, JudgeRequest, JudgeVerdict } from './judge/judge.js';
export { createOracle } from './judge/oracle.js';
export { createLog, type Log, silentLog } from './log.js';
export { exportQuestions } from './questions/export.js';
export { extractAnswer, PROTOCOLS } from './questions/extraction.js';
export { loadQuestions } from './questions/load.js';
export { makeMini } from './questions/mini.js';
export type { Question } from './questions/question.js';
export { type Reward, stepReward } from './reward.js';
export { rolloutQuestion } from './rollout/rollout.js';
export { runRollouts } from './rollout/run.js';
export { selectAction } from './rollout/select.js';
export { noteSecret, redact } from './secrets/redact.js';
export { createBuiltinRegistry, ToolRegistry } from './tools/registry.js';
export type { Tool, ToolContext, ToolResult } from './tools/tool.js';
export { trainPpo } from './train/ppo.js';
export { trainSft } from './train/sft.js';
export { microBatches, pack } from './trajectory/pack.js';
export { ppoSample, type Sample, sftSample } from './trajectory/sample.js';
export { readTrajectories, TrajectoryStore } from './trajectory/store.js';
export type { Segment, Skip, Step, Trajectory } from './trajectory/trajectory.js';
