/**
 * Articles of a Parquet file as Hugging Face ships Wikipedia: columns id, url, title, text. Read by row groups, a thousand
 * rows of each at a time, so that a shard of any size takes the memory of one row group.
 */
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { SparkError } from '../../errors.js';
import { articleOfRow } from './jsonl.js';
import type { SourceArticle } from './source.js';

const COLUMNS = ['title', 'text', 'url', 'aliases', 'redirects', 'redirect'];
const ROWS = 1000;

export async function* parquetArticles(path: string, source: string): AsyncGenerator<SourceArticle> {
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const present = new Set(parquetSchema(metadata).children.map(({ element }) => element.name));
    const missing = ['title', 'text'].filter((name) => !present.has(name));
    if (missing.length > 0) {
      throw new SparkError(
        'invalid_file',
        `${source}: expected the columns title and text, got none named ${missing.join(', ')} among ` +
          `${[...present].join(', ')}; rename or add them`,
      );
    }
    const columns = COLUMNS.filter((name) => present.has(name));
    let before = 0;
    for (const group of metadata.row_groups) {
      const end = before + Number(group.num_rows);
      for (let rowStart = before; rowStart < end; rowStart += ROWS) {
        const rowEnd = Math.min(end, rowStart + ROWS);
        const rows = await parquetReadObjects({ file, metadata, columns, compressors, rowStart, rowEnd });
        for (const [index, row] of rows.entries()) yield articleOfRow(row, source, `row ${rowStart + index + 1}`);
      }
      before = end;
    }
  } catch (error) {
    if (error instanceof SparkError) throw error;
    throw new SparkError(
      'invalid_file',
      `${source}: expected a readable Parquet file, got damaged or encrypted contents (${(error as Error).message}); fetch it again`,
      { cause: error },
    );
  }
}
