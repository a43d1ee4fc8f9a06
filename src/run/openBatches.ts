/** Keeps a run from being removed while a judge's server holds batches of it, whose verdicts were paid for. */
import { SparkError } from '../errors.js';
import { readLedger } from '../judge/batchLedger.js';
import type { RunFolder } from './folder.js';

/** Throws `judge_batch_open` where something was sent and its answers were not fetched, `invalid_file` for a damaged ledger. */
export function refuseOpenBatches(folder: RunFolder): void {
  for (const [judge, file] of folder.batchesFiles()) {
    // Without a file at the server nothing was sent.
    const open = (readLedger(file)?.open ?? []).filter(({ fileId }) => fileId !== null);
    if (open.length === 0) continue;
    const requests = open.reduce((sum, batch) => sum + batch.requests.length, 0);
    throw new SparkError(
      'judge_batch_open',
      `${folder.root}: nothing was removed, as the judge ${judge} has ${requests} request${requests === 1 ? '' : 's'} of it under way in batches, and the ` +
        'run alone knows them: the command that sent them fetches the answers; or cancel them (spark-rl runs batches ' +
        `${folder.root} --cancel) and give up what was answered (spark-rl runs rm ${folder.root} --yes --abandon-batches)`,
    );
  }
}
