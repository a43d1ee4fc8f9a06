/** A PPO training in two epochs of a few steps, from 14 rollouts, whose first epoch reaches more KL than is asked for. */
export const SET = { selection: 'min-score', tau: 6 } as const;
export const spec = (stage: string) => ({ name: stage, method: 'ppo', ...SET, rho: 0.5, init: 'base' }) as const;
export const SHORT = {
  questions: { trainLimit: 14, testLimit: 14 },
  rollout: { maxSteps: 2, maxThoughtTokens: 24, maxInputTokens: 24 },
  tools: { enabled: ['calculator'] },
  // So little KL is reached in the first epoch, and no other sign shows in so few steps.
  ppo: { iterations: 1, epochs: 2, batchTrajectories: 3, learningRate: 1e-3, targetKl: 1e-9, init: 'base' },
  parity: { check: false },
};
