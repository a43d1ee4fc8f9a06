/** `ablate tau`: SPaRK from rollouts of several τ. Too low lets wrong steps in, too high leaves `think` (arXiv 2507.11371). */
import type { Config } from '../config/index.js';
import { BASE_TOOLS } from '../stages/evaluate.js';
import { type ComparingExperiment, comparing } from './comparing.js';
import { row } from './rows.js';
import { sftSpec, sparkSpec, trainings } from './trained.js';

/** Every τ is compared with SFT, and with the configuration's own τ where that is among them, else with the first. */
export function tauExperiment(config: Config): ComparingExperiment {
  const sft = sftSpec(config);
  const { tau: values } = config.ablate;
  const specs = values.map((tau) => sparkSpec(config, { tau }));
  const reference = specs[Math.max(0, values.indexOf(config.rollout.tau))]!.name;
  return comparing({
    name: 'ablate-tau',
    title: `SPaRK at τ = ${values.join(', ')} (spark: ${config.rollout.tau})`,
    stages: trainings(config, [sft, ...specs]),
    rows: [
      row(BASE_TOOLS.name),
      row(sft.name, BASE_TOOLS.name),
      ...specs.map(({ name }) => row(name, sft.name, ...(name === reference ? [] : [reference]))),
    ],
  });
}
