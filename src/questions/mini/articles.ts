/**
 * The facts of the package's reference corpus, `data/corpus/*.jsonl`: the articles that the tools `encyclopedia` and
 * `search` show. The files are read here again, because src/questions may not import src/tools.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SparkError } from '../../errors.js';
import { packagePath } from '../../package.js';

export interface Fact {
  readonly relation: string;
  readonly value: string;
}

export interface FactArticle {
  readonly title: string;
  readonly category: string;
  readonly text: string;
  readonly facts: readonly Fact[];
}

let loaded: readonly FactArticle[] | undefined;

/** All articles in file and line order; read once. */
export function factArticles(): readonly FactArticle[] {
  loaded ??= read(packagePath('data/corpus'));
  return loaded;
}

function read(folder: string): FactArticle[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.jsonl'))
      .sort()
      .flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n'))
      .filter((line) => line.trim() !== '')
      .map((line) => JSON.parse(line) as FactArticle);
  } catch (cause) {
    throw new SparkError(
      'io_error',
      `expected the package's articles in ${folder}, which cannot be read; install the package again`,
      { cause },
    );
  }
}
