/** Reads trajectories from Parquet that `trajectories export` wrote, a row group at a time. */
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { SparkError } from '../../errors.js';
import { trajectorySchema } from '../schema.js';
import { eachOnce } from '../seenIds.js';
import type { Trajectory } from '../trajectory.js';
import { COLUMN_NAMES, fromRow } from './columns.js';
import { SET_KEY } from './write.js';

/** Columns that other programs may have dropped, because they were empty. */
const MAY_LACK: readonly string[] = ['tokenised'];

/**
 * The trajectories in their order. Throws `io_error`, and `invalid_file`, which names the row, for what is no such file, is
 * damaged, or has a trajectory twice.
 */
export async function* readTrajectoryParquet(file: string): AsyncGenerator<Trajectory> {
  yield* eachOnce(
    () => rowsOf(file),
    (id, first, second) =>
      new SparkError(
        'invalid_file',
        `${file}: expected every trajectory once, got ${id} in row ${first} and again in row ${second}`,
      ),
  );
}

/** Name of the set or evaluation that the file says it holds; null where it does not say. */
export async function setOfParquet(file: string): Promise<string | null> {
  return withFile(file, async (buffer) => {
    const { key_value_metadata: pairs = [] } = await metadataOf(buffer, file);
    return pairs.find(({ key }) => key === SET_KEY)?.value ?? null;
  });
}

async function* rowsOf(file: string): AsyncGenerator<Trajectory> {
  const handle = await opened(file);
  try {
    const buffer = await bufferOf(handle, file);
    const metadata = await metadataOf(buffer, file);
    const columns = columnsOf(metadata, file);
    let start = 0;
    for (const { num_rows } of metadata.row_groups) {
      const end = start + Number(num_rows);
      const rows = await decoded(file, () =>
        parquetReadObjects({ file: buffer, metadata, columns, rowStart: start, rowEnd: end, compressors }),
      );
      for (const [at, row] of rows.entries()) yield checked(row, `${file}: row ${start + at + 1}`);
      start = end;
    }
  } finally {
    await handle.close();
  }
}

async function opened(file: string): Promise<FileHandle> {
  try {
    return await open(file);
  } catch (error) {
    throw new SparkError('io_error', `cannot read trajectories from ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function withFile<T>(file: string, work: (buffer: AsyncBuffer) => Promise<T>): Promise<T> {
  const handle = await opened(file);
  try {
    return await work(await bufferOf(handle, file));
  } finally {
    await handle.close();
  }
}

async function bufferOf(handle: FileHandle, file: string): Promise<AsyncBuffer> {
  const { size } = await handle.stat();
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(end - start);
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at);
        if (bytesRead === 0)
          throw new SparkError('io_error', `${file} became shorter while it was read; read it again`);
        at += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

async function metadataOf(buffer: AsyncBuffer, file: string): Promise<FileMetaData> {
  return decoded(file, () => parquetMetadataAsync(buffer));
}

async function decoded<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SparkError) throw error;
    throw new SparkError(
      'invalid_file',
      `${file}: expected a readable Parquet file, got damaged contents (${(error as Error).message}); export it again`,
      { cause: error },
    );
  }
}

function columnsOf(metadata: FileMetaData, file: string): string[] {
  const present = new Set(parquetSchema(metadata).children.map(({ element }) => element.name));
  const missing = COLUMN_NAMES.filter((name) => !present.has(name) && !MAY_LACK.includes(name));
  if (missing.length === 0) return COLUMN_NAMES.filter((name) => present.has(name));
  throw new SparkError(
    'invalid_file',
    `${file}: expected a file of spark-rl trajectories export --format parquet, got one without ${missing.join(', ')}; the ` +
      'authors’ published files are --format spark',
  );
}

function checked(row: Record<string, unknown>, where: string): Trajectory {
  const parsed = trajectorySchema.safeParse(fromRow(row));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 3).map(({ path, message }) => `${path.join('.') || 'row'}: ${message}`);
  throw new SparkError(
    'invalid_file',
    `${where} is no trajectory (${problems.join('; ')}); export the file again, or leave the row out`,
  );
}
