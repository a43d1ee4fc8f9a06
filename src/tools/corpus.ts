/**
 * The local corpus of `encyclopedia` and `search`: a file that `corpus build` made, or a folder of short articles, one JSON
 * object a line, which is read and checked here.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { jsonlRows } from '../jsonl/foreign.js';
import { packagePath } from '../package.js';
import { titleKey } from './child/titles.js';
import { readSeal, verifySeal } from './corpusFile/seal.js';
import type { CorpusPayload } from './hostProtocol.js';

const articleSchema = z.object({
  title: z.string().min(1),
  category: z.string().min(1),
  text: z.string().min(1),
  /** Facts of the text for programs; every value occurs in the text word for word. */
  facts: z.array(z.object({ relation: z.string().min(1), value: z.string().min(1) })).default([]),
});

export type Article = z.infer<typeof articleSchema>;

/** The corpus that ships with the package. */
export const CORPUS_FOLDER = packagePath('data/corpus');

/** The articles of every *.jsonl file in a folder, in the order of names. For a bad line it throws `invalid_file`. */
export function loadCorpus(folder: string = CORPUS_FOLDER): Article[] {
  let files: string[];
  try {
    files = readdirSync(folder)
      .filter((name) => name.endsWith('.jsonl'))
      .sort();
  } catch (cause) {
    throw new SparkError(
      'io_error',
      `expected a folder of .jsonl articles at ${folder}, which cannot be read; check the path`,
      {
        cause,
      },
    );
  }
  if (files.length === 0) {
    throw new SparkError('invalid_file', `expected .jsonl articles in ${folder}, found none; check the path`);
  }
  const articles: Article[] = [];
  const seen = new Map<string, string>();
  for (const name of files) {
    const rows = jsonlRows(readFileSync(join(folder, name)), name, 'invalid_file');
    for (const { where: row, value } of rows) {
      const where = `${name}, ${row}`;
      const article = readArticle(value, where);
      const key = titleKey(article.title);
      if (seen.has(key)) {
        throw new SparkError(
          'invalid_file',
          `${where}: expected a title of its own, but "${article.title}" is also at ${seen.get(key)}; rename one`,
        );
      }
      seen.set(key, where);
      articles.push(article);
    }
  }
  return articles;
}

function readArticle(value: unknown, where: string): Article {
  const parsed = articleSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new SparkError(
    'invalid_file',
    `${where}: expected {"title", "category", "text", "facts"}, got ${JSON.stringify(value).slice(0, 60)}`,
    { cause: parsed.error },
  );
}

/** Whether it is a corpus file and not a folder of articles. What is not there counts as a folder, whose error says so. */
export function isCorpusFile(corpus: string | undefined): corpus is string {
  return corpus !== undefined && statSync(corpus, { throwIfNoEntry: false })?.isFile() === true;
}

/**
 * What a stage depends on of a corpus: the sha256 of its content, after all of it has been read and found whole, so that a damaged one
 * is refused before anything is paid for. Throws `io_error` and `invalid_file`.
 */
export async function corpusSha256(corpus: string, signal?: AbortSignal): Promise<string> {
  if (isCorpusFile(corpus)) return (await verifySeal(corpus, signal)).database;
  return createHash('sha256')
    .update(JSON.stringify(loadCorpus(corpus)))
    .digest('hex');
}

/** What a corpus child is given at its start, as JSON: the articles of a folder, or where the checked file is. */
export async function corpusPayload(corpus: string = CORPUS_FOLDER): Promise<Uint8Array> {
  const payload: CorpusPayload = isCorpusFile(corpus)
    ? { file: resolve(corpus), passages: readSeal(corpus).passages }
    : { articles: loadCorpus(corpus).map(({ title, category, text }) => ({ title, category, text })) };
  return Buffer.from(JSON.stringify(payload));
}
