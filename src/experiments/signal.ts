/**
 * `ablate signal`: trainings that differ in what they learn from: selection, ρ and settings of PPO, such as its loss. All
 * start from the same SFT adapter. The list is `ablate.signal` of the configuration. Settings are chosen by this table, so it
 * is made on validation questions; the test stays unseen.
 */
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import { BASE_TOOLS } from '../stages/evaluate.js';
import type { TrainSpec } from '../stages/train.js';
import { methods } from '../train/methods.js';
import { type ComparingExperiment, comparing } from './comparing.js';
import { row } from './rows.js';
import { sftSpec, trainings } from './trained.js';

export function signalExperiment(config: Config): ComparingExperiment {
  if (config.questions.validationLimit === 0) {
    throw new SparkError(
      'invalid_config',
      'questions.validationLimit: expected 1 or more, as ablate signal compares settings on validation questions, got 0; give ' +
        '--set questions.validationLimit=140',
    );
  }
  const sft = sftSpec(config);
  const cells = config.ablate.signal;
  const names = [BASE_TOOLS.name, sft.name, ...cells.map(({ name }) => name)];
  const specs = cells.map(({ name, selection, rho, settings, against }): TrainSpec => {
    refuse(
      name,
      'expected a name that is not taken',
      names.filter((one) => one === name).length > 1 ? name : undefined,
    );
    const unknown = against.find((one) => !names.includes(one) || one === name);
    refuse(`${name}.against`, `expected some of ${names.filter((one) => one !== name).join(', ')}`, unknown);
    const problem = methods.ppo.settings.safeParse({ ...config.ppo, ...settings }).error?.issues[0];
    refuse(`${name}.settings`, 'expected settings of ppo', problem && [...problem.path, problem.message].join(': '));
    const { tau } = config.rollout;
    return { name, method: 'ppo', selection, tau, rho: rho ?? config.reward.rho, init: config.ppo.init, settings };
  });
  return comparing({
    name: 'ablate-signal',
    title: 'What is learned from',
    stages: trainings(config, [sft, ...specs], 'validation'),
    questions: 'validation',
    rows: [
      row(BASE_TOOLS.name),
      row(sft.name, BASE_TOOLS.name),
      ...cells.map(({ name, against }) => row(name, ...against)),
    ],
  });
}

function refuse(key: string, expected: string, got: string | undefined): void {
  if (got === undefined) return;
  throw new SparkError('invalid_config', `ablate.signal.${key}: ${expected}, got ${got}`);
}
