/**
 * A corpus file's database: SQLite with FTS5, as WebAssembly (node-sqlite3-wasm), because a child may load no native
 * addon. It reads pages from the disk as it needs them, so the size of the corpus is not the size of the process.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import type { Database } from 'node-sqlite3-wasm';

/** FTS5's own: letters and digits without accents, in Porter's stems. One place, as build and queries have to agree. */
export const TOKENIZER = 'porter unicode61 remove_diacritics 2';

const require = createRequire(import.meta.url);

/** The package has no default export that TypeScript and Node agree on. */
export function openDatabase(file: string, options?: { fileMustExist?: boolean; readOnly?: boolean }): Database {
  const sqlite = require('node-sqlite3-wasm') as typeof import('node-sqlite3-wasm');
  return new sqlite.Database(file, options);
}

/**
 * Opens a finished corpus for reading. node-sqlite3-wasm locks a file by making a folder beside it, which would shut out
 * every other reader, and which the permission model forbids. Nobody ever writes to a corpus with its name, so there is
 * nothing to lock: in this process the folder is taken as made.
 */
export function openForReading(file: string): Database {
  const lock = `${file}.lock`;
  const { mkdirSync, rmdirSync } = fs;
  const passOver = (real: unknown) => (path: unknown, options?: unknown) =>
    path === lock ? undefined : (real as (path: unknown, options?: unknown) => unknown)(path, options);
  Object.assign(fs, { mkdirSync: passOver(mkdirSync), rmdirSync: passOver(rmdirSync) });
  const database = openDatabase(file, { readOnly: true, fileMustExist: true });
  database.exec('pragma cache_size = -32768');
  return database;
}
