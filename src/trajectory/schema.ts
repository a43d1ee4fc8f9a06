/** Checks trajectories read from a file, which may have been edited, cut or made elsewhere. */
import { z } from 'zod';
import { SELECTION_RULES, type Trajectory } from './trajectory.js';

const count = z.number().int().min(0);

const segmentSchema = z.object({
  kind: z.enum(['prompt', 'template', 'thought', 'action', 'input', 'observation', 'answer']),
  step: z.number().int().min(-1),
  start: count,
  end: count,
});

const score = z.number().min(0).max(10).nullable();
export const scoresSchema = z.record(z.string(), score);

const stepSchema = z.object({
  index: count,
  stateEnd: z.number().int().positive(),
  thought: z.string(),
  scores: scoresSchema.nullable(),
  verdicts: z.array(scoresSchema).min(2).optional(),
  pair: z.object({ chosen: score, best: score }).optional(),
  action: z.string().min(1),
  choice: z.enum(['viable', 'fallback', 'policy']),
  input: z.string(),
  observation: z.string().nullable(),
  toolError: z.string().nullable(),
  truncated: z.boolean(),
  processOk: z.boolean().nullable(),
});

export const trajectorySchema = z
  .object({
    id: z.string().min(1),
    questionId: z.number().int(),
    category: z.string().min(1),
    selection: z.enum([...SELECTION_RULES, 'policy']),
    tau: z.number().min(0).max(10).nullable(),
    generator: z.string().min(1),
    judge: z.string().nullable(),
    seed: z.number().int(),
    steps: z.array(stepSchema),
    answerText: z.string(),
    answer: z.string().nullable(),
    correct: z.boolean(),
    end: z.enum(['answered', 'forced', 'context_overflow', 'unanswered']),
    tokenised: z.literal('later').optional(),
    tokens: z.array(z.number().int().min(0).max(0x7fffffff)),
    segments: z.array(segmentSchema),
  })
  .superRefine((trajectory, context) => {
    for (const message of inconsistencies(trajectory)) context.addIssue({ code: 'custom', message });
  });

/** What does not fit together in a trajectory; a loss on such a trajectory could fall on the wrong tokens. */
function inconsistencies(trajectory: Trajectory): string[] {
  const { tokens, segments, steps } = trajectory;
  const problems: string[] = [];
  let at = 0;
  for (const { start, end, step } of segments) {
    if (start !== at || end <= start)
      problems.push(`segment [${start}, ${end}) expected to start at ${at} and not be empty`);
    if (step >= steps.length) problems.push(`segment [${start}, ${end}) belongs to step ${step} of ${steps.length}`);
    at = end;
  }
  if (at !== tokens.length) problems.push(`segments expected to cover ${tokens.length} tokens, but they end at ${at}`);
  steps.forEach((step, index) => {
    if (step.pair !== undefined && step.scores !== null)
      problems.push(`step ${index} expected scores or a pair of them, got both`);
    if (step.index !== index) problems.push(`step ${index} expected index ${index}, got ${step.index}`);
    const first = segments.find((segment) => segment.step === index);
    if (first?.start !== step.stateEnd) {
      problems.push(
        `step ${index} expected to begin at its state's end ${step.stateEnd}, begins at ${first?.start ?? 'nowhere'}`,
      );
    }
  });
  return problems;
}

type Check<A extends B, B> = A;
// Does not compile when the schema and the type differ.
export type SchemaMatchesTrajectory = Check<z.infer<typeof trajectorySchema>, Trajectory>;
