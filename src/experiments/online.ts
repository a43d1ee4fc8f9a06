/**
 * `ablate online`: SPaRK from fresh rollouts by the current adapter in each iteration, against SPaRK from stored ones. All start
 * from the same SFT adapter and take the same iterations and epochs over as many rollouts:
 *   spark           rollouts of the base model, as in the ladder and the paper
 *   spark-offline   rollouts of the SFT adapter, made once: the first iteration of online, gone over again
 *   spark-online    rollouts of the adapter as each iteration finds it; critic, moments and schedule carry on
 * So the difference of the last two is what freshness is worth.
 */
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import type { Table } from '../report/tables.js';
import { type Run, trainName } from '../run/run.js';
import { BASE_TOOLS, evaluateStage } from '../stages/evaluate.js';
import { generateStage } from '../stages/generate.js';
import type { Stage } from '../stages/stage.js';
import { type TrainSpec, trainStage } from '../stages/train.js';
import { comparing } from './comparing.js';
import type { Comparison } from './comparison.js';
import type { Experiment, Seeded } from './experiment.js';
import { type Answers, type Row, row } from './rows.js';
import { policies, sftSpec, sparkSpec, trained, validationRollouts } from './trained.js';

/** What a row was trained on, mean over the seeds; null where a training of an older version does not say. */
export interface Budget {
  readonly row: string;
  readonly optimizerSteps: number;
  /** Tokens with a loss, each as often as it was learned from */
  readonly tokens: number | null;
  readonly perSeed: readonly {
    readonly seed: number;
    readonly optimizerSteps: number;
    readonly tokens: number | null;
  }[];
}

export type OnlineComparison = Comparison & { readonly budgets: readonly Budget[] };

interface Collected {
  readonly answers: Answers;
  /** By row */
  readonly budgets: ReadonlyMap<string, Omit<Budget['perSeed'][number], 'seed'>>;
}

/** Past this share of difference two rows are not said to have learned from as much. */
const ALIKE = 0.05;

export function onlineExperiment(config: Config): Experiment<Collected, OnlineComparison> {
  const specs = specsOf(config);
  const { sft, spark, offline, online } = specs;
  const rows: readonly Row[] = [
    row(BASE_TOOLS.name),
    row(sft.name, BASE_TOOLS.name),
    row(spark.name, sft.name),
    row(offline.name, sft.name, spark.name),
    {
      name: 'spark-online',
      against: [sft.name, spark.name, offline.name],
      evaluation: () => online.at(-1)!.name,
      trainings: online.map(({ name }) => name),
    },
  ];
  const experiment = comparing({
    name: 'ablate-online',
    title: `SPaRK from stored rollouts and from fresh ones in each of ${online.length} iterations`,
    stages: stagesOf(config, specs),
    rows,
  });
  const trainingsOf = new Map(rows.slice(2).map(({ name, trainings = [name] }) => [name, trainings]));
  return {
    ...experiment,
    async collect(run) {
      const budgets = [...trainingsOf].map(([name, trainings]) => [name, budgetOf(run, trainings)] as const);
      return { answers: await experiment.collect(run), budgets: new Map(budgets) };
    },
    summarize: (seeds) => ({
      ...experiment.summarize(seeds.map(({ seed, collected }) => ({ seed, collected: collected.answers }))),
      budgets: [...trainingsOf.keys()].map((name) => meanBudget(name, seeds)),
    }),
    tables: (summary) => [...experiment.tables(summary), budgetTable(summary.budgets)],
    notes: (summary) => [...experiment.notes(summary), budgetNote(summary.budgets)],
  };
}

interface Specs {
  readonly sft: TrainSpec;
  readonly spark: TrainSpec;
  readonly offline: TrainSpec;
  readonly online: readonly TrainSpec[];
}

function specsOf(config: Config): Specs {
  const of = config.ablate.onlineIterations ?? config.ppo.iterations;
  const { init } = config.ppo;
  if (of < 2) {
    throw new SparkError(
      'invalid_config',
      `ablate.onlineIterations: expected 2 or more, as the first iteration of online is that of offline, got ppo.iterations ${of}; ` +
        'give --set ablate.onlineIterations=2',
    );
  }
  if (/[/\\]|\.gguf$/.test(init)) {
    throw new SparkError(
      'invalid_config',
      `ppo.init: expected base or a trained stage for ablate online, whose first rollouts are by it, got ${init}`,
    );
  }
  const spark = sparkSpec(config);
  const own = of === config.ppo.iterations;
  const settings = own ? {} : { settings: { iterations: of } };
  // Rollouts by the untrained model are those of the ladder.
  const by = init === 'base' ? {} : { by: init };
  const online: TrainSpec[] = [];
  for (let iteration = 0; iteration < of; iteration++) {
    const before = online.at(-1)?.name;
    const chain = { iteration, of, ...(before === undefined ? {} : { after: before }) };
    const writer = before === undefined ? by : { by: before };
    online.push({ ...spark, ...writer, name: `spark-online-${iteration + 1}`, online: chain });
  }
  return {
    sft: sftSpec(config),
    spark: own ? spark : { ...spark, ...settings, name: `spark-iterations${of}` },
    offline: { ...spark, ...settings, ...by, name: 'spark-offline' },
    online,
  };
}

/** In the order of need: an adapter rolls out once it is trained. */
function stagesOf(config: Config, { sft, spark, offline, online }: Specs): Stage<unknown>[] {
  const rollouts = ({ selection, tau, by }: TrainSpec) =>
    generateStage({ selection, tau, ...(by === undefined ? {} : { by }) });
  const last = online.at(-1)!.name;
  return [
    rollouts(sft),
    rollouts(spark),
    ...validationRollouts(config),
    evaluateStage(BASE_TOOLS),
    ...trained(sft),
    ...trained(spark),
    ...online.flatMap((spec) => [rollouts(spec), trainStage(spec)]),
    evaluateStage({ name: last, adapter: { stage: last }, tools: true }),
    ...trained(offline),
    ...policies(config, [sft, spark, offline, online.at(-1)!]),
  ];
}

function budgetOf({ records }: Run, trainings: readonly string[]): Omit<Budget['perSeed'][number], 'seed'> {
  const metrics = trainings.map((name) => {
    const { metrics } = records.get(trainName(name)).finished!.result as { metrics: Record<string, number | null> };
    return metrics;
  });
  const sum = (of: (one: Record<string, number | null>) => number) => metrics.reduce((all, one) => all + of(one), 0);
  const tokens = sum(({ tokens: own }) => own ?? Number.NaN);
  return { optimizerSteps: sum(({ steps }) => steps ?? 0), tokens: Number.isNaN(tokens) ? null : tokens };
}

function meanBudget(name: string, seeds: readonly Seeded<Collected>[]): Budget {
  const perSeed = seeds.map(({ seed, collected }) => ({ seed, ...collected.budgets.get(name)! }));
  const mean = (of: (one: Budget['perSeed'][number]) => number) =>
    perSeed.reduce((sum, one) => sum + of(one), 0) / perSeed.length;
  const tokens = mean((one) => one.tokens ?? Number.NaN);
  return {
    row: name,
    optimizerSteps: mean(({ optimizerSteps }) => optimizerSteps),
    tokens: Number.isNaN(tokens) ? null : tokens,
    perSeed,
  };
}

const count = (value: number | null) => (value === null ? '–' : value.toFixed(0));

function budgetTable(budgets: readonly Budget[]): Table {
  const cells = budgets.map(({ row: name, optimizerSteps, tokens }) => [name, count(optimizerSteps), count(tokens)]);
  return { title: 'What each has learned from', rows: [['stage', 'optimizer steps', 'tokens learned'], ...cells] };
}

/** Whether the rows are comparable in what they cost. */
function budgetNote(budgets: readonly Budget[]): string {
  const apart = (of: (one: Budget) => number | null) => {
    const values = budgets.flatMap((one) => of(one) ?? []);
    return values.length < 2 ? 0 : Math.max(...values) / Math.min(...values) - 1;
  };
  const [steps, tokens] = [apart(({ optimizerSteps }) => optimizerSteps), apart((one) => one.tokens)];
  const text = `Optimizer steps differ by ${(100 * steps).toFixed(1)} %, tokens learned from by ${(100 * tokens).toFixed(1)} %`;
  if (steps <= ALIKE && tokens <= ALIKE) return `${text}: the same amount of training.`;
  return (
    `${text}, so part of a difference may be that. Steps differ where the target KL ends epochs or questions are skipped; ` +
    'tokens where one adapter writes longer steps than another.'
  );
}
