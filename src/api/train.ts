/**
 * `spark-rl/train`: trajectories into samples, samples into batches, and the training methods. `defineMethod` makes a
 * method of your own; examples/ has objectives that need no more than the engine.
 */
export { SparkError, type SparkErrorCode } from '../errors.js';
export { createLog, type Log, silentLog } from '../log.js';
export { type Reward, stepReward } from '../reward.js';
export {
  collectSamples,
  defineMethod,
  type Method,
  type Objective,
  type StageDefaults,
  type StepReward,
  type Trainables,
  type TrainResult,
} from '../train/method.js';
export { METHOD_NAMES, type MethodName, type MethodSettings, methods } from '../train/methods.js';
export { createCritic, type PpoResult, trainPpo } from '../train/ppo.js';
export { type PpoInput, type PpoSettings, ppoSettings } from '../train/ppoSettings.js';
export { type SftInput, type SftResult, type SftSettings, sftSettings, trainSft } from '../train/sft.js';
export type { TrainContext } from '../train/trainer.js';
export type { ActionTokens, ActionTrie, Choices } from '../trajectory/choices.js';
export { type Decision, type Decisions, type JudgedActions, withDecisions } from '../trajectory/decision.js';
export { commonPrefix, microBatches, type PolicyColumns, pack, unpackSteps, unpackTokens } from '../trajectory/pack.js';
export { judgedSample, ppoSample, type Sample, sftSample } from '../trajectory/sample.js';
export { readTrajectories } from '../trajectory/store.js';
export type { Score, Segment, SegmentKind, SelectionRule, Skip, Step, Trajectory } from '../trajectory/trajectory.js';
