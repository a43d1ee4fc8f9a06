/**
 * Writes a corpus's database. One transaction without a journal: a file that is not finished is thrown away, so nothing is
 * gained by being able to take a part of it back. The index holds which passage has which term, without places or
 * lengths, which nothing asks for (child/corpusCandidates.ts).
 */
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { SparkError, throwIfAborted } from '../../errors.js';
import { openDatabase, TOKENIZER } from '../child/corpusDatabase.js';
import { titleKey } from '../child/titles.js';
import type { SourceArticle } from './source.js';

const SCHEMA = `
pragma page_size = 8192; pragma journal_mode = off; pragma synchronous = off; pragma locking_mode = exclusive;
pragma cache_size = -65536;
create table articles(id integer primary key, title text not null, url text, source integer not null);
create table passages(id integer primary key, article integer not null, text text not null);
create table titles(key text, other integer, article integer, primary key(key, other, article)) without rowid;
create table redirects(key text, target text, primary key(key, target)) without rowid;
create virtual table passage_words using fts5(title, text, content='', detail=column, columnsize=0, tokenize='${TOKENIZER}');
begin;`;

/** FTS5 merges so many pages at a time when the index is made whole, so that progress and Ctrl-C have their turn. */
const MERGE_PAGES = 2000;
/** Below so much free space a write that failed has failed for want of it: SQLite does not say. */
const FULL_BYTES = 16 * 2 ** 20;

export interface Counts {
  articles: number;
  passages: number;
  aliases: number;
  danglingRedirects: number;
}

export class CorpusWriter {
  readonly counts: Counts = { articles: 0, passages: 0, aliases: 0, danglingRedirects: 0 };
  readonly #database;
  readonly #article;
  readonly #passage;
  readonly #words;
  readonly #title;
  readonly #redirect;

  constructor(private readonly file: string) {
    // Made here, as node-sqlite3-wasm would make one that only its owner may read.
    this.#guarded(() => writeFileSync(file, ''));
    this.#database = this.#guarded(() => openDatabase(file));
    this.#guarded(() => this.#database.exec(SCHEMA));
    const prepare = (sql: string) => this.#guarded(() => this.#database.prepare(sql));
    this.#article = prepare('insert into articles values (?, ?, ?, ?)');
    this.#passage = prepare('insert into passages values (?, ?, ?)');
    this.#words = prepare('insert into passage_words(rowid, title, text) values (?, ?, ?)');
    this.#title = prepare('insert or ignore into titles values (?, ?, ?)');
    this.#redirect = prepare('insert or ignore into redirects values (?, ?)');
  }

  /** `passages`: the article's text, cut. */
  add({ title, url, aliases = [] }: SourceArticle, passages: readonly string[], source: number): void {
    this.#guarded(() => {
      this.counts.articles += 1;
      const article = this.counts.articles;
      this.#article.run([article, title, url ?? null, source]);
      const own = titleKey(title);
      if (own !== '') this.#title.run([own, 0, article]);
      const others = new Set(aliases.map(titleKey));
      for (const key of others) if (key !== '' && key !== own) this.#title.run([key, 1, article]);
      for (const text of passages) {
        this.counts.passages += 1;
        this.#passage.run([this.counts.passages, article, text]);
        this.#words.run([this.counts.passages, title, text]);
      }
    });
  }

  /** Another name for an article that may come later. */
  redirect(from: string, to: string): void {
    this.#guarded(() => this.#redirect.run([titleKey(from), titleKey(to)]));
  }

  /** Makes the index whole and closes the file. `onMerge` is called between parts of the work. */
  async finish(onMerge: () => void, signal: AbortSignal | undefined): Promise<void> {
    const database = this.#database;
    const exec = (sql: string) => this.#guarded(() => database.exec(sql));
    exec(`insert into titles select r.key, 1, t.article from redirects r join titles t on t.key = r.target and t.other = 0
      where r.key not in ('', r.target) on conflict do nothing`);
    const counted = (sql: string) => Number((database.get(sql) as { n: number }).n);
    this.counts.aliases = counted('select count(*) as n from titles where other = 1');
    this.counts.danglingRedirects = counted(
      'select count(*) as n from redirects where target not in (select key from titles where other = 0)',
    );
    exec('drop table redirects');
    // A negative number begins a merge of everything; each further one goes on with it until nothing is left to do.
    for (let pages = -MERGE_PAGES; ; pages = MERGE_PAGES) {
      throwIfAborted(signal);
      const before = counted('select total_changes() as n');
      exec(`insert into passage_words(passage_words, rank) values ('merge', ${pages})`);
      if (counted('select total_changes() as n') - before < 2) break;
      onMerge();
      await turn();
    }
    exec(`create virtual table passage_terms using fts5vocab(passage_words, row);
      create table terms(term text primary key, passages integer not null) without rowid;
      insert into terms select term, doc from passage_terms; drop table passage_terms; commit`);
    this.close();
  }

  /** May be called again. */
  close(): void {
    if (!this.#database.isOpen) return;
    for (const one of [this.#article, this.#passage, this.#words, this.#title, this.#redirect]) one.finalize();
    this.#database.close();
    // With exclusive locking the folder by which node-sqlite3-wasm locks stays.
    rmSync(`${this.file}.lock`, { recursive: true, force: true });
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof SparkError) throw error;
      const said = error instanceof Error ? error.message : String(error);
      const { bavail, bsize } = statfsSync(path.dirname(this.file));
      const full = bavail * bsize < FULL_BYTES;
      throw new SparkError(
        full ? 'disk_full' : 'io_error',
        `cannot write ${this.file}: ${full ? 'the disk is full; free some space and build again' : said}`,
      );
    }
  }
}
