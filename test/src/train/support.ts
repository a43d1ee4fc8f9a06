/** The real engine on the small fixture model, and trajectories in its vocabulary. */

import { onTestFinished } from 'vitest';
import { type Config, resolveConfig } from '../../../src/config/index.js';
import { openModel } from '../../../src/engine/index.js';
import type { Adapter, Critic, Model } from '../../../src/engine/types.js';
import { silentLog } from '../../../src/log.js';
import { seededRandom } from '../../../src/random.js';
import { stepReward } from '../../../src/reward.js';
import { createCritic } from '../../../src/train/ppo.js';
import type { TrainContext } from '../../../src/train/trainer.js';
import { ppoSample, type Sample } from '../../../src/trajectory/sample.js';
import type { Trajectory } from '../../../src/trajectory/trajectory.js';
import { exampleTrajectory, stepPieces, TWO_STEPS } from '../trajectory/example.js';

export const FIXTURE_MODEL = 'test/fixtures/models/untied.gguf';

export interface Opened {
  readonly model: Model;
  readonly actor: Adapter;
  readonly critic: Critic;
}

export async function openLearner(
  criticTrunk: Config['ppo']['criticTrunk'] = 'own',
  file = FIXTURE_MODEL,
): Promise<Opened> {
  const model = await openModel(file, { backend: 'cpu', threads: 2 });
  const { lora, ppo } = resolveConfig({ lora: { rank: 4, alpha: 8 }, ppo: { criticTrunk } });
  const options = { ...lora, seed: 3 };
  const actor = await model.createAdapter(options);
  return { model, actor, critic: await createCritic(model, actor, ppo, options) };
}

/** The same for one test, which closes it at its end. */
export async function learner(criticTrunk?: Config['ppo']['criticTrunk']): Promise<Opened> {
  const opened = await openLearner(criticTrunk);
  onTestFinished(() => opened.model.dispose());
  return opened;
}

/** Random tokens of the fixture's vocabulary; every third trajectory has one step, every fourth an incoherent one. */
export function exampleTrajectories(count: number, vocabulary: number): Trajectory[] {
  const random = seededRandom(11);
  return Array.from({ length: count }, (_, index) => {
    const pieces = index % 3 === 0 ? ([['prompt', -1, 6], ...stepPieces(0), ['answer', -1, 2]] as const) : TWO_STEPS;
    const steps = index % 3 === 0 ? [{}] : [{}, { processOk: index % 4 !== 0, action: 'think' }];
    const one = exampleTrajectory(pieces, steps, { id: `${index}:min-score-tau6:0`, questionId: index });
    return { ...one, tokens: one.tokens.map(() => Math.floor(random() * vocabulary)) };
  });
}

export const RHO = 0.5;

/** The samples that PPO gets of them. */
export function rewarded(trajectories: readonly Trajectory[]): Sample[] {
  const samples = trajectories.map((trajectory) => ppoSample(trajectory, (step) => stepReward(step, RHO)));
  return samples.filter((sample) => sample !== null);
}

export function settings(patch: object = {}): Config {
  return resolveConfig({
    sft: { batchTrajectories: 4, microBatchTokens: 64, epochs: 2, learningRate: 5e-3 },
    ppo: { batchTrajectories: 4, microBatchTokens: 64, epochs: 2, iterations: 2, learningRate: 5e-3, targetKl: 10 },
    ...patch,
  });
}

export interface Recorded {
  readonly rows: Record<string, number | string>[];
  readonly warnings: string[];
  readonly context: TrainContext;
}

export function recordingContext(model: Model, more: Partial<TrainContext> = {}): Recorded {
  const rows: Record<string, number | string>[] = [];
  const warnings: string[] = [];
  const context: TrainContext = {
    model,
    stage: 'test',
    seed: 5,
    log: { ...silentLog, warn: (message) => warnings.push(message) },
    metrics: (row) => rows.push({ ...row }),
    checkpointFolder: null,
    checkpointEvery: 1000,
    ...more,
  };
  return { rows, warnings, context };
}

/** The rows of optimizer steps, in order. */
export function stepsOf({ rows }: Recorded): Record<string, number | string>[] {
  return rows.filter((row) => row.event === undefined);
}
