/** Actor and critic of PPO with the samples they learn from: what an iteration begins with, optimizer steps, checkpoints. */
import { signalOf } from '../abortable.js';
import type { Batch } from '../engine/batch.js';
import { SparkError } from '../errors.js';
import { mixSeeds, seededOrder } from '../random.js';
import { actionLogprobs } from '../trajectory/choices.js';
import { commonPrefix, microBatches, pack, unpackChoices, unpackSteps, unpackTokens } from '../trajectory/pack.js';
import type { Sample } from '../trajectory/sample.js';
import { ActionTerm, type ChoosingSample } from './actionTerm.js';
import { advantagesOf } from './advantages.js';
import { type Checkpoints, checkpointLabel } from './checkpoint.js';
import { Divergence } from './divergence.js';
import { fitMicroBatch } from './microBatch.js';
import { choosingSamples, PolicyMeasure, readChoices } from './policyMeasure.js';
import { PolicySums } from './policySums.js';
import { type Position, type Step, startPosition } from './ppoPosition.js';
import { needsDecisions, type PpoInput } from './ppoSettings.js';
import { learningRateAt } from './schedule.js';

/** What is computed once and used during an iteration, one array for each sample. */
interface Buffers {
  readonly oldLogprobs: readonly Float32Array[]; // (N) each
  readonly refLogprobs: readonly Float32Array[]; // (N) each
  readonly values: readonly Float32Array[]; // (T) each
  /** Log-probs of the choices: of the policy before this iteration's first update, and before the first of all */
  readonly oldChoices?: readonly Float32Array[]; // (J) each
  readonly startChoices?: readonly Float32Array[]; // (J) each
}

/** A sample of a batch, and its place among all. */
type Row = Sample & { readonly index: number };

export class Learner {
  readonly batchesPerEpoch: number;
  readonly #input: PpoInput;
  readonly #samples: readonly Sample[];
  /** The samples with their choices, where the actions' probabilities are to be read */
  readonly #choosing: readonly ChoosingSample[] | null;
  readonly #term: ActionTerm | null;
  readonly #measure: PolicyMeasure | null;
  /** Tokens that a pass computes once */
  readonly #prefix: number;
  #checkpoints: Checkpoints | null = null;
  #buffers: Buffers | null = null;
  /** (T) A_t per sample, of this iteration */
  #advantages: readonly Float32Array[] = [];

  /** Throws `invalid_argument`, `no_data` and `invalid_file` where the settings learn from what the samples do not have. */
  constructor(input: PpoInput) {
    const { samples, settings, context } = input;
    this.#input = input;
    this.#samples = samples;
    this.#choosing = choosingSamples(samples, context);
    if (this.#choosing === null && needsDecisions(settings)) throw noActions(input);
    this.#term = this.#choosing === null ? null : new ActionTerm(this.#choosing, settings);
    this.#measure = this.#choosing === null ? null : new PolicyMeasure(this.#choosing, context);
    this.#prefix = commonPrefix(this.samples, context.model.info.prefixUnit);
    this.batchesPerEpoch = Math.ceil(samples.length / settings.batchTrajectories);
  }

  /** What is learned from. */
  get samples(): readonly Sample[] {
    return this.#choosing ?? this.#samples;
  }

  /** Mean KL(π* ‖ p_ref) of this iteration; null where the actions are not learned from their scores. */
  get goalKl(): number | null {
    return this.#term?.goal?.goalKl ?? null;
  }

  keepIn(checkpoints: Checkpoints | null): void {
    this.#checkpoints = checkpoints;
  }

  /** Most packed tokens of a pass; computed only for a new training, as a resumed one keeps the number it began with. */
  passTokens(): Promise<number> {
    const { actor, critic, settings, context } = this.#input;
    return fitMicroBatch([actor, critic], this.samples, settings.microBatchTokens, context);
  }

  /** lp_old, V_old and p_ref, computed once an iteration by our engine, because the inference library rounds differently. */
  async beginIteration(at: Position): Promise<void> {
    const { actor, critic, context } = this.#input;
    const oldLogprobs: Float32Array[] = [];
    const values: Float32Array[] = [];
    const choices: Float32Array[] = [];
    for (const run of microBatches(this.samples, at.passTokens, this.#prefix)) {
      const old = await context.model.logprobsAndValues(pack(run), actor, critic, signalOf(context));
      oldLogprobs.push(...unpackTokens(run, old.logprobs));
      values.push(...unpackSteps(run, old.values));
      choices.push(...unpackChoices(run, old.choiceLogprobs));
      context.log.progress(`${context.stage} log-probs and values ${oldLogprobs.length}/${this.#samples.length}`);
    }
    const first = this.#buffers ?? (await this.#reference(at));
    const ofActions =
      this.#choosing === null ? {} : { oldChoices: choices, startChoices: first?.startChoices ?? choices };
    this.#keep({ oldLogprobs, values, refLogprobs: first?.refLogprobs ?? oldLogprobs, ...ofActions });
    this.#measure?.write(choices, at.epochsDone, { beforeStep: at.steps + 1 }, this.#buffers?.startChoices ?? null);
    this.#logGoal(at);
  }

  /** Of the policy that the first iteration began with, where that is not the actor; null where it is. */
  async #reference({ passTokens }: Position): Promise<Pick<Buffers, 'refLogprobs' | 'startChoices'> | null> {
    const { context } = this.#input;
    const adapter = context.part?.reference ?? null;
    if (adapter === null) return null;
    const refLogprobs: Float32Array[] = [];
    for (const run of microBatches(this.#samples, passTokens, this.#prefix)) {
      refLogprobs.push(...unpackTokens(run, await context.model.logprobs(pack(run), adapter, signalOf(context))));
      context.log.progress(`${context.stage} log-probs of the reference ${refLogprobs.length}/${this.#samples.length}`);
    }
    if (this.#choosing === null) return { refLogprobs };
    return { refLogprobs, startChoices: await readChoices(this.#choosing, adapter, passTokens, context) };
  }

  #keep(buffers: Buffers): void {
    this.#buffers = buffers;
    // Absent from a checkpoint of a training that had nothing to read the actions by; then nothing is learned from them.
    const { oldChoices } = buffers;
    if (oldChoices !== undefined) this.#term?.begin(oldChoices);
    const policies =
      oldChoices &&
      this.#choosing?.map(({ choices, decisions }, index) =>
        actionLogprobs(choices, decisions?.states.length ?? 0, oldChoices[index]!),
      );
    this.#advantages = advantagesOf(this.#samples, buffers.values, policies ?? null, this.#advantageSettings);
  }

  get #advantageSettings() {
    const { actionLoss, baseline, whiten } = this.#input.settings;
    // Thought and input answer for coherence alone, of which the scores say nothing.
    return { baseline: actionLoss === 'judged' ? ('value' as const) : baseline, whiten };
  }

  #logGoal(at: Position): void {
    const goal = this.#term?.goal ?? null;
    if (goal === null) return;
    const { context, settings } = this.#input;
    const { stage, metrics, log } = context;
    const { temperature, goalKl, goal: asked, learned, skipped } = goal;
    metrics({
      stage,
      event: 'actions',
      beforeStep: at.steps + 1,
      iteration: at.iteration,
      temperature,
      goalKl,
      goalEntropyBits: asked.entropyBits,
      ...(asked.rarestViable === null ? {} : { goalRarestViable: asked.rarestViable }),
      goalBelowTau: asked.belowTau,
      learned,
      skipped,
    });
    const left = skipped === 0 ? '' : `; ${skipped} states left out, with fewer than two scored actions`;
    log.info(
      `${stage}: iteration ${at.iteration} teaches π* with λ ${temperature.toPrecision(3)} in ${learned} states, mean KL ` +
        `${goalKl.toFixed(3)} from the policy${left}`,
    );
    if (settings.actionTemperature !== null || goalKl > 0.99 * settings.targetKl) return;
    log.info(
      `${stage}: no λ brings π* to a mean KL of targetKl ${settings.targetKl}: the best actions alone are at ` +
        `${goalKl.toFixed(3)}`,
    );
  }

  /** The policy's own distribution over the actions, now. */
  async measure(at: Position): Promise<void> {
    const start = this.#buffers?.startChoices ?? null;
    await this.#measure?.read(this.#input.actor, at.passTokens, at.epochsDone, { afterStep: at.steps }, start);
    at.unmeasured = false;
  }

  /** One optimizer step of actor and critic on one batch of trajectories. */
  async step(at: Position): Promise<Step> {
    const { actor, critic, settings, context } = this.#input;
    const rows = this.#batch(at);
    const tokens = rows.reduce((sum, row) => sum + row.lossTokens, 0); // N_a
    const steps = rows.reduce((sum, row) => sum + row.returns.length, 0); // T
    const { clip, klCoefficient, ratio, valueCoefficient, weightDecay, maxGradNorm } = settings;
    const policy = { normalizer: tokens, clip, klCoefficient, ratio, ...signalOf(context) };
    const value = { critic, normalizer: steps, coefficient: valueCoefficient };
    const shares = this.#learnsActions ? this.#term!.shares(rows.map(({ index }) => index)) : null;
    const sums = new PolicySums();
    const divergence = new Divergence();
    const actions = shares === null ? null : this.#term!.sums();
    await actor.zeroGrad();
    await critic.zeroGrad();
    for (const run of microBatches(rows, at.passTokens, this.#prefix)) {
      const metrics = await actor.accumulatePolicy(await this.#pack(run, shares), { ...policy, value });
      sums.addPolicy(metrics);
      sums.addValue(metrics.value!);
      const references = run.map(({ index }) => this.#buffers!.refLogprobs[index]!);
      divergence.add(run, unpackTokens(run, metrics.logprobs), references);
      if (metrics.choices === undefined) continue;
      unpackChoices(run, metrics.choices.logprobs).forEach((lp, i) => {
        actions!.add(run[i]!.index, lp);
      });
    }
    const share = this.#rateShare(at);
    const rates = { actor: share * settings.learningRate, critic: share * settings.criticLearningRate };
    const { gradNorm } = await actor.optimizerStep({ learningRate: rates.actor, weightDecay, maxGradNorm });
    const criticStep = await critic.optimizerStep({ learningRate: rates.critic, weightDecay, maxGradNorm });
    const taken = { learningRate: rates.actor, gradNorm, valueGradNorm: criticStep.gradNorm };
    const report = sums.report(settings, divergence.report(), actions?.report() ?? null, taken);
    return { report, farthest: divergence.farthest };
  }

  get #learnsActions(): boolean {
    return this.#term?.isLearned === true;
  }

  /** A pass of the actor. `shares`: null where the actions have no loss of their own; then it has no choices either. */
  async #pack(run: readonly Row[], shares: ReturnType<ActionTerm['shares']> | null): Promise<Batch> {
    const { actor, context } = this.#input;
    const columns = run.map(({ index }) => ({
      oldLogprobs: this.#buffers!.oldLogprobs[index]!,
      refLogprobs: this.#buffers!.refLogprobs[index]!,
      advantages: this.#advantages[index]!,
    }));
    if (shares === null) return pack(run, columns);
    let current: Float32Array[] | null = null;
    const plain = pack(run);
    if (shares.bonus > 0 && plain.choiceTokens !== undefined) {
      current = unpackChoices(run, await context.model.choiceLogprobs(plain, actor, signalOf(context)));
    }
    const withTargets = columns.map((column, i) => ({
      ...column,
      choiceTargets: this.#term!.targets(run[i]!.index, shares, current?.[i] ?? null),
    }));
    return pack(run, withTargets);
  }

  async resume(): Promise<Position | null> {
    const { actor, critic } = this.#input;
    const saved = await this.#checkpoints?.load<Position>({ actor, critic });
    if (!saved) return null;
    if (saved.arrays.refLogprobs !== undefined) this.#keep(saved.arrays as unknown as Buffers);
    // A checkpoint of an older version may lack what came later.
    return { ...startPosition(saved.position.passTokens), ...saved.position };
  }

  async save(position: Position): Promise<void> {
    const { actor, critic } = this.#input;
    const arrays = { ...(this.#buffers ?? {}) };
    const label = checkpointLabel(position.steps, position.validation);
    await this.#checkpoints?.save({ position, arrays, trainables: { actor, critic } }, label);
  }

  #batch(at: Position): Row[] {
    const { batchTrajectories } = this.#input.settings;
    // Without a loss over the actions a pass reads none of them, so it has no use for branches.
    const samples = this.#learnsActions ? this.samples : this.#samples;
    const order = seededOrder(samples.length, mixSeeds(this.#input.context.seed, at.iteration, at.epoch));
    return order
      .slice(at.batch * batchTrajectories, (at.batch + 1) * batchTrajectories)
      .map((index) => ({ ...samples[index]!, index }));
  }

  /** Counts planned steps, so that the schedule of later epochs does not change when an epoch is cut short. */
  #rateShare(at: Position): number {
    const { iterations, epochs, warmup } = this.#input.settings;
    const planned = (at.iteration * epochs + at.epoch) * this.batchesPerEpoch + at.batch;
    return learningRateAt(planned, iterations * epochs * this.batchesPerEpoch, 1, warmup);
  }
}

/** Why there is nothing to read the actions' probabilities from, although the settings learn from them. */
function noActions({ samples, context }: PpoInput): SparkError {
  const wanted = 'ppo.actionLoss or ppo.baseline: judged, or ppo.entropyBonus above 0';
  if (context.actions === undefined || samples.every(({ decisions }) => decisions === undefined)) {
    const missing =
      context.actions === undefined ? 'context.actions, the tokens of their names' : 'samples with decisions';
    return new SparkError('invalid_argument', `expected ${missing}, for ${wanted}; got none (collectSamples, judged)`);
  }
  return new SparkError(
    'no_data',
    `${wanted}, learns from the scores of actions, and no step of these rollouts has any; generate rollouts with a judge that ` +
      'scores them, or set the three to clip, value and 0',
  );
}
