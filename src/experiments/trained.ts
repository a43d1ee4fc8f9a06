/** Stages that experiments have in common: the untrained model with tools, SFT, a training with its evaluation, policies. */
import type { Config } from '../config/index.js';
import { BASE_TOOLS, type EvaluatedPart, evaluateStage } from '../stages/evaluate.js';
import { generateStage } from '../stages/generate.js';
import { policyStage, validationSet } from '../stages/policy.js';
import type { Stage } from '../stages/stage.js';
import { type TrainSpec, trainStage } from '../stages/train.js';

/** The training of SFT. */
export function sftSpec({ sft, rollout }: Config): TrainSpec {
  return { name: 'sft', method: 'sft', selection: sft.selection, tau: rollout.tau, rho: 0, init: 'base' };
}

/**
 * SPaRK at this τ and ρ. With those of the configuration it is the ladder's stage `spark`, so that it is trained once; else
 * what differs is in its name.
 */
export function sparkSpec(
  config: Config,
  { tau, rho }: { readonly tau?: number; readonly rho?: number } = {},
): TrainSpec {
  const at = { tau: tau ?? config.rollout.tau, rho: rho ?? config.reward.rho };
  const tauName = at.tau === config.rollout.tau ? '' : `-tau${at.tau}`;
  const rhoName = at.rho === config.reward.rho ? '' : `-rho${at.rho}`;
  const name = `spark${tauName}${rhoName}`;
  return { name, method: 'ppo', selection: 'min-score', ...at, init: config.ppo.init };
}

/** Trains, and evaluates the adapter under the training's name. */
export function trained(spec: TrainSpec, questions: EvaluatedPart = 'test'): Stage<unknown>[] {
  return [trainStage(spec), evaluateStage({ name: spec.name, adapter: { stage: spec.name }, tools: true, questions })];
}

/**
 * Rollouts for these trainings, each set once; then the untrained model with tools; then the trainings, in order; then what
 * their policies would choose.
 */
export function trainings(
  config: Config,
  specs: readonly TrainSpec[],
  questions: EvaluatedPart = 'test',
): Stage<unknown>[] {
  const sets = new Map(
    specs.map(({ selection, tau, by }) => {
      const stage = generateStage({ selection, tau, ...(by === undefined ? {} : { by }) });
      return [stage.name, stage] as const;
    }),
  );
  return [
    ...sets.values(),
    ...validationRollouts(config),
    evaluateStage({ ...BASE_TOOLS, questions }),
    ...specs.flatMap((spec) => trained(spec, questions)),
    ...policies(config, specs),
  ];
}

/** The rollouts in whose states trainings measure their policies (`eval.measures`), which are needed before; else none. */
export function validationRollouts(config: Config): Stage<unknown>[] {
  return measuresPolicies(config) ? [generateStage(validationSet(config))] : [];
}

function measuresPolicies({ eval: { every, measures } }: Config): boolean {
  return every > 0 && measures.includes('policy');
}

/** Rollouts on the validation questions, and the policies in their states; none where there are no such questions. */
export function policies(config: Config, specs: readonly TrainSpec[]): Stage<unknown>[] {
  if (config.questions.validationLimit === 0) return [];
  const { name, adapter } = BASE_TOOLS;
  return [
    ...(measuresPolicies(config) ? [] : [generateStage(validationSet(config))]),
    policyStage({ name, adapter }),
    ...specs.map((spec) => policyStage({ name: spec.name, adapter: { stage: spec.name } })),
  ];
}
