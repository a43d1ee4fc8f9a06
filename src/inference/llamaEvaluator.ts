/** Evaluation in the sequences of a llama.cpp context: what GrowingSequence and the log-probs are made of. */
import type { LlamaContext, LlamaContextSequence, LlamaModel, Token } from 'node-llama-cpp';
import { SparkError, toSparkError } from '../errors.js';
import type { Lane, Lanes } from './lanes.js';
import type { Rounds } from './rounds.js';
import type { Evaluator, Sampler } from './sequence.js';
import { type HeldSequence, type PoolOptions, SequencePool, type Ticket } from './sequencePool.js';

/** A method that the library keeps for itself. Where a later version has none, `canCopy` is false and nothing is copied. */
interface Copying {
  _copyStateFromOtherSequence(other: LlamaContextSequence, upToTokenIndex: number): Promise<boolean>;
}

export function canCopy(sequence: LlamaContextSequence): sequence is LlamaContextSequence & Copying {
  return '_copyStateFromOtherSequence' in sequence;
}

class LlamaHeld implements HeldSequence<LlamaHeld> {
  readonly native: LlamaContextSequence;

  constructor(native: LlamaContextSequence) {
    this.native = native;
  }

  get length(): number {
    return this.native.nextTokenIndex;
  }

  holds(tokens: readonly number[]): number {
    return this.native.compareContextTokens(tokens as Token[]).firstDifferentIndex;
  }

  async keep(count: number): Promise<void> {
    const end = this.native.nextTokenIndex;
    if (count < end) await this.native.eraseContextTokenRanges([{ start: count, end }]);
  }

  async copy(from: LlamaHeld): Promise<boolean> {
    const { native } = this;
    if (!canCopy(native)) return false;
    if (await native._copyStateFromOtherSequence(from.native, from.native.nextTokenIndex)) return true;
    await native.clearHistory();
    return false;
  }

  discard(): Promise<void> {
    return this.native.dispose();
  }
}

/** Whether the state of a sequence can be cut after any token: not with a recurrent model or a sliding window. */
export function cutsAnywhere({ fileInsights }: LlamaModel): boolean {
  return !fileInsights.isRecurrent && !fileInsights.isHybrid && fileInsights.swaSize === undefined;
}

/** The sequences of one context. */
export class LlamaPool extends SequencePool<LlamaHeld> {
  readonly #context: LlamaContext;

  constructor(
    context: LlamaContext,
    rounds: Rounds,
    options: Pick<PoolOptions<LlamaHeld>, 'size' | 'reuse' | 'copies'>,
  ) {
    super({
      ...options,
      make: () => new LlamaHeld(context.getSequence()),
      alone: (work) => rounds.run(work),
    });
    this.#context = context;
  }

  dispose(): Promise<void> {
    return this.#context.dispose();
  }
}

/** Where an evaluator has its turn, and the sequence there, which its first tokens choose. */
interface Turn {
  readonly lane: Lane<LlamaPool>;
  held: LlamaHeld | null;
}

/** An Evaluator that shares the places of the lanes with others; each evaluation runs in its lane's rounds. */
export class LlamaEvaluator implements Evaluator {
  readonly #lanes: Lanes<LlamaPool>;
  #turn: Turn | null = null;
  /** Between two turns: where its sequence is, unless it was evicted meanwhile. */
  #left: { readonly lane: Lane<LlamaPool>; readonly ticket: Ticket<LlamaHeld> } | null = null;
  /** Whether it was evicted: what it starts with was evaluated before. */
  #again = false;
  #whole = true;

  constructor(lanes: Lanes<LlamaPool>) {
    this.#lanes = lanes;
  }

  async begin(signal?: AbortSignal): Promise<boolean> {
    if (this.#turn !== null) return true;
    if (this.#left !== null) {
      const { lane, ticket } = this.#left;
      this.#again = !lane.context.resume(ticket);
      this.#left = null;
      if (!this.#again) {
        this.#lanes.resume(lane);
        this.#turn = { lane, held: ticket.sequence };
        return true;
      }
    }
    this.#turn = { lane: await this.#lanes.take(signal), held: null };
    return false;
  }

  async rest(): Promise<void> {
    if (this.#turn === null) return;
    const { lane, held } = this.#turn;
    if (held !== null && this.#whole) this.#left = { lane, ticket: lane.context.park(held) };
    else if (held !== null) await lane.context.give(held, false);
    this.#turn = null;
    this.#lanes.give(lane);
  }

  sampler(temperature: number, seed: number): Sampler {
    // Samples from the model's whole distribution, without the library's default cut-offs. topK `null` means no top-k;
    // 0 would sort the whole vocabulary in order to keep all of it.
    const options = { temperature, seed, topK: null as unknown as number, topP: 1, minP: 0, yieldEogToken: true };
    // One native sampler for all tokens of a generation: making one for each token costs as much as sampling does.
    let drawn: Tokens | null = null;
    return {
      next: (tokens) =>
        this.#add(tokens, async (sequence, missing) => {
          const first = drawn === null;
          drawn ??= sequence.evaluate(missing, options);
          const step = await (first ? drawn.next() : drawn.next(missing));
          if (step.done !== true) return step.value;
          throw new SparkError(
            'inference_failed',
            'expected a next token, got none from llama.cpp; the model may hold values that are not finite: try spark-rl doctor',
          );
        }),
      end: async () => {
        await drawn?.return();
      },
    };
  }

  async logits(tokens: readonly number[], candidates: readonly number[]): Promise<number[]> {
    const filter = { tokens: candidates as Token[] };
    const next = await this.#add(tokens, (sequence, missing) => evaluateAll(sequence, missing, { logits: { filter } }));
    return candidates.map((token) => {
      const logit = next.logits?.get(token as Token);
      if (logit === undefined || Number.isNaN(logit)) {
        throw new SparkError(
          'inference_failed',
          `expected a logit for token ${token}, got none from llama.cpp; check that the token is in the vocabulary`,
        );
      }
      return logit;
    });
  }

  async undo(count: number): Promise<void> {
    const { lane, held } = this.#turn!;
    await lane.rounds.run(() => held!.keep(held!.length - count)); // something was evaluated
  }

  async dispose(): Promise<void> {
    await this.rest();
    if (this.#left === null) return;
    const { lane, ticket } = this.#left;
    this.#left = null;
    await lane.context.leave(ticket);
    this.#lanes.wake();
  }

  /** Lets `evaluate` add `tokens`; of the first ones only those that no sequence of the pool holds already. */
  async #add<T>(
    tokens: readonly number[],
    evaluate: (sequence: LlamaContextSequence, missing: Token[]) => Promise<T>,
  ): Promise<T> {
    const turn = this.#turn!;
    const { context, rounds } = turn.lane;
    const run = (held: LlamaHeld, missing: readonly number[]): Promise<T> =>
      rounds.run(() => evaluate(held.native, missing as Token[]));
    try {
      if (turn.held !== null) return await run(turn.held, tokens);
      const { sequence, result } = await context.start(tokens, run, this.#again);
      turn.held = sequence;
      return result;
    } catch (error) {
      this.#whole = false;
      throw toSparkError(error, 'inference_failed');
    }
  }
}

type Tokens = ReturnType<LlamaContextSequence['evaluate']>;
type ControlledInput = Parameters<LlamaContextSequence['controlledEvaluate']>[0];
type GenerateNext = NonNullable<Extract<ControlledInput[number], readonly unknown[]>[1]['generateNext']>;

/** Adds `tokens` (at least one) and returns the log-probability that `target` follows the last of them. */
export type NextLogprob = (
  sequence: LlamaContextSequence,
  tokens: readonly number[],
  target: number,
) => Promise<number>;

export const summedInDouble: NextLogprob = async (sequence, tokens, target) => {
  const { logits } = await evaluateAll(sequence, tokens, { logits: true });
  let max = Number.NEGATIVE_INFINITY;
  for (const logit of logits!.values()) if (logit > max) max = logit;
  let sum = 0;
  for (const logit of logits!.values()) sum += Math.exp(logit - max);
  return logits!.get(target as Token)! - max - Math.log(sum);
};

// llama.cpp's weights are exp(logit − maximum). At temperature 0 the selected token is the one with the maximal logit.
export const summedByLlama: NextLogprob = async (sequence, tokens, target) => {
  const { logits, token, totalLogitWeight } = await evaluateAll(sequence, tokens, {
    token: true,
    totalLogitWeight: true,
    logits: { filter: { tokens: [target as Token], includeSelected: true } },
    options: { temperature: 0 },
  });
  return logits!.get(target as Token)! - logits!.get(token!)! - Math.log(totalLogitWeight!);
};

/** Adds `tokens` (at least one) and returns what `generateNext` asks for after the last of them. */
async function evaluateAll(sequence: LlamaContextSequence, tokens: readonly number[], generateNext: GenerateNext) {
  const input: ControlledInput = tokens.slice(0, -1) as Token[];
  input.push([tokens.at(-1)! as Token, { generateNext }]);
  const results = await sequence.controlledEvaluate(input);
  return results.at(-1)!.next;
}
