/** The `eval` section of the configuration: how questions are answered, and what a training measures of itself. */
import { z } from 'zod';
import { VALIDATION_KINDS, VALIDATION_MEASURES } from '../train/validation.js';

const positive = z.number().int().positive();
const count = z.number().int().min(0);

export const evalSettings = z
  .strictObject({
    temperature: z.number().min(0).default(0),
    /** As `rollout.minSteps`, in an evaluation with tools. */
    minSteps: count.max(20).default(0),
    /** Tokens for one chain of thought when tools are off. */
    maxChainTokens: positive.default(768),
    /** The judge scores the steps of evaluations, too, so that their coherence is known; as dear as rollouts. */
    judged: z.boolean().default(false),
    /** Optimizer steps between two measures, on validation questions, of an adapter under training; 0: none. */
    every: count.default(0),
    /** `accuracy`: of answers written with tools; `policy`: of the policy's choices in the states of validation rollouts. */
    measures: z
      .array(z.enum(VALIDATION_KINDS))
      .min(1, 'expected accuracy, policy or both')
      .refine((all) => new Set(all).size === all.length, 'expected each once')
      .default(['accuracy']),
    /** The measure by which the best adapter is known. */
    best: z.enum(VALIDATION_MEASURES).default('accuracy'),
    /** Validation questions answered for the accuracy, balanced over the categories; 0: all. */
    limit: count.default(0),
    /** End a training after so many measures without a better one; 0: never. */
    patience: count.default(0),
  })
  .superRefine(({ every, measures, best, patience }, context) => {
    const kind = best === 'accuracy' ? 'accuracy' : 'policy';
    if (!measures.includes(kind))
      context.addIssue({
        code: 'custom',
        path: ['best'],
        message: `expected a measure that is taken (eval.measures: ${measures.join(', ')}), got ${best}; add ${kind} to eval.measures`,
      });
    if (every === 0 && patience > 0)
      context.addIssue({
        code: 'custom',
        path: ['patience'],
        message: `expected 0 with eval.every 0, which measures nothing, got ${patience}; set eval.every`,
      });
  });
