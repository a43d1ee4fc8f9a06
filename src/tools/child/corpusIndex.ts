/**
 * The tools `encyclopedia` and `search` over the corpus. They run in a child, because a query with many long words
 * takes so long that it would block the program's event loop.
 */
import MiniSearch from 'minisearch';
import type { Evaluate } from '../hostProtocol.js';
import { oneLine } from '../observation.js';
import { layOutPassages } from './passages.js';
import { titleKey } from './titles.js';

export interface IndexedArticle {
  readonly title: string;
  readonly category: string;
  readonly text: string;
}

const PASSAGES = 3;

export function createCorpusTools(articles: readonly IndexedArticle[]): Readonly<Record<string, Evaluate>> {
  const index = new CorpusIndex(articles);
  return {
    /** The article with that title: an exact match, else by `titleKey`, else the closest title, which the answer names. */
    encyclopedia: (input) => {
      const title = input.trim().replace(/^["'“]|["'”]$/g, '');
      const found = index.title(title);
      if (found !== undefined) return found.text;
      const closest = index.closest(title);
      if (closest === undefined) throw new Error(`no article titled ${oneLine(title, 40)}; try search`);
      return `Closest article, ${closest.title}: ${closest.text}`;
    },
    search: (input, maxChars) => {
      const passages = index.search(input, PASSAGES).map(({ article }) => article);
      if (passages.length === 0) throw new Error(`nothing found for ${oneLine(input, 40)}`);
      return layOutPassages(passages, maxChars);
    },
  };
}

export interface Ranked {
  readonly article: IndexedArticle;
  readonly score: number;
}

/** Full-text index over the articles. Titles count more than text; misspelt words and beginnings of words match too. */
export class CorpusIndex {
  readonly #index: MiniSearch;
  readonly #byTitle = new Map<string, IndexedArticle>();
  readonly #exact = new Map<string, IndexedArticle>();

  constructor(private readonly articles: readonly IndexedArticle[]) {
    this.#index = new MiniSearch({
      fields: ['title', 'text', 'category'],
      searchOptions: {
        boost: { title: 4, category: 0.5 },
        fuzzy: (term) => fuzzy(term, 0.2),
        prefix: (term) => term.length > 3,
      },
      processTerm: (term) => (STOP_WORDS.has(term.toLowerCase()) ? null : titleKey(term) || null),
    });
    this.#index.addAll(
      articles.map((article, id) => ({ id, title: article.title, text: article.text, category: article.category })),
    );
    for (const article of articles) {
      this.#exact.set(article.title, article);
      this.#byTitle.set(titleKey(article.title), article);
    }
  }

  title(title: string): IndexedArticle | undefined {
    return this.#exact.get(title) ?? this.#byTitle.get(titleKey(title));
  }

  search(query: string, limit: number): Ranked[] {
    const hits = this.#index.search(query).slice(0, limit);
    return hits.map((hit) => ({ article: this.articles[hit.id as number]!, score: hit.score }));
  }

  /** The article whose title is most similar; texts do not count. */
  closest(title: string): IndexedArticle | undefined {
    const [hit] = this.#index.search(title, { fields: ['title'], fuzzy: (term) => fuzzy(term, 0.25), prefix: true });
    return hit === undefined ? undefined : this.articles[hit.id as number];
  }
}

const STOP_WORDS = new Set(
  'a an and are as at be by did do does for from how in is it its of on or that the this to was were what when where which who whom why with'.split(
    ' ',
  ),
);

/** Longer words are not compared approximately: that takes seconds, and they are no misspelt words. */
const LONGEST_WORD = 40;

function fuzzy(term: string, share: number): number | false {
  return term.length > LONGEST_WORD ? false : share;
}
