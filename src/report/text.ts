/** Formats numbers and names for the terminal and the page, and escapes what anyone may have written. */
import type { StageResult } from '../evaluate/warnings.js';
import { percent } from '../units.js';

/** Escapes text for HTML content and attributes. */
export function escapeHtml(text: string): string {
  const named: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return text.replace(/[&<>"']/g, (character) => named[character]!);
}

/** Replaces control characters, which could move a terminal's cursor or break a line, by spaces. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}

/** Column heads of the ladder, the same on a terminal and in the report. */
export const LADDER_COLUMNS = [
  'stage',
  'questions',
  'accuracy',
  '95 % interval',
  'unparsed',
  'entropy',
  'H / max',
  'effective',
  'think',
] as const;

/** One row of the ladder. A stage without actions (tools off) has no entropy and gets a dash, not a zero. */
export function ladderCells({ name, evaluation: e }: StageResult): string[] {
  const acted = e.effectiveActions > 0;
  return [
    oneLine(name),
    String(e.questions),
    percent(e.accuracy),
    `${(100 * e.low).toFixed(1)} – ${(100 * e.high).toFixed(1)}`,
    percent(e.unparsedRate),
    acted ? `${e.entropyBits.toFixed(2)} bit` : '–',
    acted ? e.entropyNormalized.toFixed(2) : '–',
    acted ? e.effectiveActions.toFixed(1) : '–',
    acted ? percent(e.thinkShare) : '–',
  ];
}

/** The ladder for a terminal. Ends with a line break. */
export function renderLadderTable(stages: readonly StageResult[]): string {
  return columns([LADDER_COLUMNS, ...stages.map(ladderCells)]);
}

/** A table for a terminal, heads first, names left-aligned, numbers right-aligned. Ends with a line break. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => width(row[column]!))));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const space = ' '.repeat(widths[column]! - width(cell));
        return column === 0 ? cell + space : space + cell;
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((cells) => '─'.repeat(cells)).join('  ');
  return `${[line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n')}\n`;
}

function width(text: string): number {
  return [...text].length;
}
