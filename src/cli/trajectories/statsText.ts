/** What `trajectories stats` says, sets side by side. */
import type { GroupStats, SetStats } from '../../evaluate/setStats.js';
import { columns, oneLine } from '../../report/text.js';
import { auditText } from '../../stages/stepTally.js';
import { percent } from '../../units.js';

export interface NamedStats extends SetStats {
  readonly name: string;
  readonly file: string;
}

const share = (value: number | null) => (value === null ? '–' : percent(value));
const acted = (stats: GroupStats, text: string) => (stats.steps === 0 ? '–' : text);

/** One row for each number, in the order in which a person asks. */
const ROWS: readonly (readonly [name: string, cell: (stats: GroupStats) => string])[] = [
  ['trajectories', ({ trajectories }) => String(trajectories)],
  ['accuracy', ({ accuracy }) => percent(accuracy)],
  ['  95 % interval', ({ low, high }) => `${(100 * low).toFixed(1)} – ${(100 * high).toFixed(1)}`],
  ['unparsed', ({ unparsedRate }) => percent(unparsedRate)],
  ['steps', ({ steps }) => String(steps)],
  ['steps / trajectory', ({ stepsPerTrajectory }) => stepsPerTrajectory.toFixed(2)],
  ['tokens / trajectory', ({ tokensPerTrajectory }) => tokensPerTrajectory.toFixed(0)],
  ['  written', ({ writtenPerTrajectory }) => writtenPerTrajectory.toFixed(0)],
  ['entropy, bit', (stats) => acted(stats, stats.entropyBits.toFixed(2))],
  ['H / max', (stats) => acted(stats, stats.entropyNormalized.toFixed(2))],
  ['effective actions', (stats) => acted(stats, stats.effectiveActions.toFixed(1))],
  ['chosen score', ({ chosenScore }) => (chosenScore === null ? '–' : chosenScore.toFixed(2))],
  ['below τ', ({ belowTauShare }) => share(belowTauShare)],
  ['fallback', ({ fallbackShare }) => share(fallbackShare)],
  ['missing scores', ({ missingScoreShare }) => share(missingScoreShare)],
  ['missing verdicts', ({ missingVerdictShare }) => share(missingVerdictShare)],
  ['coherent', ({ coherentShare }) => share(coherentShare)],
  ['tool failed', ({ toolErrorShare }) => share(toolErrorShare)],
];

/** The columns of the table by category: what of the above differs most from one to another. */
const OF_CATEGORY = [
  ...['trajectories', 'accuracy', 'unparsed', 'steps / trajectory', 'entropy, bit', 'chosen score'],
  ...['below τ', 'missing verdicts', 'coherent'],
];

/** Ends without a line break. */
export function statsText(sets: readonly NamedStats[]): string {
  const head = ['', ...sets.map(({ name }) => oneLine(name))];
  const numbers = columns([head, ...ROWS.map(([name, cell]) => [name, ...sets.map(cell)])]);
  const parts = [numbers, actionsTable(sets, head), ...sets.map((set) => categoryTable(set))];
  const audits = sets.flatMap(({ name, audit }) => (audit === null ? [] : [`${oneLine(name)} ${auditText(audit)}\n`]));
  return [...parts, ...audits]
    .filter((part) => part !== '')
    .join('\n')
    .trimEnd();
}

/** Steps by action, the most used first. */
function actionsTable(sets: readonly NamedStats[], head: readonly string[]): string {
  const names = [...new Set(sets.flatMap(({ actions }) => Object.keys(actions)))];
  const sum = (name: string) => sets.reduce((total, set) => total + countOf(set, name), 0);
  const used = names.map((name) => [name, sum(name)] as const).sort(([, a], [, b]) => b - a);
  if (used.every(([, count]) => count === 0)) return '';
  const rows = used.map(([name]) => [
    oneLine(name),
    ...sets.map((set) => `${countOf(set, name)}  ${acted(set, percent(countOf(set, name) / set.steps)).padStart(7)}`),
  ]);
  return columns([['steps by action', ...head.slice(1)], ...rows]);
}

function countOf({ actions }: GroupStats, name: string): number {
  return Object.hasOwn(actions, name) ? actions[name]! : 0;
}

function categoryTable({ name, perCategory }: NamedStats): string {
  const shown = ROWS.filter(([row]) => OF_CATEGORY.includes(row));
  const rows = perCategory.map((stats) => [oneLine(stats.category), ...shown.map(([, cell]) => cell(stats))]);
  return columns([[oneLine(name), ...shown.map(([row]) => row)], ...rows]);
}
