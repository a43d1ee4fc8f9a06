/** Downloads a model with node-llama-cpp's own downloader: several connections, going on where an earlier try stopped. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { abortable } from '../abortable.js';
import { SparkError, throwIfAborted, writeError } from '../errors.js';
import { fileSha256 } from './fileHash.js';
import { library } from './llamaContexts.js';

export interface DownloadRequest {
  /** `https://…/model.gguf`, or `hf:user/model:Q4_K_M` as node-llama-cpp reads it */
  readonly uri: string;
  readonly folder: string;
  /** Of the file, as its publisher says; null: not checked */
  readonly sha256: string | null;
  readonly signal: AbortSignal;
  readonly onProgress?: (bytes: number, total: number) => void;
}

export interface Downloaded {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** False: the whole file was there already */
  readonly fetched: boolean;
}

/**
 * How long a stopped download may take to close its file. The downloader waits for a server that has gone silent as long
 * as the connection lasts when it was stopped between a request and its answer.
 */
const CLOSING_MS = 2000;

/**
 * Throws `invalid_file` for a file with another checksum, which it removes, `io_error` where nothing can be fetched,
 * `disk_full`, and `interrupted`: what has come so far stays, and the next call goes on from there.
 */
export async function downloadModel(request: DownloadRequest): Promise<Downloaded> {
  const { uri, folder, sha256, signal, onProgress } = request;
  throwIfAborted(signal);
  let file: string;
  let bytes: number;
  let fetched = false;
  try {
    mkdirSync(folder, { recursive: true });
    const { createModelDownloader } = await library();
    const downloader = await createModelDownloader({
      modelUri: uri,
      dirPath: folder,
      deleteTempFileOnCancel: false,
      skipExisting: true,
      onProgress: ({ downloadedSize, totalSize }) => onProgress?.(downloadedSize, totalSize),
    });
    if (sha256 !== null && downloader.totalFiles > 1) {
      throw new SparkError(
        'invalid_argument',
        `${uri}: expected no --sha256 for a model in several files: a sum is of one`,
      );
    }
    fetched = !existsSync(downloader.entrypointFilePath);
    file = await closedSoon(downloader.download({ signal }), signal);
    // It returns when it is aborted, too.
    throwIfAborted(signal);
    bytes = downloader.totalSize;
  } catch (error) {
    throwIfAborted(signal);
    const failure = writeError(error, folder);
    if (failure === error || failure.code === 'disk_full') throw failure;
    throw new SparkError(
      'io_error',
      `cannot fetch ${uri}: ${(error as Error).message}; what has come stays: the same command goes on from there`,
      { cause: error },
    );
  }
  const got = await fileSha256(file, signal);
  if (sha256 !== null && got !== sha256.toLowerCase()) {
    rmSync(file, { force: true });
    throw new SparkError(
      'invalid_file',
      `${path.basename(file)}: expected sha256 ${sha256}, got ${got}; the file was removed: pull it again, or ask its ` +
        'publisher which sum is right',
    );
  }
  return { file, bytes, sha256: got, fetched };
}

/** Settles as `download` does, or rejects `CLOSING_MS` after the signal fired. */
async function closedSoon<T>(download: Promise<T>, signal: AbortSignal): Promise<T> {
  const over = new AbortController();
  const onAbort = () => void pause(CLOSING_MS).then(() => over.abort());
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await abortable(download, over.signal);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
