/** The lines of a batch: a request as it is uploaded, and what a line of the output or error file says became of it. */
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { APIError } from '../inference/openai.js';
import { redact } from '../secrets/redact.js';
import { expired } from './batchFailures.js';
import { type ChatSettings, type Dialect, paramsOf, usageOf } from './chatCall.js';
import { completionSchema, readText } from './completion.js';
import { judgeFailure, notACompletion } from './failure.js';
import type { JudgeRequest, JudgeVerdict } from './judge.js';
import type { TokenUsage } from './prices.js';
import { renderMessages, responseSchema } from './prompt.js';
import { readVerdict } from './verdict.js';

/** Its newline included. */
export function lineOf(key: string, request: JudgeRequest, form: { settings: ChatSettings; dialect: Dialect }): string {
  const asked = { messages: renderMessages(request), schema: responseSchema(request) };
  const body = paramsOf(form.settings, form.dialect, asked);
  return `${JSON.stringify({ custom_id: key, method: 'POST', url: '/v1/chat/completions', body })}\n`;
}

const lineSchema = z.object({
  custom_id: z.string(),
  response: z.object({ status_code: z.number().int(), body: z.unknown() }).nullish(),
  error: z.object({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
});
export type ResultLine = z.infer<typeof lineSchema>;

/** Null for a line that is none. */
export function parseResult(line: string): ResultLine | null {
  try {
    const parsed = lineSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

export interface Answer {
  /** Null when the server did not say it. */
  readonly usage: TokenUsage | null;
  /** Whether a model has worked on it. */
  readonly answered: boolean;
  readonly verdict: JudgeVerdict | null;
  readonly unknownKeys: number;
  /** Null with a verdict. */
  readonly failure: SparkError | null;
}

/** What became of a request. */
export function readAnswer({ response, error }: ResultLine, request: JudgeRequest, settings: ChatSettings): Answer {
  const nothing = { usage: null, answered: false, verdict: null, unknownKeys: 0 };
  if (response?.status_code !== 200) {
    return { ...nothing, failure: lineFailure({ response, error }, settings) };
  }
  const completion = completionSchema.safeParse(response.body);
  if (!completion.success) {
    return { ...nothing, answered: true, failure: notACompletion(settings.endpoint, completion.error) };
  }
  const usage = completion.data.usage ? usageOf(completion.data.usage) : null;
  try {
    const { verdict, unknownKeys } = readVerdict(readText(completion.data, settings), request);
    return { usage, answered: true, verdict, unknownKeys, failure: null };
  } catch (cause) {
    return { ...nothing, usage, answered: true, failure: judgeFailure(cause, { ...settings, attempts: 1 }) };
  }
}

function lineFailure({ response, error }: Pick<ResultLine, 'response' | 'error'>, settings: ChatSettings): SparkError {
  if (response) {
    const status = APIError.generate(response.status_code, response.body as object, undefined, new Headers());
    return judgeFailure(status, { ...settings, attempts: 1 });
  }
  const said = redact(`${error?.code ?? 'no code'}: ${error?.message ?? 'no message'}`);
  if (error?.code === 'batch_expired') return expired(said);
  return new SparkError('judge_unreachable', `the batch gave no verdict (${said}); run again to ask once more`);
}
