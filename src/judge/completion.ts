/** A chat completion as servers send it, and the text in it. */
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { redact } from '../secrets/redact.js';

const count = z.number().int().min(0);
/** A part of a text in parts; what is no text has none. */
const partSchema = z.union([z.string(), z.looseObject({ text: z.string().nullish().catch(null) })]);

export const completionSchema = z.object({
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({
          content: z.union([z.string(), z.array(partSchema)]).nullish(),
          refusal: z.string().nullish(),
          // vLLM, llama-server, DeepSeek; OpenRouter
          reasoning_content: z.string().nullish().catch(null),
          reasoning: z.string().nullish().catch(null),
        }),
      }),
    )
    .min(1),
  usage: z
    .object({
      prompt_tokens: count,
      completion_tokens: count,
      total_tokens: count.nullish().catch(null),
      prompt_tokens_details: z.object({ cached_tokens: count.nullish() }).nullish().catch(null),
    })
    .nullish()
    .catch(null),
});
export type Completion = z.infer<typeof completionSchema>;

/** The text of the reply. Throws `judge_refused`, or `judge_unparsable` for a reply that was cut off. */
export function readText(completion: Completion, settings: { readonly maxTokens: number }): string {
  const { message, finish_reason: finish } = completion.choices[0]!;
  if (message.refusal) {
    throw new SparkError(
      'judge_refused',
      `the judge refused to answer: "${redact(message.refusal).slice(0, 160)}"; another judge.model may not`,
    );
  }
  if (finish === 'content_filter') {
    throw new SparkError(
      'judge_refused',
      "the judge's content filter held back the reply; another judge.model or server may not",
    );
  }
  if (finish === 'length') {
    const message = `the judge's reply was cut off after ${settings.maxTokens} tokens: expected a whole JSON object; raise judge.maxTokens`;
    throw new SparkError('judge_unparsable', message);
  }
  const { content } = message;
  const text = Array.isArray(content)
    ? content.map((part) => (typeof part === 'string' ? part : (part.text ?? ''))).join('')
    : (content ?? '');
  // A server that takes thoughts out of the reply may take all of it for one.
  return text.trim() === '' ? (message.reasoning_content ?? message.reasoning ?? '') : text;
}
