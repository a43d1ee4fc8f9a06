/** The words of queries and passages as the index has them, and how much each of them says. */
import type { Database, Statement } from 'node-sqlite3-wasm';
import { TOKENIZER } from './corpusDatabase.js';

/** Terms of one query that are looked up, the rarest; a longer query is no question. */
export const MOST_TERMS = 48;
/** Characters of a query that are read. */
const MOST_QUERY_CHARS = 20_000;

/** Words that are in every question and say nothing of what is asked; nor do single digits. */
const EMPTY = new Set(
  (
    'a about above according after all also although am among an and any are as at based be because been before being below best ' +
    'between both but by can cannot compare compared correct correctly could define defined definition describe described did difference differences do does doing done during each either example examples explain false find following for ' +
    'from give given had has have having he her here his how i if in incorrect into is it its itself just least let ' +
    'likely many may me might more most much must my neither no nor not now of on one only or other our out over own please ' +
    'purpose question same select shall she should since so some statement statements such than that the their them then there ' +
    'these they this those through thus to too true under until up upon us use used using versus very vs was we were what when where ' +
    'whether which while who whom whose why will with within without would you your'
  ).split(' '),
);

/** A term of a query. */
export interface Term {
  readonly term: string;
  /** Passages that hold it, title included. */
  readonly count: number;
  /** ln(1 + (N − n + ½) / (n + ½)): what it says, the more the rarer it is. A word that no passage holds says most. */
  readonly weight: number;
}

interface Found {
  readonly term: string;
  readonly doc: number;
  readonly often: number;
}

export class CorpusTerms {
  readonly #insert: Statement;
  readonly #read: Statement;
  readonly #seek: Statement;
  readonly #count: Statement;

  /** `passages`: how many the corpus has. */
  constructor(
    private readonly database: Database,
    private readonly passages: number,
  ) {
    database.exec(
      `create virtual table temp.words using fts5(text, content='', tokenize='${TOKENIZER}');` +
        `create virtual table temp.word using fts5vocab(temp, words, instance);`,
    );
    this.#insert = database.prepare('insert into temp.words(rowid, text) values (?, ?)');
    this.#read = database.prepare('select term, doc, count(*) as often from temp.word group by term, doc');
    this.#seek = database.prepare('select doc, count(*) as often from temp.word where term = ? group by doc');
    this.#count = database.prepare('select passages from terms where term = ?');
  }

  /**
   * How often each text holds each of its terms, or each of those that are wanted, by the very tokenizer that the index was
   * made with.
   */
  of(texts: readonly string[], wanted?: readonly Term[]): Map<string, number>[] {
    const counts = texts.map(() => new Map<string, number>());
    try {
      for (const [index, text] of texts.entries()) this.#insert.run([index + 1, text]);
      const found =
        wanted === undefined
          ? (this.#read.all() as unknown as Found[])
          : wanted.flatMap(({ term }) =>
              (this.#seek.all([term]) as unknown as Found[]).map((one) => ({ ...one, term })),
            );
      for (const { term, doc, often } of found) counts[doc - 1]!.set(term, often);
    } finally {
      this.database.exec(`insert into temp.words(words) values ('delete-all')`);
    }
    return counts;
  }

  /** The informative terms of a query, the rarest first. Whatever a query holds is a word or nothing: no syntax. */
  query(text: string): Term[] {
    const words =
      text
        .slice(0, MOST_QUERY_CHARS)
        .toWellFormed()
        .match(/[\p{L}\p{N}\p{M}]+/gu) ?? [];
    const told = words.filter((word) => !EMPTY.has(word.toLowerCase()) && !/^\d$/.test(word));
    const [terms] = this.of([told.join(' ')]);
    return [...terms!.keys()]
      .map((term) => this.#weigh(term))
      .sort((a, b) => b.weight - a.weight || (a.term < b.term ? -1 : 1))
      .slice(0, MOST_TERMS);
  }

  #weigh(term: string): Term {
    const count = Number((this.#count.get([term]) as { passages: number } | null)?.passages ?? 0);
    return { term, count, weight: Math.log(1 + (this.passages - count + 0.5) / (count + 0.5)) };
  }
}

/** What the terms say together. */
export function weightOf(terms: Iterable<Term>): number {
  let sum = 0;
  for (const { weight } of terms) sum += weight;
  return sum;
}
