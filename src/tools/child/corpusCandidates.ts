/**
 * Which passages may answer a query: those that hold most of what its terms say. FTS5's own ranking reads the length of
 * every passage that holds a term, 0.1 ms each, which for a word that a tenth of a million passages hold is seconds. So
 * the index only says which passages hold which term, at most PATIENCE of them; `corpusRank` reads and ranks the best.
 */
import type { Database } from 'node-sqlite3-wasm';
import type { Term } from './corpusTerms.js';

/** Passages looked at for one query. */
const PATIENCE = 6000;
/** Passages looked at for a term that has more of them than that. */
const GLIMPSE = 400;
/** Of the weight of a term, for being in the title. */
const TITLE_SHARE = 0.6;
const MOST_TERMS = 24;

/** Ids of passages, the best first. `terms`: the rarest first. */
export function candidates(database: Database, terms: readonly Term[], limit: number): number[] {
  const known = terms.filter(({ count }) => count > 0).slice(0, MOST_TERMS);
  if (known.length === 0) return [];
  const rare: Term[] = [];
  let looked = 0;
  for (const term of known) {
    if (looked + term.count > PATIENCE) break;
    looked += term.count;
    rare.push(term);
  }
  const arms = rare.length > 0 ? aroundRare(rare, known.slice(rare.length)) : amongCommon(known);
  const sql =
    `select id from (${arms.map(({ limit: most }) => `select * from (select rowid as id, ? as weight from passage_words where passage_words match ? limit ${most})`).join(' union all ')}) ` +
    `group by id order by sum(weight) desc, id limit ${limit}`;
  const values = arms.flatMap(({ weight, match }) => [weight, match]);
  return (database.all(sql, values) as { id: number }[]).map(({ id }) => Number(id));
}

interface Arm {
  readonly match: string;
  readonly weight: number;
  readonly limit: number;
}

/** All passages that hold a rare term; of the common terms, which of these hold them. */
function aroundRare(rare: readonly Term[], common: readonly Term[]): Arm[] {
  const any = rare.map(quoted).join(' OR ');
  return [
    ...rare.flatMap((term) => [
      { match: quoted(term), weight: term.weight, limit: PATIENCE },
      { match: `title : ${quoted(term)}`, weight: term.weight * TITLE_SHARE, limit: PATIENCE },
    ]),
    ...common
      .slice(0, 8)
      .map((term) => ({ match: `(${any}) AND ${quoted(term)}`, weight: term.weight, limit: PATIENCE })),
    ...common.slice(0, 2).map((term) => ({ match: `title : ${quoted(term)}`, weight: term.weight, limit: GLIMPSE })),
  ];
}

/** Every term is common: the passages that hold several of them, and the titles that hold one. */
function amongCommon(terms: readonly Term[]): Arm[] {
  const chosen = terms.slice(0, 4);
  const groups = subsets(chosen).filter(({ length }) => length > 1);
  return [
    ...groups.map((group) => ({
      match: group.map(quoted).join(' AND '),
      weight: group.length * 0.5,
      limit: GLIMPSE * 2,
    })),
    ...chosen.flatMap((term) => [
      { match: `title : ${quoted(term)}`, weight: term.weight, limit: GLIMPSE },
      { match: quoted(term), weight: term.weight, limit: GLIMPSE },
    ]),
  ];
}

function subsets<T>(all: readonly T[]): T[][] {
  const sets: T[][] = [[]];
  for (const one of all) sets.push(...sets.map((set) => [...set, one]));
  return sets;
}

/** A term as FTS5 takes it for text alone. Terms come out of the tokenizer, which leaves no quotes in them. */
function quoted({ term }: Term): string {
  return `"${term.replaceAll('"', '')}"`;
}
