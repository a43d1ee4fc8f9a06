/** Articles of a JSONL file, plain or gzipped: one object a line, read as a stream. */
import { createReadStream } from 'node:fs';
import { z } from 'zod';
import { SparkError, shown } from '../../errors.js';
import { refuseForeign } from '../../jsonl/foreign.js';
import { badRow, cleaned, gunzipped, MOST_CHARS, redirectTarget, type SourceArticle } from './source.js';

const titles = z.union([z.string(), z.array(z.string())]).transform((one) => (typeof one === 'string' ? [one] : one));
/** Other keys are left alone, as data sets have many. */
const row = z.object({
  title: z.string().refine((title) => cleaned(title).trim() !== '', 'is empty'),
  text: z.string().optional(),
  url: z.string().nullish(),
  aliases: titles.nullish(),
  redirects: titles.nullish(),
  redirect: z.string().nullish(),
});

/** An article of a row with the columns title, text, url, aliases, redirects, redirect. Throws `invalid_file` naming the row. */
export function articleOfRow(value: unknown, source: string, where: string): SourceArticle {
  const parsed = row.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const expected = 'an object with the texts "title" and "text"';
    throw badRow(source, where, expected, `${issue!.path.join('.') || 'a row'}: ${issue!.message}`);
  }
  const { title, text, url, aliases, redirects, redirect } = parsed.data;
  const target = redirect ?? redirectTarget(text ?? '');
  if (target !== undefined) return { title, text: '', redirect: target };
  if (text === undefined) throw badRow(source, where, 'a "text" or a "redirect"', `neither for ${shown(title)}`);
  if (text.length > MOST_CHARS) throw badRow(source, where, `at most ${MOST_CHARS} characters`, `${text.length}`);
  return { title, text, url: url ?? undefined, aliases: [...(aliases ?? []), ...(redirects ?? [])] };
}

export async function* jsonlArticles(file: string, source: string): AsyncGenerator<SourceArticle> {
  let number = 0;
  for await (const line of lines(file, source)) {
    number += 1;
    if (line.trim() === '') continue;
    const where = `line ${number}`;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      if (number === 1) refuseForeign(line, source);
      throw badRow(
        source,
        where,
        'one JSON object',
        `${JSON.stringify(line.slice(0, 40))} (${(error as Error).message})`,
      );
    }
    yield articleOfRow(value, source, where);
  }
}

/** Split at \n alone: node:readline also splits at U+2028, which JSON text may hold. Decoded strictly. */
async function* lines(file: string, source: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const raw = createReadStream(file, { highWaterMark: 1 << 20 });
  let rest = '';
  let number = 1;
  try {
    for await (const chunk of file.endsWith('.gz') ? gunzipped(raw) : raw) {
      const parts = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
      rest = parts.pop()!;
      number += parts.length;
      yield* parts;
      if (rest.length > MOST_CHARS) throw badRow(source, `line ${number}`, `at most ${MOST_CHARS} characters`, 'more');
    }
    rest += decoder.decode();
    if (rest !== '') yield rest;
  } catch (error) {
    if (error instanceof SparkError) throw error;
    const what = error instanceof TypeError ? 'bytes that are no UTF-8' : (error as Error).message;
    throw badRow(source, `after line ${number - 1}`, 'JSONL in UTF-8', what);
  } finally {
    raw.destroy();
  }
}
