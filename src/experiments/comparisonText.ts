/** A comparison as tables, for a terminal and the page, and what has to be said with them. */
import type { SeedInterval } from '../evaluate/seedInterval.js';
import type { Table } from '../report/tables.js';
import { columns, oneLine } from '../report/text.js';
import type { ComparedRow, Comparison, Difference, Measured, PolicyChoices } from './comparison.js';

const ROW_HEADS = ['stage', 'accuracy', '95 % interval', 'entropy, bit', '95 % interval', 'think', 'training'];
const JUDGED_HEADS = ['coherent', 'below τ'];
const POLICY_HEADS = [
  ...['stage', 'entropy, bit', '95 % interval', 'π(rarest viable)', '95 % interval', 'π(below τ)', '95 % interval'],
];
const DIFFERENCE_HEADS = ['difference', 'accuracy', '95 % interval', 'entropy, bit', '95 % interval', 'McNemar p'];

export function comparisonTables(title: string, { rows, differences }: Comparison): Table[] {
  const judged = rows.some(({ coherentShare, belowTauShare }) => coherentShare !== null || belowTauShare !== null);
  const cells = rows.map(
    ({ name, accuracy, entropyBits, thinkShare, coherentShare, belowTauShare, trainingSeconds }) => [
      oneLine(name),
      ...interval(accuracy, hundred, 1),
      ...interval(entropyBits, bits, 2),
      interval(thinkShare, hundred, 1)[0],
      ...(judged ? [interval(coherentShare, hundred, 1)[0], interval(belowTauShare, hundred, 1)[0]] : []),
      trainingSeconds === null ? '–' : `${trainingSeconds.toFixed(0)} s`,
    ],
  );
  const heads = judged ? [...ROW_HEADS.slice(0, -1), ...JUDGED_HEADS, ...ROW_HEADS.slice(-1)] : ROW_HEADS;
  const tables = [{ title, rows: [heads, ...cells] }];
  if (differences.length > 0) tables.push({ title: 'Paired differences', rows: differenceRows(differences) });
  return [...tables, ...policyTables(rows, differences)];
}

/** What the policies would choose; no table where no policy was measured. */
function policyTables(rows: readonly ComparedRow[], differences: readonly Difference[]): Table[] {
  const measured = rows.flatMap(({ name, policy }) =>
    policy === null ? [] : [[oneLine(name), ...choices(policy, plain)]],
  );
  if (measured.length === 0) return [];
  const compared = differences.flatMap(({ row, against, policy }) => {
    if (policy === null) return [];
    const star = Object.values(policy).some(isShown) ? ' *' : '';
    return [[`${oneLine(row)} − ${oneLine(against)}${star}`, ...choices(policy, signed)]];
  });
  const tables = [{ title: 'The policy’s choices in validation states', rows: [POLICY_HEADS, ...measured] }];
  if (compared.length === 0) return tables;
  const heads = ['difference', ...POLICY_HEADS.slice(1)];
  return [...tables, { title: 'Paired differences of the policies', rows: [heads, ...compared] }];
}

function choices({ entropyBits, rarestViable, belowTau }: PolicyChoices, as: (format: Format) => Format): string[] {
  return [
    ...interval(entropyBits, as(bits), 2),
    ...interval(rarestViable, as(hundred), 1),
    ...interval(belowTau, as(hundred), 1),
  ];
}

function differenceRows(differences: readonly Difference[]): string[][] {
  const cells = differences.map(({ row, against, accuracy, entropyBits, mcnemar }) => [
    `${oneLine(row)} − ${oneLine(against)}${isShown(accuracy) || isShown(entropyBits) ? ' *' : ''}`,
    ...interval(accuracy, signed(hundred), 1),
    ...interval(entropyBits, signed(bits), 2),
    pRange(mcnemar.map(({ p }) => p)),
  ]);
  return [DIFFERENCE_HEADS, ...cells];
}

/** Whether there are several seeds and the interval leaves out 0. */
function isShown(measured: Measured | null): boolean {
  if (measured === null) return false;
  const { seeds, low, high } = measured.overSeedsAndQuestions;
  return seeds > 1 && low !== null && high !== null && (low > 0 || high < 0);
}

type Format = (value: number, digits: number) => string;
const hundred: Format = (share, digits) => (100 * share).toFixed(digits);
const plain = (format: Format): Format => format;
const bits: Format = (value, digits) => value.toFixed(digits);
const signed =
  (format: Format): Format =>
  (value, digits) =>
    `${value < 0 ? '−' : '+'}${format(Math.abs(value), digits)}`;

/** The mean and its interval; dashes for what is not known. */
function interval(measured: Measured | null, format: Format, digits: number): [string, string] {
  if (measured === null) return ['–', '–'];
  const { estimate, low, high }: SeedInterval = measured.overSeedsAndQuestions;
  const between = low === null || high === null ? '–' : `${format(low, digits)} … ${format(high, digits)}`;
  return [format(estimate, digits), between];
}

/** `0.031` of one seed, `0.002 … 0.4` of several. */
function pRange(ps: readonly number[]): string {
  const text = (p: number) => (p < 0.001 ? '< 0.001' : p.toPrecision(2));
  const [least, most] = [text(Math.min(...ps)), text(Math.max(...ps))];
  return least === most ? least : `${least} … ${most}`;
}

export function comparisonNotes({ seeds, questions, rows, differences }: Comparison): string[] {
  const counts = rows.map(({ perSeed }) => perSeed[0]!.questions);
  const asked = `${Math.max(...counts)} ${questions} questions`;
  const units =
    'Shares and probabilities in per cent; entropy of the steps with the Miller–Madow correction; training: seconds of a seed.';
  if (seeds.length === 1) {
    return [
      `One seed (${seeds[0]}), ${asked}: the intervals are over questions alone and say nothing about another seed, so no ` +
        'difference is claimed. --seeds N adds seeds.',
      units,
    ];
  }
  const intervals = differences.reduce((sum, { policy }) => sum + (policy === null ? 2 : 5), 0);
  const compared =
    differences.length === 0
      ? []
      : [
          `* An interval of the row leaves out 0. Of ${intervals} intervals one in 20 would do so by chance. McNemar’s exact p: ` +
            'of single seeds, from the smallest to the largest.',
        ];
  return [
    `Means over ${seeds.length} seeds (${seeds[0]} to ${seeds.at(-1)}), ${asked}; intervals over seeds and questions, paired for differences.`,
    ...compared,
    units,
  ];
}

/** Tables and notes for a terminal. */
export function tablesText(tables: readonly Table[], notes: readonly string[]): string {
  return [...tables.map(({ title, rows }) => `${title}\n${columns(rows)}`), notes.join('\n')].join('\n');
}
