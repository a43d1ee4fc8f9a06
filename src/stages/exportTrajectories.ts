/** Exports the trajectories of one set, evaluation or file, with one in memory at a time. */
import { SparkError, throwIfAborted } from '../errors.js';
import type { Log } from '../log.js';
import type { ActionInfo } from '../tools/tool.js';
import { matching, type TrajectoryFilter } from '../trajectory/filter.js';
import { WholeFile } from '../wholeFile.js';
import type { AskedQuestions } from './askedQuestions.js';
import { FORMATS, type FormatName, type TrajectoryFormat } from './trajectoryFormats.js';
import { setNameOf, type TrajectorySource } from './trajectorySources.js';

export interface ExportSpec {
  readonly source: TrajectorySource;
  readonly format: FormatName;
  readonly out: string;
  readonly overwrite: boolean;
  readonly filter: TrajectoryFilter;
  /** Of the run: descriptions for what shows tools. */
  readonly actions: readonly ActionInfo[];
  readonly questions: AskedQuestions;
}

export interface ExportSummary {
  readonly file: string;
  readonly format: FormatName;
  readonly set: string;
  readonly trajectories: number;
  /** For which the format has no place. */
  readonly leftOut: number;
  /** Of the format; null: nothing. */
  readonly loses: string | null;
}

/** Throws `no_data` where nothing is left to write, and what the format's writer throws; then there is no file. */
export async function exportTrajectories(
  { source, format, out, overwrite, filter, actions, questions }: ExportSpec,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<ExportSummary> {
  const { open, asks, loses }: TrajectoryFormat = FORMATS[format];
  const set = await setNameOf(source);
  const wanted = matching(filter);
  const file = new WholeFile(out, { overwrite });
  let trajectories = 0;
  let leftOut = 0;
  try {
    const writer = open(file, { set, actions });
    for await (const trajectory of source.read()) {
      throwIfAborted(signal);
      if (!wanted(trajectory)) continue;
      if (writer.add(trajectory, asks ? await questions.of(source, trajectory) : null)) trajectories += 1;
      else leftOut += 1;
      if (trajectories % 100 === 0) log.progress(`export ${set} ${trajectories}`);
    }
    if (trajectories === 0) throw nothing(source, leftOut);
    writer.finish();
    file.commit();
  } finally {
    file.abandon();
  }
  return { file: file.file, format, set, trajectories, leftOut, loses };
}

function nothing({ file }: TrajectorySource, leftOut: number): SparkError {
  const why = leftOut === 0 ? 'none matches' : `the format has no place for the ${leftOut} that match`;
  return new SparkError('no_data', `${file}: expected trajectories to export, got none: ${why}; no file was written`);
}

export function exportText({ file, set, trajectories, leftOut, loses }: ExportSummary): string {
  const without = leftOut === 0 ? '' : `; ${leftOut} have no place in this format`;
  const lost = loses === null ? '' : `\nnot in the file: ${loses}`;
  return `${set}: ${trajectories} trajectories written${without}${lost}\n${file}`;
}
