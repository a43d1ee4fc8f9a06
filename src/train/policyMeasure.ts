/**
 * Measures a policy's own distribution over the actions, in states of the data it learns from: at a training's start and
 * after every epoch, without generating a token. One forward pass over the trajectories, which computes no other logit.
 */
import { signalOf } from '../abortable.js';
import type { Adapter } from '../engine/types.js';
import { SparkError, toSparkError } from '../errors.js';
import { THINK } from '../tools/tool.js';
import { type ActionTokens, actionLogprobs, actionTrie, withChoices } from '../trajectory/choices.js';
import { commonPrefix, microBatches, pack, unpackChoices } from '../trajectory/pack.js';
import type { Sample } from '../trajectory/sample.js';
import { meanKl, meanShare, measureActions } from './actionMeasures.js';
import type { ChoosingSample } from './actionTerm.js';
import type { TrainContext } from './trainer.js';

/** Of more trajectories than this every second, third, … is measured: the measure is a mean, a training need not wait. */
const MOST = 512;

/** When a measure was taken. A row written before a step is written again by a training that goes on from the step before. */
export type Moment = { readonly afterStep: number } | { readonly beforeStep: number };

/**
 * The samples with their choices; null where nobody gave the tokens of the names, or no state has a score. Names that are not
 * written with these tokens are an error where something is learned from them, else a warning, and null.
 */
export function choosingSamples(samples: readonly Sample[], context: TrainContext): readonly ChoosingSample[] | null {
  const { actions } = context;
  if (actions === undefined || actions.length < 2) return null;
  if (!samples.some(({ decisions }) => decisions !== undefined && decisions.states.length > 0)) return null;
  checkOrder(samples, actions);
  try {
    const trie = actionTrie(actions);
    return samples.map((sample) => withChoices(sample, trie));
  } catch (error) {
    if (samples.some(({ decisions }) => decisions?.learned === true)) throw error;
    context.log.warn(
      `${context.stage}: the probabilities of the actions are not measured: ${toSparkError(error).message}`,
    );
    return null;
  }
}

/** Rewards and probabilities of actions meet by index. */
function checkOrder(samples: readonly Sample[], actions: readonly ActionTokens[]): void {
  const names = actions.map(({ name }) => name);
  for (const { id, decisions } of samples) {
    if (decisions === undefined || decisions.actions.join('\n') === names.join('\n')) continue;
    throw new SparkError(
      'invalid_argument',
      `context.actions: expected the actions by which ${id} was judged, ${decisions.actions.join(', ')}, got ${names.join(', ')}`,
    );
  }
}

/** (J) log-probs of each sample's choices under the adapter, in passes of at most `passTokens`. */
export async function readChoices(
  samples: readonly ChoosingSample[],
  adapter: Adapter,
  passTokens: number,
  context: Pick<TrainContext, 'model' | 'stage' | 'log' | 'signal'>,
): Promise<Float32Array[]> {
  const { model, stage, log } = context;
  const logprobs: Float32Array[] = [];
  const prefix = commonPrefix(samples, model.info.prefixUnit);
  for (const run of microBatches(samples, passTokens, prefix)) {
    const batch = pack(run);
    const packed = batch.choiceTokens
      ? await model.choiceLogprobs(batch, adapter, signalOf(context))
      : new Float32Array(0);
    logprobs.push(...unpackChoices(run, packed));
    log.progress(`${stage} probabilities of actions ${logprobs.length}/${samples.length}`);
  }
  return logprobs;
}

export class PolicyMeasure {
  readonly #context: TrainContext;
  readonly #indices: readonly number[];
  readonly #samples: readonly ChoosingSample[];

  constructor(samples: readonly ChoosingSample[], context: TrainContext) {
    const every = Math.max(1, Math.ceil(samples.length / MOST));
    this.#context = context;
    this.#indices = samples.map((_, index) => index).filter((index) => index % every === 0);
    this.#samples = this.#indices.map((index) => samples[index]!);
  }

  /** Reads the policy in passes of at most `passTokens` and writes the row. `start`: as for `write`. */
  async read(
    adapter: Adapter,
    passTokens: number,
    epochsDone: number,
    moment: Moment,
    start: readonly Float32Array[] | null,
  ): Promise<void> {
    const logprobs = await readChoices(this.#samples, adapter, passTokens, this.#context);
    this.#write(logprobs, epochsDone, moment, start === null ? null : this.#own(start));
  }

  /**
   * Writes the row from (J) log-probs of the choices of all samples, which a pass has computed anyway. `start`: those of the
   * policy that the training began with.
   */
  write(
    logprobs: readonly Float32Array[],
    epochsDone: number,
    moment: Moment,
    start: readonly Float32Array[] | null,
  ): void {
    this.#write(this.#own(logprobs), epochsDone, moment, start === null ? null : this.#own(start));
  }

  #own(all: readonly Float32Array[]): Float32Array[] {
    return this.#indices.map((index) => all[index]!);
  }

  #write(
    logprobs: readonly Float32Array[],
    epochsDone: number,
    moment: Moment,
    start: readonly Float32Array[] | null,
  ): void {
    const states = this.#samples.flatMap(({ decisions }) => decisions?.states ?? []);
    if (states.length === 0) return;
    const { tau, actions } = this.#samples.find(({ decisions }) => decisions !== undefined)!.decisions!;
    const think = actions.indexOf(THINK);
    const now = this.#policies(logprobs);
    const { rarestViable, ...measures } = measureActions(states, now, tau);
    this.#context.metrics({
      stage: this.#context.stage,
      event: 'policy',
      epochsDone,
      ...moment,
      ...measures,
      ...(rarestViable === null ? {} : { rarestViable }),
      ...(think < 0 ? {} : { thinkShare: meanShare(now, think) }),
      ...(start === null ? {} : { klFromStart: meanKl(now, this.#policies(start)) }),
    });
  }

  #policies(logprobs: readonly Float32Array[]): Float64Array[] {
    return this.#samples.flatMap(({ choices, decisions }, index) =>
      actionLogprobs(choices, decisions?.states.length ?? 0, logprobs[index]!),
    );
  }
}
