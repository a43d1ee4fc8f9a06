/**
 * `ablate heldout`: what SFT and SPaRK are worth in categories they never saw. The categories are split in two parts, and
 * each part has adapters of its own. So every test question is answered twice by each method: by the adapters that were
 * trained on its category (seen) and by those that were not (held out), from equally many categories. The rollouts are the
 * ladder's: a training only leaves out those of other categories.
 */
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import { RunQuestions } from '../run/questions.js';
import { BASE_TOOLS } from '../stages/evaluate.js';
import type { TrainSpec } from '../stages/train.js';
import { type ComparingExperiment, comparing } from './comparing.js';
import { type Row, row } from './rows.js';
import { sftSpec, sparkSpec, trainings } from './trained.js';

export async function heldoutExperiment(config: Config): Promise<ComparingExperiment> {
  const parts = split(config, await new RunQuestions(config).train());
  const specs = parts.flatMap((categories, part) => specsOf(config, categories, NAMES[part]!));
  /** `seen`: answers by adapters of the question's own part; else by those of the other. */
  const rowOf = (name: string, stage: string, seen: boolean, ...against: string[]): Row => ({
    name,
    against,
    evaluation(category) {
      const part = parts.findIndex((categories) => categories.includes(category));
      // A category that is only tested on was seen by none.
      return part < 0 ? null : `${stage}-${NAMES[seen ? part : 1 - part]!}`;
    },
  });
  return comparing({
    name: 'ablate-heldout',
    title: `Categories trained on against the rest (part a: ${parts[0].join(', ')})`,
    stages: trainings(config, specs),
    rows: [
      row(BASE_TOOLS.name),
      rowOf('sft seen', 'sft', true, BASE_TOOLS.name),
      rowOf('sft held out', 'sft', false, BASE_TOOLS.name, 'sft seen'),
      rowOf('spark seen', 'spark', true, 'sft seen'),
      rowOf('spark held out', 'spark', false, 'sft held out', 'spark seen'),
    ],
  });
}

const NAMES = ['a', 'b'] as const;

function specsOf(config: Config, categories: readonly string[], part: string): TrainSpec[] {
  const [sft, spark] = [sftSpec(config), sparkSpec(config)].map((spec) => ({
    ...spec,
    name: `${spec.name}-${part}`,
    categories,
  })) as [TrainSpec, TrainSpec];
  // From the SFT adapter of its own part; another `ppo.init` stays what it is.
  return [sft, spark.init === 'sft' ? { ...spark, init: sft.name } : spark];
}

/** The categories of both parts. Throws `invalid_config` for an unknown category, and when a part has none. */
function split(config: Config, questions: readonly { readonly category: string }[]): [string[], string[]] {
  const all = [...new Set(questions.map(({ category }) => category))].sort();
  const { heldout } = config.ablate;
  const unknown = heldout.filter((category) => !all.includes(category));
  const inFirst = (category: string, index: number) =>
    heldout.length === 0 ? index % 2 === 0 : heldout.includes(category);
  const parts: [string[], string[]] = [all.filter(inFirst), all.filter((category, index) => !inFirst(category, index))];
  if (unknown.length === 0 && parts.every(({ length }) => length > 0)) return parts;
  throw new SparkError(
    'invalid_config',
    `ablate.heldout: expected some but not all of ${all.join(', ')}, got ${heldout.join(', ') || 'none of more than one'}`,
  );
}
