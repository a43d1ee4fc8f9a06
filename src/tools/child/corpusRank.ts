/** Reads the candidates and ranks them: BM25 with titles, times the share of the query that a passage holds. */
import type { Database } from 'node-sqlite3-wasm';
import { candidates } from './corpusCandidates.js';
import { type CorpusTerms, type Term, weightOf } from './corpusTerms.js';

const READ = 32;
/** BM25's: how soon a term that is repeated says no more, and how much long passages are held back. */
const SATURATION = 1.2;
const LENGTH = 0.75;
const TITLE = 1.5;

/** A passage against a query. */
export interface Ranked {
  readonly article: number;
  readonly title: string;
  readonly text: string;
  /** How many terms of the query are in title or text. */
  readonly matched: number;
  /** Their weight, of that of all terms of the query, 0 to 1. */
  readonly share: number;
  readonly score: number;
}

interface Row {
  readonly article: number;
  readonly title: string;
  readonly text: string;
}

/** The best passages of the corpus, or of one article. Only those that hold a term. */
export function rank(database: Database, terms: CorpusTerms, query: readonly Term[], article?: number): Ranked[] {
  const select = 'select p.article, a.title, p.text from passages p join articles a on a.id = p.article where';
  let rows: Row[];
  if (article === undefined) {
    const ids = candidates(database, query, READ);
    rows = ids.length === 0 ? [] : (database.all(`${select} p.id in (${ids.join()})`) as unknown as Row[]);
  } else {
    rows = database.all(`${select} p.article = ? order by p.id limit 100`, [article]) as unknown as Row[];
  }
  return rankRows(rows, terms, query).filter(({ matched }) => matched > 0);
}

function rankRows(rows: readonly Row[], terms: CorpusTerms, query: readonly Term[]): Ranked[] {
  const counts = terms.of([...rows.map(({ title }) => title), ...rows.map(({ text }) => text)], query);
  const lengths = rows.map(({ text }) => text.length);
  const average = lengths.reduce((sum, one) => sum + one, 0) / Math.max(1, rows.length);
  const all = weightOf(query);
  const ranked = rows.map((row, index) => {
    const long = SATURATION * (1 - LENGTH + (LENGTH * lengths[index]!) / average);
    let [score, held, matched] = [0, 0, 0];
    for (const { term, weight } of query) {
      const often = counts[rows.length + index]!.get(term) ?? 0;
      const inTitle = counts[index]!.has(term);
      if (often === 0 && !inTitle) continue;
      matched += 1;
      held += weight;
      score += weight * ((often * (SATURATION + 1)) / (often + long) + (inTitle ? TITLE : 0));
    }
    const share = all === 0 ? 0 : held / all;
    return { ...row, matched, share, score: score * share * share };
  });
  return ranked.sort((a, b) => b.score - a.score);
}
