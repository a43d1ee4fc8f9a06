/** Shows the batches that a run's other judges have under way at their servers, and cancels them. */
import { type Ledger, type OpenBatch, readLedger } from '../judge/batchLedger.js';
import { BatchServer, hasEnded } from '../judge/batchServer.js';
import { resolveEndpoint } from '../judge/endpoint.js';
import type { Log } from '../log.js';
import type { Environment } from '../secrets/sources.js';
import { RunFolder, runRoot } from './folder.js';
import { lockRun } from './lock.js';
import { SweepFolder } from './sweepFolder.js';

export interface BatchEntry {
  /** Path of the run's folder */
  readonly run: string;
  /** Name in `ablate.judges` */
  readonly judge: string;
  /** Null for one whose making was cut off, and which the server does not know. */
  readonly batch: string | null;
  /** As the server says it. */
  readonly status: string;
  readonly requests: number;
  readonly answered: number;
  /** ISO date */
  readonly since: string;
}

export interface BatchesOptions {
  /** Cancel those that have not ended. What they have answered is kept by the next command that judges. */
  readonly cancel: boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly env?: Environment;
}

/**
 * The batches under way of a run, or of all runs of a sweep. Throws `no_data` for what is no run, `run_locked` when one is
 * to be cancelled while a process waits for it (which would send its requests again), and `judge_*`.
 */
export async function batchesOf(name: string, options: BatchesOptions): Promise<BatchEntry[]> {
  const root = runRoot(name);
  const sweep = SweepFolder.isSweep(root) ? SweepFolder.at(root) : null;
  const roots = sweep === null ? [root] : sweep.seeds().map((seed) => sweep.runFolder(seed));
  const entries: BatchEntry[] = [];
  for (const run of roots) {
    const folder = RunFolder.existing(run);
    const lock = options.cancel ? lockRun(run, options.log) : null;
    try {
      for (const [judge, file] of folder.batchesFiles()) {
        const ledger = readLedger(file);
        for (const batch of ledger?.open ?? []) {
          entries.push({ run, judge, ...(await stateOf(ledger!, batch, options)) });
        }
      }
    } finally {
      lock?.release();
    }
  }
  return entries;
}

async function stateOf(
  { baseUrl, model }: Ledger,
  batch: OpenBatch,
  { cancel, signal, env = process.env }: BatchesOptions,
): Promise<Omit<BatchEntry, 'run' | 'judge'>> {
  const endpoint = resolveEndpoint(baseUrl, null, env);
  const server = new BatchServer({ endpoint, env, model, timeoutMs: 60_000, maxRetries: 4 });
  const id = await server.idOf(batch, signal);
  const common = { since: batch.since, requests: batch.requests.length };
  if (id === null) return { ...common, batch: null, status: 'not made', answered: 0 };
  const state = await server.get(id, signal);
  const { status, request_counts: counts } = cancel && !hasEnded(state) ? await server.cancel(id, signal) : state;
  return { ...common, batch: id, status, answered: counts?.completed ?? 0 };
}
