/** The tools `encyclopedia` and `search` over a corpus file (docs/corpus.md). */
import type { Evaluate } from '../hostProtocol.js';
import { EvaluationFailure } from '../hostProtocol.js';
import { oneLine } from '../observation.js';
import { openForReading } from './corpusDatabase.js';
import { type Ranked, rank } from './corpusRank.js';
import { CorpusTerms, type Term, weightOf } from './corpusTerms.js';
import { type Cut, excerpt, laidOut } from './excerpt.js';
import { asked, titleReadings } from './queryText.js';
import { sentences } from './sentences.js';
import { titleKey } from './titles.js';

/**
 * A passage is relevant, and a title among the words of a query stands for it, from this share of the query's weight on. The lowest at
 * which at most one in ten queries of unrelated words is answered (docs/corpus.md, scripts/corpus-questions.ts calibrate).
 */
export const RELEVANT_SHARE = 0.7;
/** Enough for a passage whose whole title is in the query. */
const NAMED_SHARE = 0.5;
/** From this share on a passage is about all that was asked, whatever titles there are among its words. */
const WHOLE_SHARE = 0.9;
const PASSAGES = 3;
const LONGEST_TITLE_WORDS = 8;
const MOST_WORDS = 60;

/** `file`: a corpus that `corpus build` made, checked by who starts this child; `passages`: how many it has. */
export function createCorpusFileTools(file: string, passages: number): Readonly<Record<string, Evaluate>> {
  const corpus = new CorpusFile(file, passages);
  const guarded = (answer: (input: string, maxChars: number) => string) => (input: string, maxChars: number) => {
    try {
      return answer(input, maxChars);
    } catch (error) {
      // SQLite's own words, such as "database disk image is malformed": no input is to blame, and none can mend it.
      if (!(error instanceof Error) || error.name !== 'SQLite3Error') throw error;
      throw new EvaluationFailure(`the corpus file cannot be read (${oneLine(error.message)}); build it again`, true);
    }
  };
  return {
    encyclopedia: guarded((input, maxChars) => corpus.encyclopedia(asked(input, 'encyclopedia'), maxChars)),
    search: guarded((input, maxChars) => corpus.search(asked(input, 'search'), maxChars)),
  };
}

interface Article {
  readonly id: number;
  readonly title: string;
  /** 1: the title looked for is another name of it. */
  readonly other: number;
}

class CorpusFile {
  readonly #database;
  readonly #terms: CorpusTerms;

  constructor(file: string, passages: number) {
    this.#database = openForReading(file);
    this.#terms = new CorpusTerms(this.#database, passages);
  }

  search(text: string, maxChars: number): string {
    const query = this.#terms.query(text);
    const seen = new Set<number>();
    const found: Ranked[] = [];
    for (const one of rank(this.#database, this.#terms, query)) {
      if (found.length === PASSAGES) break;
      if (seen.has(one.article) || !this.#relevant(one, query)) continue;
      seen.add(one.article);
      found.push(one);
    }
    if (found.length === 0) throw nothing(text, query);
    return laidOut(this.#cut(found, query), weights(query), maxChars);
  }

  encyclopedia(text: string, maxChars: number): string {
    for (const { title, focus } of titleReadings(text)) {
      const articles = this.#articles(title);
      if (articles.length > 0) return this.#articlesText(articles, title, focus, maxChars);
    }
    const query = this.#terms.query(text);
    const [best] = rank(this.#database, this.#terms, query).filter((one) => this.#relevant(one, query));
    if (best === undefined || best.share < WHOLE_SHARE) {
      const within = this.#titleWithin(text, query);
      if (within !== null) return this.#articlesText(within.articles, within.title, text, maxChars);
    }
    if (best === undefined) throw nothing(text, query);
    const head = `From the article ${oneLine(best.title, 60)}: `;
    return head + excerpt(this.#cut([best], query)[0]!, weights(query), maxChars - head.length);
  }

  /**
   * The written rule. A passage is relevant when, with its title, it holds RELEVANT_SHARE of the query's weight, and more than one
   * of its terms where there are more. Of a query of two or three terms one sentence has to hold that share, or `aggregate
   * supply` would be found where a collection supplies a value. Where the whole title, of several terms, is in the query, half is enough.
   */
  #relevant(one: Ranked, query: readonly Term[]): boolean {
    if (one.matched < Math.min(2, query.length)) return false;
    if (one.share >= NAMED_SHARE && this.#isNamed(one.title, query)) return true;
    if (one.share < RELEVANT_SHARE) return false;
    if (query.length > 3) return true;
    const [{ holds }] = this.#cut([one], query) as [Cut];
    const [titled] = this.#terms.of([one.title], query) as [Map<string, number>];
    const all = weightOf(query);
    return holds.some((held) => {
      const here = query.filter(({ term }) => held.has(term) || titled.has(term));
      return weightOf(here) >= RELEVANT_SHARE * all;
    });
  }

  #isNamed(title: string, query: readonly Term[]): boolean {
    const own = this.#terms.query(title);
    return own.length > 1 && own.every(({ term }) => query.some((one) => one.term === term));
  }

  /**
   * The articles with that title or other name: titles first, of these the ones spelled just so (`IT` is not `it`), then in
   * the order of the files.
   */
  #articles(title: string): Article[] {
    const key = titleKey(title);
    if (key === '') return [];
    return this.#database.all(
      'select t.article as id, a.title, t.other from titles t join articles a on a.id = t.article where t.key = ? ' +
        'order by t.other, a.title <> ?, t.article limit 8',
      [key, title],
    ) as unknown as Article[];
  }

  /** The longest run of the query's words that is a title and says enough of it. */
  #titleWithin(text: string, query: readonly Term[]): { title: string; articles: Article[] } | null {
    const words = text
      .split(/[^\p{L}\p{N}\p{M}'’.+#-]+/u)
      .filter((word) => word !== '')
      .slice(0, MOST_WORDS);
    const all = weightOf(query);
    for (let length = Math.min(LONGEST_TITLE_WORDS, words.length); length > 0; length -= 1) {
      for (let start = 0; start + length <= words.length; start += 1) {
        const title = words.slice(start, start + length).join(' ');
        const said = this.#terms.query(title);
        if (said.length === 0 || weightOf(said) < RELEVANT_SHARE * all) continue;
        const articles = this.#articles(title);
        if (articles.length > 0) return { title, articles };
      }
    }
    return null;
  }

  /** What the articles say of `focus`; their beginning where they say nothing of it, or nothing was asked. */
  #articlesText(articles: readonly Article[], title: string, focus: string, maxChars: number): string {
    const titled = new Set(this.#terms.query(title).map(({ term }) => term));
    const query = this.#terms.query(focus).filter(({ term }) => !titled.has(term));
    const parts = articles
      .filter(({ id }, index) => articles.findIndex((one) => one.id === id) === index)
      .map((article) => {
        const part = this.#part(article, query);
        return { ...part, title: called(article, title) };
      })
      .sort((a, b) => b.share - a.share);
    return laidOut(this.#cut(parts.slice(0, PASSAGES), query), weights(query), maxChars, { numbered: false });
  }

  /** The passages' sentences, with the terms of the query that each holds and the title does not: that is shown anyway. */
  #cut(passages: readonly Ranked[], query: readonly Term[]): Cut[] {
    const all = passages.map(({ text }) => sentences(text));
    const titles = this.#terms.of(
      passages.map(({ title }) => title),
      query,
    );
    const counts = this.#terms.of(all.flat(), query);
    return passages.map(({ title, text }, index) => {
      const own = counts.splice(0, all[index]!.length);
      const holds = own.map((count) => new Set([...count.keys()].filter((term) => !titles[index]!.has(term))));
      return { title, text, sentences: all[index]!, holds };
    });
  }

  #part({ id, title }: Article, query: readonly Term[]): Ranked {
    const [best] = query.length === 0 ? [] : rank(this.#database, this.#terms, query, id);
    if (best !== undefined) return best;
    const first = this.#database.get('select text from passages where article = ? order by id limit 1', [id]);
    const text = String((first as { text: string }).text);
    return { article: id, title, text, matched: 0, share: 0, score: 0 };
  }
}

/** Says when the article was found under another name. */
function called({ title, other }: Article, wanted: string): string {
  return other === 1 && titleKey(title) !== titleKey(wanted) ? `${title} (found as ${oneLine(wanted, 40)})` : title;
}

function weights(query: readonly Term[]): ReadonlyMap<string, number> {
  return new Map(query.map(({ term, weight }) => [term, weight]));
}

function nothing(text: string, query: readonly Term[]): Error {
  const unknown = query.filter(({ count }) => count === 0);
  const why =
    query.length === 0
      ? 'it names nothing to look for'
      : unknown.length > 0
        ? `the corpus does not have ${unknown
            .slice(0, 3)
            .map(({ term }) => oneLine(term, 20))
            .join(', ')}`
        : 'no passage holds enough of it';
  return new Error(`nothing relevant to ${oneLine(text, 60)}: ${why}; try a title or fewer words`);
}
