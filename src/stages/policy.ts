/**
 * The stage that measures what an adapter's policy would choose in the judged states of the validation rollouts, without
 * generating a token. All adapters of a run are measured in the same states, which none of them learned from.
 */
import { existsSync } from 'node:fs';
import { z } from 'zod';
import type { Config } from '../config/index.js';
import { SparkError } from '../errors.js';
import { modelSha256 } from '../inference/ggufParts.js';
import { readJsonl } from '../jsonl/read.js';
import { type KeysOf, requireKeys } from '../options.js';
import { actionTokens } from '../rollout/step.js';
import { hashOf, hashOfPath } from '../run/freshness.js';
import type { Run } from '../run/run.js';
import { writeWhole } from '../sealed.js';
import { type ActionMeasures, measureActions } from '../train/actionMeasures.js';
import type { ChoosingSample } from '../train/actionTerm.js';
import { fitMicroBatch } from '../train/microBatch.js';
import { readChoices } from '../train/policyMeasure.js';
import { actionLogprobs, actionTrie, withChoices } from '../trajectory/choices.js';
import { type Decision, withDecisions } from '../trajectory/decision.js';
import { nameOfSet } from '../trajectory/rolloutSet.js';
import { sftSample } from '../trajectory/sample.js';
import { readTrajectories } from '../trajectory/store.js';
import type { Trajectory } from '../trajectory/trajectory.js';
import { adapterPath, type EvaluatedAdapter } from './evaluate.js';
import type { ChosenSet } from './generate.js';
import type { Outcome, Stage } from './stage.js';

export interface PolicySpec {
  /** Name of the file and of the row in tables. */
  readonly name: string;
  readonly adapter: EvaluatedAdapter;
}

const SPEC = { name: true, adapter: true } as const satisfies KeysOf<PolicySpec>;

/** One judged state. */
export interface PolicyState {
  readonly questionId: number;
  readonly category: string;
  /** Index of the step in its rollout, from 0 */
  readonly step: number;
  /** (K) by the names in the result's `actions`; null: missing */
  readonly scores: readonly (number | null)[];
  /** (K) log p(a | s), nats */
  readonly logprobs: readonly number[];
}

const stateSchema: z.ZodType<PolicyState> = z.strictObject({
  questionId: z.number().int(),
  category: z.string(),
  step: z.number().int().min(0),
  scores: z.array(z.number().nullable()),
  logprobs: z.array(z.number()),
});

export interface PolicySummary extends ActionMeasures {
  /** (K) names, in the order of each state's numbers */
  readonly actions: readonly string[];
}

/** The rollouts whose states are measured: SPaRK's, at the configuration's τ. */
export function validationSet({ rollout }: Config): ChosenSet {
  return { selection: 'min-score', tau: rollout.tau, questions: 'validation' };
}

export function policyStage(spec: PolicySpec): Stage<PolicySummary> {
  requireKeys(spec, SPEC, 'policyStage: spec');
  return {
    name: `policy ${spec.name}`,
    async dependsOn(run) {
      const { config, parts, partsHash, signal } = run;
      const adapter = adapterPath(run, spec.adapter);
      const { compute, path: model } = config.model;
      return {
        adapter: adapter === null ? null : await hashOfPath(adapter, signal),
        states: await hashOfPath(statesFile(run), signal),
        tau: config.rollout.tau,
        actions: hashOf(parts.actions()),
        model: await modelSha256(model, signal),
        compute,
        parts: partsHash,
      };
    },
    async prepare() {},
    execute: (run) => measure(run, spec),
  };
}

/** The file of the rollouts whose states are measured. Throws `no_data` when there is none. */
export function statesFile(run: Run): string {
  const file = run.folder.trajectoriesFile(nameOfSet(validationSet(run.config)));
  if (existsSync(file)) return file;
  throw new SparkError(
    'no_data',
    `expected rollouts on validation questions at ${file}, got none; set questions.validationLimit, and make them with ` +
      `spark-rl generate --run ${run.folder.root} --validation --tau ${run.config.rollout.tau}`,
  );
}

async function measure(run: Run, spec: PolicySpec): Promise<Outcome<PolicySummary>> {
  const { config, folder, log, parts, signal } = run;
  const actions = parts.actions().map(({ name }) => name);
  const samples = await readStates(run, actions);
  const model = await parts.engine();
  try {
    const at = adapterPath(run, spec.adapter);
    const adapter =
      at === null ? await model.createAdapter({ ...config.lora, seed: config.seed }) : await model.loadAdapter(at);
    const context = { model, stage: `policy ${spec.name}`, log, signal, metrics() {} };
    const all = samples.map(({ sample }) => sample);
    const tokens = await fitMicroBatch([adapter], all, config.ppo.microBatchTokens, context);
    const choices = await readChoices(all, adapter, tokens, context);
    const states = samples.flatMap(({ sample, trajectory }, index) => statesOf(sample, trajectory, choices[index]!));
    const file = folder.policyFile(spec.name);
    await writeWhole(file, states.map(({ state }) => `${JSON.stringify(state)}\n`).join(''));
    const measures = measureActions(
      states.map(({ decision }) => decision),
      states.map(({ logprobs }) => logprobs),
      config.rollout.tau,
    );
    log.info(policyText(spec.name, measures));
    return { result: { actions, ...measures }, files: [file], complete: true, units: states.length };
  } finally {
    model.dispose();
  }
}

type Measured = Pick<Trajectory, 'questionId' | 'category'>;

/** Samples with their choices. Throws `no_data` when no state has a score. */
export async function readStates(
  run: Run,
  actions: readonly string[],
): Promise<{ sample: ChoosingSample; trajectory: Measured }[]> {
  const file = statesFile(run);
  const judged = { actions, rho: run.config.reward.rho, tau: run.config.rollout.tau };
  const tokenizer = await run.parts.tokenizer();
  try {
    const trie = actionTrie(actionTokens(run.parts.actions(), tokenizer));
    const samples: { sample: ChoosingSample; trajectory: Measured }[] = [];
    for await (const trajectory of readTrajectories(file, run.log)) {
      const sample = withDecisions(sftSample(trajectory), trajectory, judged, false);
      if (sample.decisions.states.length === 0) continue;
      const { questionId, category } = trajectory;
      samples.push({ sample: withChoices(sample, trie), trajectory: { questionId, category } });
    }
    if (samples.length > 0) return samples;
    throw new SparkError('no_data', `${file}: expected steps whose actions the judge scored, got none`);
  } finally {
    await tokenizer.dispose();
  }
}

/** A sample's judged states, from (J) log-probs of its choices. */
export function statesOf(
  { choices, decisions }: ChoosingSample,
  { questionId, category }: Measured,
  packed: Float32Array,
) {
  const states = decisions?.states ?? [];
  const logprobs = actionLogprobs(choices, states.length, packed);
  return states.map((decision: Decision, s) => {
    const { step, scores } = decision;
    const state: PolicyState = { questionId, category, step, scores, logprobs: [...logprobs[s]!] };
    return { state, decision, logprobs: logprobs[s]! };
  });
}

/** What the stage has measured; null where it is not done. */
export async function readPolicy(
  run: Run,
  name: string,
): Promise<{ readonly actions: readonly string[]; readonly states: readonly PolicyState[] } | null> {
  const { finished } = run.records.get(`policy ${name}`);
  if (finished === null) return null;
  const states: PolicyState[] = [];
  for await (const state of readJsonl(run.folder.policyFile(name), stateSchema)) states.push(state);
  return { actions: (finished.result as PolicySummary).actions, states };
}

function policyText(name: string, { decisions, entropyBits, rarestViable, belowTau }: ActionMeasures): string {
  const rarest = rarestViable === null ? '' : `, π(rarest viable) ${rarestViable.toFixed(3)}`;
  return (
    `policy ${name}: entropy ${entropyBits.toFixed(2)} bits${rarest}, π(below τ) ${belowTau.toFixed(3)} in ${decisions} ` +
    'validation states'
  );
}
