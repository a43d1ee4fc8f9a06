/** Several runs on one page: their stages side by side, paired differences on the questions that both answered, what differs. */
import { SparkError } from '../errors.js';
import { mcnemar } from '../evaluate/mcnemar.js';
import { meanOf, seedInterval } from '../evaluate/seedInterval.js';
import type { StageResult, Warning } from '../evaluate/warnings.js';
import { compareRuns } from '../run/catalogue.js';
import type { Run } from '../run/run.js';
import { redactKnown } from '../secrets/redact.js';
import { readTrajectories } from '../trajectory/store.js';
import { percent } from '../units.js';
import { readParts } from './read.js';
import { SERIES } from './style.js';
import type { Table } from './tables.js';

export interface NamedRun {
  /** As it is shown; each once */
  readonly name: string;
  readonly run: Run;
}

export interface ManyReport {
  readonly runs: readonly string[];
  /** Named `<run>/<stage>`, run by run */
  readonly stages: readonly StageResult[];
  readonly warnings: readonly Warning[];
  readonly differences: readonly PairedDifference[];
  readonly html: string;
}

/** A stage of two runs on the questions that both have answered. */
export interface PairedDifference {
  readonly stage: string;
  readonly run: string;
  readonly against: string;
  readonly questions: number;
  /** Run minus `against`, with a 95 % interval over questions; null without a common question */
  readonly accuracy: { readonly estimate: number; readonly low: number | null; readonly high: number | null } | null;
  /** McNemar's exact test */
  readonly p: number;
}

/** Reads what the runs have evaluated and trained so far, and renders their page; writes nothing. */
export async function readReports(runs: readonly NamedRun[]): Promise<ManyReport> {
  const names = runs.map(({ name }) => name);
  if (runs.length < 2 || new Set(names).size < names.length) {
    throw new SparkError('invalid_argument', `expected two runs or more, each once, got ${names.join(', ') || 'none'}`);
  }
  const parts = await Promise.all(runs.map(async ({ name, run }) => ({ name, run, ...(await readParts(run)) })));
  const stages = parts.flatMap(({ name, stages: of }) =>
    of.map((stage) => ({ ...stage, name: `${name}/${stage.name}` })),
  );
  const training = parts.flatMap(({ name, training: of }) =>
    of.map((one) => ({ ...one, stage: `${name}/${one.stage}` })),
  );
  const warnings = parts.flatMap(({ name, warnings: of }) =>
    of.map((one) => ({ ...one, stage: `${name}/${one.stage}` })),
  );
  const differences = await differencesOf(parts);
  const { renderReport } = await import('./page.js');
  const drawn = training.length <= SERIES.length;
  const html = renderReport({
    title: `spark-rl: ${names.join(', ')}`,
    created: new Date().toISOString(),
    config: Object.fromEntries(parts.map(({ name, run }) => [name, run.config])),
    stages,
    training: drawn ? training : [],
    warnings,
    many: {
      tables: [differenceTable(differences), settingsTable(parts)].filter(({ rows }) => rows.length > 1),
      notes: notesOf(drawn ? null : training.length),
    },
  });
  return { runs: names, stages, warnings, differences, html: redactKnown(html) };
}

type Part = NamedRun & Awaited<ReturnType<typeof readParts>>;

/** Each stage against that of the first run that has it. */
async function differencesOf(parts: readonly Part[]): Promise<PairedDifference[]> {
  const names = [...new Set(parts.flatMap(({ stages }) => stages.map(({ name }) => name)))];
  const found: PairedDifference[] = [];
  for (const stage of names) {
    const [first, ...others] = parts.filter(({ stages }) => stages.some(({ name }) => name === stage));
    if (first === undefined || others.length === 0) continue;
    const reference = await readRight(first.run, stage);
    for (const { name: run, run: opened } of others) {
      const pairs = [...(await readRight(opened, stage))].flatMap(([id, correct]) => {
        const other = reference.get(id);
        return other === undefined ? [] : [[correct, other] as const];
      });
      found.push({ stage, run, against: first.name, questions: pairs.length, ...difference(pairs) });
    }
  }
  return found;
}

/** Whether each answered question was answered right. Of the answers alone: where the questions lie is not asked. */
async function readRight({ folder, log }: Run, stage: string): Promise<Map<number, boolean>> {
  const right = new Map<number, boolean>();
  for await (const { questionId, correct } of readTrajectories(folder.evalFile(stage), log)) {
    right.set(questionId, correct);
  }
  return right;
}

function difference(pairs: readonly (readonly [boolean, boolean])[]): Pick<PairedDifference, 'accuracy' | 'p'> {
  const { p } = mcnemar(pairs);
  if (pairs.length === 0) return { accuracy: null, p };
  const each = Float64Array.from(pairs, ([one, other]) => Number(one) - Number(other));
  const size = { seeds: 1, questions: pairs.length, within: [-1, 1] as const };
  const { estimate, low, high } = seedInterval(meanOf([each]), size)!;
  return { accuracy: { estimate, low, high }, p };
}

function differenceTable(differences: readonly PairedDifference[]): Table {
  const heads = ['same stage, same questions', 'questions', 'accuracy', '95 % interval', 'McNemar p'];
  const cells = differences.map(({ stage, run, against, questions, accuracy, p }) => [
    `${run}/${stage} − ${against}/${stage}`,
    String(questions),
    accuracy === null ? '–' : signed(accuracy.estimate),
    accuracy?.low == null || accuracy.high == null ? '–' : `${signed(accuracy.low)} … ${signed(accuracy.high)}`,
    accuracy === null ? '–' : p < 0.001 ? '< 0.001' : p.toPrecision(2),
  ]);
  return { title: 'Paired differences', rows: [heads, ...cells] };
}

function signed(share: number): string {
  return `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`;
}

function settingsTable(parts: readonly Part[]): Table {
  const { settings } = compareRuns(parts.map(({ run }) => run.folder.root));
  const shown = (value: unknown) => (value === undefined ? '–' : JSON.stringify(value));
  const rows = settings.map(({ key, values }) => [key, ...values.map(shown)]);
  return { title: 'Settings that differ', rows: [['setting', ...parts.map(({ name }) => name)], ...rows] };
}

function notesOf(notDrawn: number | null): string[] {
  const curves =
    notDrawn === null
      ? []
      : [`The curves of ${notDrawn} trainings are not drawn: more than ${SERIES.length} lines cannot be told apart.`];
  return [
    'Each stage is compared with the same stage of the first run that has it, on the questions that both answered: intervals over ' +
      'questions alone, which say nothing about another seed. Nothing is corrected for how many differences there are. Runs that ' +
      'differ in their seed alone are compared over seeds by ladder --seeds and ablate.',
    ...curves,
  ];
}
