/** The input of a report, in the shape of a ladder; seeded, so that the same call gives the same input. */
import { summarize } from '../../../src/evaluate/summary.js';
import { findWarnings, type StageResult, type StageTraining } from '../../../src/evaluate/warnings.js';
import { CATEGORIES } from '../../../src/questions/question.js';
import { seededRandom } from '../../../src/random.js';
import type { ReportInput } from '../../../src/report/input.js';
import { THINK } from '../../../src/tools/tool.js';
import type { Step, Trajectory } from '../../../src/trajectory/trajectory.js';

/** Nine, whatever tools there are: the numbers below are of nine. */
export const ACTIONS = [
  ...'calculator python algebra logic statistics chemistry encyclopedia search'.split(' '),
  THINK,
];

const STEP: Step = {
  index: 0,
  stateEnd: 1,
  thought: '',
  scores: null,
  action: THINK,
  choice: 'policy',
  input: '',
  observation: null,
  toolError: null,
  truncated: false,
  processOk: null,
};

/** A trajectory of which only what matters is given. */
export function trajectoryOf({
  steps,
  ...given
}: Partial<Omit<Trajectory, 'steps'>> & { readonly steps: readonly Partial<Step>[] }): Trajectory {
  return {
    ...{ id: '0', questionId: 0, category: 'math', selection: 'policy', tau: null, generator: 'sample', judge: null },
    ...{ seed: 0, answerText: '', answer: 'A', correct: true, end: 'answered', tokens: [], segments: [] },
    ...given,
    steps: steps.map((step, index) => ({ ...STEP, index, ...step })),
  };
}

/** `weights`: how often each action is taken; empty for a stage without tools. */
function stage(name: string, rate: number, weights: readonly number[], seed: number): StageResult {
  const random = seededRandom(seed);
  const bag = weights.flatMap((weight, index) => Array<string>(weight).fill(ACTIONS[index]!));
  const trajectories = Array.from({ length: 280 }, (_, id): Trajectory => {
    const count = bag.length === 0 ? 0 : 1 + Math.floor(random() * 4);
    const correct = random() < rate;
    return trajectoryOf({
      ...{ id: `${id}`, questionId: id, category: CATEGORIES[id % 14]!, seed, correct },
      steps: Array.from({ length: count }, () => ({ action: bag[Math.floor(random() * bag.length)]! })),
      answer: correct || random() < 0.9 ? 'A' : null,
    });
  });
  return { name, evaluation: summarize(trajectories, ACTIONS) };
}

function training(name: string, steps: number, ppo: boolean, seed: number): StageTraining {
  const random = seededRandom(seed);
  const noise = (size: number) => (random() - 0.5) * size;
  const rows = Array.from({ length: steps }, (_, step) => {
    const common = { stage: name, epoch: Math.floor((4 * step) / steps), step: step + 1, tokens: 900 };
    const fall = Math.exp((-3 * step) / steps);
    if (!ppo) return { ...common, loss: 0.4 + 1.9 * fall + noise(0.1), gradNorm: 0.6 + fall + noise(0.2) };
    return {
      ...common,
      iteration: 0,
      loss: -0.1 + noise(0.1),
      policyLoss: -0.05 - 0.1 * (1 - fall) + noise(0.06),
      k2Bounded: 0.17 * (1 - fall) + Math.abs(noise(0.02)),
      clipFraction: 0.12 * (1 - fall) + Math.abs(noise(0.03)),
      valueLoss: 0.2 + 1.4 * fall + noise(0.15),
      gradNorm: 0.4 + noise(0.3),
    };
  });
  const rewards = {
    stage: name,
    event: 'rewards',
    steps: 800,
    stepsWithoutVerdict: 6,
    rewardDiversity: name === 'spark' ? 1.31 : 0,
    rewardCoherence: -0.14,
  };
  return { stage: name, rows: ppo ? [rewards, ...rows] : rows };
}

export function sampleRun(): ReportInput {
  const stages = [
    stage('base', 0.24, [], 1),
    stage('base + tools', 0.27, [30, 4, 2, 1, 1, 1, 2, 3, 56], 2),
    stage('SFT', 0.38, [24, 10, 8, 4, 6, 3, 8, 9, 28], 3),
    stage('PPO', 0.44, [34, 12, 6, 2, 4, 2, 6, 6, 28], 4),
    stage('SPaRK', 0.49, [14, 13, 12, 9, 11, 8, 11, 12, 10], 5),
  ];
  const runs = [training('sft', 60, false, 6), training('ppo', 80, true, 7), training('spark', 80, true, 8)];
  return {
    title: 'quickstart',
    created: '2026-01-02T03:04:05Z',
    config: { name: 'quickstart', seed: 1, ppo: { targetKl: 0.2, clip: 0.2 }, reward: { rho: 0.5 } },
    stages,
    training: runs,
    warnings: findWarnings(stages, runs),
  };
}
