/**
 * Merges a LoRA adapter into its base and writes the result as a GGUF. The file gets its name only after both engines
 * have read it back with the log-probs of base + adapter, because a wrong merge looks like a working model.
 */
import { existsSync, linkSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { draftOf, dropDeadDrafts } from '../drafts.js';
import type { Adapter, Model, SaveReport, SaveType } from '../engine/types.js';
import { isNodeError, SparkError } from '../errors.js';
import type { Log } from '../log.js';
import type { Sequences } from './logprobs.js';
import { checkMerged, type MergeCheck } from './mergeCheck.js';

export interface MergeRequest {
  /** Opened with compute f32 */
  readonly model: Model;
  readonly adapter: Adapter;
  /** Where the adapter came from: GGUF LoRA file or PEFT folder */
  readonly adapterPath: string;
  /** GGUF file to write; must not exist yet */
  readonly out: string;
  readonly type: SaveType;
  readonly sequences: Sequences;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface Merged extends SaveReport {
  readonly check: MergeCheck;
}

/** Throws as `Model.save`, and `export_failed` when the file differs by more than its types explain; it is then removed. */
export async function mergeAdapter(request: MergeRequest): Promise<Merged> {
  const { model, adapter, out, type, log, signal } = request;
  refuseExisting(out);
  const folder = mkdtempSync(path.join(tmpdir(), 'spark-merge-'));
  dropDeadDrafts(path.dirname(out));
  const unchecked = draftOf(out);
  try {
    log.info(`writing ${out}`);
    const report = await model.save(unchecked, { type, adapter, signal });
    log.info('checking it against base + adapter, in our engine and in llama.cpp');
    const adapterFile = await ggufOf(request, folder);
    const check = await checkMerged({ ...request, file: unchecked, tensorTypes: report.tensorTypes, adapterFile });
    giveName(unchecked, out);
    return { ...report, check };
  } finally {
    rmSync(unchecked, { force: true });
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The adapter as a GGUF file, the only format llama.cpp reads. */
async function ggufOf({ adapter, adapterPath }: MergeRequest, folder: string): Promise<string> {
  if (!statSync(adapterPath).isDirectory()) return adapterPath;
  const file = path.join(folder, 'adapter.gguf');
  await adapter.save(file, 'gguf');
  return file;
}

/**
 * Gives the file its name by a link, which fails when the name has been taken meanwhile; a rename would replace that
 * file.
 */
function giveName(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (isNodeError(error) && error.code === 'EEXIST') refuseExisting(to);
    // The file system has no hard links.
    renameSync(from, to);
  }
}

export function refuseExisting(file: string): void {
  if (!existsSync(file)) return;
  throw new SparkError('invalid_argument', `${file} exists already and is not overwritten; choose another name`);
}
