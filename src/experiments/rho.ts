/** `ablate rho`: SPaRK at several ρ, the weight of rarity against coherence, from the same rollouts and SFT adapter. */
import type { Config } from '../config/index.js';
import { BASE_TOOLS } from '../stages/evaluate.js';
import { type ComparingExperiment, comparing } from './comparing.js';
import { row } from './rows.js';
import { sftSpec, sparkSpec, trainings } from './trained.js';

/** Every ρ is compared with SFT and with the first ρ. ρ = 0 here learns from min-score rollouts, unlike the ladder's ppo. */
export function rhoExperiment(config: Config): ComparingExperiment {
  const sft = sftSpec(config);
  const { rho: values } = config.ablate;
  const specs = values.map((rho) => sparkSpec(config, { rho }));
  const first = specs[0]!.name;
  return comparing({
    name: 'ablate-rho',
    title: `SPaRK at ρ = ${values.join(', ')} (spark: ${config.reward.rho})`,
    stages: trainings(config, [sft, ...specs]),
    rows: [
      row(BASE_TOOLS.name),
      row(sft.name, BASE_TOOLS.name),
      ...specs.map(({ name }) => row(name, sft.name, ...(name === first ? [] : [first]))),
    ],
  });
}
