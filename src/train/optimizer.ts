/** The optimizer settings of every training method: AdamW with a global-norm clip, warm-up and cosine. */
import { z } from 'zod';

export const positive = z.number().int().positive();

export const optimizerSettings = {
  learningRate: z.number().positive(),
  weightDecay: z.number().min(0).default(0),
  maxGradNorm: z.number().min(0).default(1),
  /** Share of the optimizer steps over which the rate rises; a cosine takes it to zero afterwards. */
  warmup: z.number().min(0).max(1).default(0.05),
  /** Trajectories per optimizer step. */
  batchTrajectories: positive.default(16),
  /** Most tokens that a pass computes, fewer when memory is short; a longer trajectory gets a pass of its own. */
  microBatchTokens: positive.default(4096),
};
