/** The local corpus of `encyclopedia` and `search`: short articles, one JSON object a line. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import MiniSearch from 'minisearch';
import { z } from 'zod';
import { SparkError } from '../errors.js';
import { packagePath } from '../package.js';

const articleSchema = z.object({
  title: z.string().min(1),
  category: z.string().min(1),
  text: z.string().min(1),
  /** What the text states, readable by a program; every value occurs in the text word for word. */
  facts: z.array(z.object({ relation: z.string().min(1), value: z.string().min(1) })).default([]),
});

export type Article = z.infer<typeof articleSchema>;

/** The corpus that ships with the package. */
export const CORPUS_FOLDER = packagePath('data/corpus');

/** Every *.jsonl file of a folder, in name order. A bad line is an `invalid_file` error that names it. */
export function loadCorpus(folder: string = CORPUS_FOLDER): Article[] {
  let files: string[];
  try {
    files = readdirSync(folder)
      .filter((name) => name.endsWith('.jsonl'))
      .sort();
  } catch (cause) {
    throw new SparkError('io_error', `expected a folder of .jsonl articles at ${folder}, which cannot be read`, {
      cause,
    });
  }
  if (files.length === 0) throw new SparkError('invalid_file', `expected .jsonl articles in ${folder}, found none`);
  const articles: Article[] = [];
  const seen = new Map<string, string>();
  for (const name of files) {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n');
    lines.forEach((line, index) => {
      if (line.trim() === '') return;
      const where = `${name} line ${index + 1}`;
      const article = readArticle(line, where);
      const key = titleKey(article.title);
      if (seen.has(key)) {
        throw new SparkError(
          'invalid_file',
          `${where}: expected a title of its own, "${article.title}" is also at ${seen.get(key)}`,
        );
      }
      seen.set(key, where);
      articles.push(article);
    });
  }
  return articles;
}

function readArticle(line: string, where: string): Article {
  try {
    return articleSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new SparkError(
      'invalid_file',
      `${where}: expected {"title", "category", "text", "facts"}, got ${line.slice(0, 60)}`,
      { cause },
    );
  }
}

/** Case, accents and punctuation do not make another title. */
export function titleKey(title: string): string {
  return title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

export interface Ranked {
  readonly article: Article;
  readonly score: number;
}

/** Full-text index over the articles. Titles weigh more than text; misspelt and unfinished words still match. */
export class CorpusIndex {
  private readonly index: MiniSearch;
  private readonly byTitle = new Map<string, Article>();
  private readonly exact = new Map<string, Article>();

  constructor(private readonly articles: readonly Article[]) {
    this.index = new MiniSearch({
      fields: ['title', 'text', 'category'],
      searchOptions: { boost: { title: 4, category: 0.5 }, fuzzy: 0.2, prefix: (term) => term.length > 3 },
      processTerm: (term) => (STOP_WORDS.has(term.toLowerCase()) ? null : titleKey(term) || null),
    });
    this.index.addAll(
      articles.map((article, id) => ({ id, title: article.title, text: article.text, category: article.category })),
    );
    for (const article of articles) {
      this.exact.set(article.title, article);
      this.byTitle.set(titleKey(article.title), article);
    }
  }

  title(title: string): Article | undefined {
    return this.exact.get(title) ?? this.byTitle.get(titleKey(title));
  }

  search(query: string, limit: number): Ranked[] {
    const hits = this.index.search(query).slice(0, limit);
    return hits.map((hit) => ({ article: this.articles[hit.id as number]!, score: hit.score }));
  }

  /** The article whose title is nearest, by the words of the title alone. */
  closest(title: string): Article | undefined {
    const [hit] = this.index.search(title, { fields: ['title'], fuzzy: 0.25, prefix: true });
    return hit === undefined ? undefined : this.articles[hit.id as number];
  }
}

const STOP_WORDS = new Set(
  'a an and are as at be by did do does for from how in is it its of on or that the this to was were what when where which who whom why with'.split(
    ' ',
  ),
);
