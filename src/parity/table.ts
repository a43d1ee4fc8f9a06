/** The text that `verify parity` prints. */
import type { ParityReport, ParityRow } from './verify.js';

export function parityText(report: ParityReport): string {
  const width = Math.max(4, report.types.length);
  const lines = [
    report.model,
    `${'type'.padEnd(width)}  comparison  adapter  cache  tokens  mean |Δ|  worst |Δ|                    KL  at most`,
    ...report.rows.map((row) => line(row, width)),
    `the ${report.rows.at(-1)!.adapter} adapter moves log-probs by a mean of ${number(report.effect)}`,
  ];
  const { exactSkipped, prompts, cause } = report;
  if (exactSkipped !== null) lines.push(`exact: not compared: [${exactSkipped.code}] ${exactSkipped.reason}`);
  if (prompts !== null) {
    lines.push(
      `prompts: ${prompts.compared - prompts.different} of ${prompts.compared} are what the template gives today`,
    );
  }
  if (cause !== null) lines.push(`likely cause: ${cause}`);
  return lines.join('\n');
}

function line(row: ParityRow, width: number): string {
  const kl = row.kl === null ? '–' : `${number(row.kl)} ± ${number(row.klError!)}`;
  const limit = `${row.comparison === 'exact' ? 'worst' : 'mean'} ${number(row.tolerance)}`;
  return [
    row.type.padEnd(width),
    row.comparison.padEnd(10),
    row.adapter.padEnd(7),
    row.kvCacheType.padEnd(5),
    String(row.tokens).padStart(6),
    number(row.mean).padStart(8),
    number(row.worst).padStart(9),
    kl.padStart(20),
    `${limit}  ${row.ok ? 'ok' : 'TOO FAR'}`,
  ].join('  ');
}

function number(value: number): string {
  return value.toExponential(2);
}
