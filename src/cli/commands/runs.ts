/** `spark-rl runs`: lists runs, lays them side by side, removes them; shows and cancels what was sent in batches. */
import { SparkError } from '../../errors.js';
import { type BatchEntry, batchesOf } from '../../run/batches.js';
import { compareRuns, listRuns, type RunComparison, type RunEntry, removeRun } from '../../run/catalogue.js';
import { SweepFolder } from '../../run/sweepFolder.js';
import { byteText } from '../../units.js';
import { defineCommand } from '../command.js';

export default defineCommand({
  positionals: {
    action: { choices: ['list', 'compare', 'rm', 'batches'], demandOption: true },
    run: { type: 'string', array: true, describe: 'run folders: names under runs/, or paths' },
  },
  options: {
    cancel: { type: 'boolean', default: false, describe: 'for batches: cancel them; what they answered is kept' },
    abandonBatches: {
      type: 'boolean',
      default: false,
      describe: 'for rm: also a run that waits for a judge’s batches; their answers are lost',
    },
    yes: { type: 'boolean', default: false, describe: 'for rm: really remove, do not only say what' },
  },
  examples: [
    ['$0 runs list', 'what there is and what it weighs'],
    ['$0 runs compare a b', 'settings that differ, and the results side by side'],
    ['$0 runs rm a --yes', 'with all it wrote'],
    ['$0 runs batches a --cancel', 'what a judge with batch: true has not been answered yet'],
  ],
  async run({ action, run: given = [], yes, cancel, abandonBatches }, { log, signal }) {
    refuse(cancel && action !== 'batches', `--cancel belongs to runs batches, got runs ${action}`);
    refuse(abandonBatches && action !== 'rm', `--abandon-batches belongs to runs rm, got runs ${action}`);
    if (action === 'batches') {
      refuse(given.length === 0, 'runs batches expects a run: spark-rl runs batches a');
      const batches: BatchEntry[] = [];
      for (const name of given) batches.push(...(await batchesOf(name, { cancel, log, signal })));
      return { json: { batches }, text: batches.length === 0 ? 'no batch is under way' : batchesText(batches) };
    }
    if (action === 'list') {
      refuse(given.length > 0, 'runs list takes no run: it lists what lies in runs/');
      const runs = listRuns();
      return { json: { runs }, text: runs.length === 0 ? 'no run in runs/' : listText(runs) };
    }
    if (action === 'compare') {
      const comparison = compareRuns(given);
      refuse(comparison.runs.length < 2, TOO_FEW);
      return { json: comparison, text: comparisonText(comparison) };
    }
    refuse(given.length === 0, 'runs rm expects a run: spark-rl runs rm a --yes');
    refuse(!yes, `runs rm removes ${given.join(', ')} with all they wrote; say so with --yes`);
    const removed = given.map((name) => removeRun(name, log, { abandonBatches }));
    return {
      json: { removed },
      text: removed.map(({ folder, bytes }) => `removed ${folder} (${byteText(bytes)})`).join('\n'),
    };
  },
});

const TOO_FEW = 'runs compare expects two runs or more, or a sweep of as many: spark-rl runs compare a b';

function refuse(wrong: boolean, message: string): void {
  if (wrong) throw new SparkError('invalid_argument', message);
}

function listText(runs: readonly RunEntry[]): string {
  const rows = runs.map(({ name, folder, bytes, written, finished, unfinished, best, problem }) => [
    name,
    byteText(bytes),
    written === null ? '–' : written.slice(0, 16).replace('T', ' '),
    problem ?? holds({ folder, finished, unfinished, best }),
  ]);
  return columns([['run', 'size', 'written (UTC)', 'holds'], ...rows]);
}

function batchesText(batches: readonly BatchEntry[]): string {
  const rows = batches.map(({ run, judge, batch, status, requests, answered, since }) => [
    ...[run, judge, batch ?? '–', status, `${answered}/${requests}`, since.slice(0, 16).replace('T', ' ')],
  ]);
  return columns([['run', 'judge', 'batch', 'status', 'answered', 'sent (UTC)'], ...rows]);
}

function holds({ folder, finished, unfinished, best }: Pick<RunEntry, 'folder' | 'finished' | 'unfinished' | 'best'>) {
  const done = SweepFolder.isSweep(folder)
    ? `sweep: ${finished.join(', ') || 'no result yet'}`
    : `${finished.length} stages`;
  return [done, ...(unfinished.length === 0 ? [] : [`not finished: ${unfinished.join(', ')}`]), ...best].join(', ');
}

function comparisonText({ runs, settings, results }: RunComparison): string {
  const table = (title: string, differences: RunComparison['settings']) =>
    differences.length === 0
      ? `${title}: none`
      : columns([[title, ...runs], ...differences.map(({ key, values }) => [key, ...values.map(shown)])]);
  return `${table('settings that differ', settings)}\n\n${table('results', results)}`;
}

function shown(value: unknown): string {
  if (value === undefined) return '–';
  if (typeof value === 'number' && !Number.isInteger(value)) return value.toPrecision(4);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
