/** Ratios of ours to the peers, the bars that we want them to pass (bench/results/README.md), and the printed table. */
import { type Comparison, type Disagreement, disagreements, type Outcome } from './comparison.js';

export interface Standing {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly bars: readonly Bar[];
  readonly disagreements: readonly Disagreement[];
}

export interface Row {
  readonly name: string;
  readonly failed?: string;
  readonly tokensPerSecond?: number;
  readonly msMedian?: number;
  readonly msMin?: number;
  readonly peakBytes?: number;
  /** Our tokens/s divided by this contender's: of the medians, and of the best repeats */
  readonly ratio?: number;
  readonly ratioBest?: number;
  /** Our peak memory divided by this contender's */
  readonly memoryRatio?: number;
}

export interface Bar {
  readonly what: string;
  readonly value: number;
  readonly bar: number;
  readonly holds: boolean;
}

export function standing(comparison: Comparison, outcomes: readonly Outcome[]): Standing {
  const own = outcomes[0]?.measured;
  const rows = outcomes.map(({ name, measured, failed }): Row => {
    if (measured === undefined) return { name, failed: failed ?? 'no result' };
    const row = {
      name,
      tokensPerSecond: measured.tokens_per_second,
      msMedian: measured.ms_median,
      msMin: measured.ms_min,
      peakBytes: measured.peak_bytes,
    };
    if (own === undefined || own === measured) return row;
    return {
      ...row,
      ratio: measured.ms_median / own.ms_median,
      ratioBest: measured.ms_min / own.ms_min,
      memoryRatio: own.peak_bytes / measured.peak_bytes,
    };
  });
  const { title, mode, dtype } = comparison;
  return {
    title,
    rows,
    bars: mode === 'sft' ? sftBars(rows) : ppoBars(rows),
    disagreements: disagreements(outcomes, dtype),
  };
}

function sftBars(rows: readonly Row[]): Bar[] {
  const speed: Readonly<Record<string, number>> = { eager: 1.5, compiled: 1.2 };
  return rows.flatMap(({ name, ratio, memoryRatio }) => {
    const bar = speed[name];
    if (bar === undefined || ratio === undefined || memoryRatio === undefined) return [];
    return [atLeast(`speed to ${name}`, ratio, bar), atMost(`memory to ${name}`, memoryRatio, 0.5)];
  });
}

function ppoBars(rows: readonly Row[]): Bar[] {
  return rows.flatMap(({ name, ratio }) =>
    ratio !== undefined && name.endsWith('stepwise') ? [atLeast(`speed to ${name}`, ratio, 6)] : [],
  );
}

export const atLeast = (what: string, value: number, bar: number): Bar => ({ what, value, bar, holds: value >= bar });
export const atMost = (what: string, value: number, bar: number): Bar => ({ what, value, bar, holds: value <= bar });

/** Text with columns as wide as their widest cell; the first is left-aligned, the others right-aligned. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return rows.map((row) => `  ${row.map(cell).join('  ')}`.trimEnd()).join('\n');
}

const HEAD = ['', 'tokens/s', 'median ms', 'best ms', 'peak MB', 'we are', 'by best', 'memory'];

export function standingText({ title, rows, bars, disagreements }: Standing): string {
  const cells = rows.map((row) => [
    row.name,
    ...[row.tokensPerSecond, row.msMedian, row.msMin].map((value) => number(value, 0)),
    number(row.peakBytes === undefined ? undefined : row.peakBytes / 1e6, 0),
    ...[row.ratio, row.ratioBest].map((value) => (value === undefined ? '' : `${value.toFixed(2)} x`)),
    row.memoryRatio === undefined ? '' : `${row.memoryRatio.toFixed(2)} x`,
  ]);
  const failures = rows.flatMap(({ name, failed }) =>
    failed === undefined ? [] : [`  ${name} has no numbers: ${failed}`],
  );
  const wrong = disagreements.map(
    ({ name, step, loss, ours, theirs }) => `  NOT THE SAME WORK: step ${step} ${loss} ours ${ours}, ${name} ${theirs}`,
  );
  return [title, table([HEAD, ...cells]), ...failures, ...wrong, ...bars.map(barText)].join('\n');
}

export const barText = ({ what, value, bar, holds }: Bar) =>
  `  ${holds ? 'holds' : 'MISSED'}  ${what}: ${value.toFixed(2)}, bar ${bar}`;

const number = (value: number | undefined, digits: number) =>
  value === undefined
    ? '-'
    : value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
