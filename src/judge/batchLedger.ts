/**
 * What was sent to a judge in batches, and what became of it: `judged/<judge>.batches.json` of a run. It is written before
 * and after every step, so that whatever ends the process, a batch that the server has is known, and none is sent twice.
 */
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { readSealed, writeSealed } from '../sealed.js';
import type { JudgeRequest } from './judge.js';
import { NO_QUESTION, NO_STEP } from './prompt.js';

/** What a reply has to hold: scores at the first state, scores and coherence at a later one, coherence at the end. */
const KINDS = ['first', 'step', 'end'] as const;

const requestSchema = z.object({
  /** Of the cache, and the line's `custom_id` */
  key: z.string(),
  kind: z.enum(KINDS),
  /** Size of the line, which bounds its tokens */
  bytes: z.number().int().positive(),
});
export type BatchRequest = z.infer<typeof requestSchema>;

const openSchema = z.object({
  /** Chosen here, before anything is sent; in the batch's metadata, too */
  mark: z.string(),
  /** When it was prepared */
  since: z.string(),
  /** Null until the file is uploaded */
  fileId: z.string().nullable(),
  /** Null until the server has said it */
  batchId: z.string().nullable(),
  actions: z.array(z.string()),
  requests: z.array(requestSchema).min(1),
});
export type OpenBatch = z.infer<typeof openSchema>;

const endedSchema = z.object({
  batchId: z.string(),
  status: z.string(),
  requests: z.number().int(),
  verdicts: z.number().int(),
});

const ledgerSchema = z.object({
  /** Id of the judge, which the keys depend on */
  judge: z.string(),
  baseUrl: z.string(),
  model: z.string(),
  /** The form of requests that the server was found to understand (chatCall.ts) */
  dialect: z
    .object({
      format: z.enum(['json_schema', 'json_object', 'text']),
      limit: z.enum(['max_tokens', 'max_completion_tokens']),
      temperature: z.boolean(),
    })
    .nullable(),
  open: z.array(openSchema),
  ended: z.array(endedSchema),
  /** How often a request has failed, and why it is not asked again; by key. */
  tries: z.record(z.string(), z.number().int()),
  failures: z.record(z.string(), z.object({ code: z.string(), message: z.string() })),
});
export type Ledger = z.infer<typeof ledgerSchema>;

/** Null when there is none. Throws `invalid_file` for one that is damaged, because it may hide a batch that is paid for. */
export function readLedger(file: string): Ledger | null {
  const remedy =
    'the batches of this run are listed at the server; remove the file when none of them is wanted, and what it held is asked again';
  const stored = readSealed(file, { remedy });
  if (stored === null) return null;
  const parsed = ledgerSchema.safeParse(stored);
  if (parsed.success) return parsed.data;
  throw new SparkError('invalid_file', `${file} is not what this program writes: ${parsed.error.message}; ${remedy}`, {
    cause: parsed.error,
  });
}

export function writeLedger(file: string, ledger: Ledger): Promise<void> {
  return writeSealed(file, ledger);
}

export function kindOf(request: JudgeRequest): BatchRequest['kind'] {
  if (request.thought === null) return 'end';
  return request.steps.length === 0 ? 'first' : 'step';
}

/** As much of a request as the reading of its reply needs: it may be of a rollout that is not judged any more. */
export function requestLike(kind: BatchRequest['kind'], actions: readonly string[]): JudgeRequest {
  return {
    question: NO_QUESTION,
    steps: kind === 'first' ? [] : [NO_STEP],
    thought: kind === 'end' ? null : '',
    answer: kind === 'end' ? '' : null,
    actions: actions.map((name) => ({ name, description: '', inputHint: '' })),
  };
}
